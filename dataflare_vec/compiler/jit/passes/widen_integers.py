"""Before Numba infers types: integers of columns are made those that Python's rules hold for.

Numba negates and inverts in the width of the operand, and computes with two unsigned ones as unsigned: of
UInt32 columns, `1 - 2` would be 18446744073709551615, and `-x` of a UInt8 is never negative. Each operand or
argument that may be an integer of fewer than 64 bits is made one of 64; values that aren't computed with keep
their width. Values of UInt64 columns come as natural numbers of 128 bits; items of lists become such here.
"""

from __future__ import annotations

import operator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core import ir, ir_utils, types
from numba.core.typing import signature as make_signature
from numba.extending import intrinsic, overload

from dataflare_vec.compiler.jit.lowering.integers.arrays import (
    beside_arrays,
    beside_words,
    cast_first,
    is_unsigned_constant,
    is_word,
)
from dataflare_vec.compiler.jit.lowering.integers.functions import Large
from dataflare_vec.compiler.jit.lowering.integers.narrow import FITTING
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType, natural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        FunctionIR,
        Signature,
        TypingContext,
        Values,
    )

_COMPARISONS = {operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge}
_NOT_ARITHMETIC = {operator.not_, operator.is_, operator.is_not, operator.contains, *_COMPARISONS}
_COMPUTING = ("binop", "inplace_binop", "unary")
_ITEMS = ("getitem", "static_getitem", "pair_first")
_BUILT_IN = {abs, pow, divmod, round}
#: Methods that only strings have.
_TEXT_METHODS = set(dir(str)) - set(dir(list)) - set(dir(dict))
#: Of an array's items these compute others; the rest reorders them, or NumPy sums in 64 bits.
_OF_ITEMS = {np.diff, np.ptp}
_LIBRARIES = {"builtins", "math", "numpy", "datetime"}


# -- what is put round operands ---------------------------------------------------------------------------


@intrinsic  # type: ignore[untyped-decorator]
def _widened(typing_context: TypingContext, value: Any, other: Any) -> Any:
    """Return an integer of fewer than 64 bits as one of 64, and anything else as it is.

    So too if the other operand is a float: those of 32 bits are computed with in single precision.
    """
    wide = value
    if _is_narrow(_held(value)) and isinstance(_held(other), types.Integer | types.Boolean | WideIntType):
        wide = types.Optional(types.int64) if isinstance(value, types.Optional) else types.int64
    return wide(value, other), cast_first


@intrinsic  # type: ignore[untyped-decorator]
def _widened_items(typing_context: TypingContext, value: Any, other: Any) -> Any:
    """Return an array of such integers as one of 64 bits, a scalar as `_widened`."""
    held, wide = _held(value), value
    if isinstance(held, types.Array) and _is_narrow(held.dtype) and not _is_floating(other):
        wide = types.Array(types.int64, held.ndim, "C")
        if isinstance(value, types.Optional):
            return None
    elif _is_narrow(held) and not _is_floating(other):
        wide = types.Optional(types.int64) if isinstance(value, types.Optional) else types.int64

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        if not isinstance(wide, types.Array) or wide == value:
            return cast_first(context, builder, signature, arguments)

        def copied(a):  # type: ignore[no-untyped-def]
            return a.astype(np.int64)

        return context.compile_internal(builder, copied, make_signature(wide, value), arguments[:1])

    return wide(value, other), generate


@intrinsic  # type: ignore[untyped-decorator]
def _item(typing_context: TypingContext, value: Any) -> Any:
    """Return an unsigned integer of 64 bits as a natural number, and anything else as it is."""
    kind = value
    if _held(value) == types.uint64:
        kind = types.Optional(natural) if isinstance(value, types.Optional) else natural
    return kind(value), cast_first


def _sum_of(numbers: Any, start: Any = 0) -> Any:
    """Return the sum of integers; stands for `sum` in kernels."""
    return sum(numbers, start)


@overload(_sum_of)
def _sum(numbers, start=0):  # type: ignore[no-untyped-def]
    if not isinstance(numbers, types.Array) or numbers.dtype != types.uint64 or numbers.ndim != 1:
        return lambda numbers, start=0: sum(numbers, start)
    zero = Large(0)

    def sum_of(numbers, start=0):  # type: ignore[no-untyped-def]
        total = zero
        for number in numbers:
            total = total + _item(number)
        return total + start

    return sum_of


def _is_within(numbers: Any, sought: Any) -> bool:
    """Return whether a number is among others; stands for `in` in kernels."""
    return sought in numbers


@overload(_is_within)
def _within(numbers, sought):  # type: ignore[no-untyped-def]
    if not isinstance(numbers, types.Array) or numbers.dtype != types.uint64:
        return lambda numbers, sought: sought in numbers

    def within(numbers, sought):  # type: ignore[no-untyped-def]
        for number in numbers.flat:
            if _item(number) == sought:
                return True
        return False

    return within


# -- the pass ---------------------------------------------------------------------------------------------


def compute_wide(func_ir: FunctionIR, argument_types: Sequence[Any]) -> bool:
    """Change a function's IR so; return whether there was anything to change."""
    large = _replace_large(func_ir)
    changed = large
    narrow = {i for i, ty in enumerate(argument_types) if _holds(ty, _is_narrow)}
    if narrow:
        tainted = _reached(func_ir, narrow)
        changed |= _wrap(func_ir, lambda value: _narrow_operands(func_ir, value, tainted))
    unsigned = {i for i, ty in enumerate(argument_types) if _holds(ty, _is_unsigned_column)}
    if unsigned or any(is_unsigned_constant(value) for value in _constants(func_ir)):
        computed = _reached(func_ir, unsigned, computed=True)
        changed |= _wrap(func_ir, lambda value: beside_arrays(func_ir, value, computed))
        changed |= _lift(func_ir, computed)
    words = {id(value) for value in _constants(func_ir) if is_word(func_ir, value)}
    if words:
        made = _reached(func_ir, set(), computed=True, words=words)
        changed |= _wrap(func_ir, lambda value: beside_words(func_ir, value, made))
    wide = any(_holds(ty, lambda item: _is_wide(item) or item == types.uint64) for ty in argument_types)
    if large or wide or any(map(_may_return_wide, _constants(func_ir))):
        changed |= _wrap(func_ir, lambda value: _converted(func_ir, value))
    return changed


def _held(ty: types.Type) -> Any:
    return ty.type if isinstance(ty, types.Optional) else ty


def _is_narrow(ty: types.Type) -> bool:
    return isinstance(ty, types.Integer) and not isinstance(ty, types.Literal) and ty.bitwidth < 64


def _is_wide(ty: types.Type) -> bool:
    return isinstance(ty, WideIntType)


def _is_floating(ty: types.Type) -> bool:
    ty = _held(ty)
    return isinstance(ty.dtype if isinstance(ty, types.Array) else ty, types.Float)


def _is_unsigned_column(ty: types.Type) -> bool:
    """Whether a type is that of a row of a column: an array that can't be changed."""
    return isinstance(ty, types.Array) and ty.dtype == types.uint64 and not ty.mutable


def _constants(func_ir: FunctionIR) -> Iterator[Any]:
    for block in func_ir.blocks.values():
        for statement in block.find_insts(ir.Assign):
            yield statement.value


def _may_return_wide(value: Any) -> bool:
    """Whether something is a function that may return integers of 128 bits, or a module of such."""
    held = getattr(value, "value", None) if isinstance(value, ir.Global | ir.FreeVar) else None
    if isinstance(held, ModuleType):
        return held.__name__.partition(".")[0] not in _LIBRARIES
    module = getattr(held, "__module__", None) or "builtins"
    return callable(held) and not isinstance(held, type) and module.partition(".")[0] not in _LIBRARIES


def _holds(ty: types.Type, test: Callable[[Any], bool]) -> bool:
    """Whether a type is such an integer, a tuple with one in it, or a row of a column of them."""
    ty = _held(ty)
    if isinstance(ty, types.BaseTuple):
        return any(_holds(item, test) for item in ty)
    if isinstance(ty, types.Array) and not ty.mutable and test(ty.dtype):
        return True
    return test(ty)


def _reached(
    func_ir: FunctionIR, arguments: set[int], *, computed: bool = False, words: Any = ()
) -> set[str]:
    """Return the variables that may hold what one of the arguments does, or also what is computed from it."""
    assigned = [s for block in func_ir.blocks.values() for s in block.find_insts(ir.Assign)]
    reached: set[str] = set()
    grows = True
    while grows:
        before = len(reached)
        for statement in assigned:
            value = statement.value
            if isinstance(value, ir.Arg):
                found = value.index in arguments
            elif id(value) in words or (computed and is_unsigned_constant(value)):
                found = True
            elif isinstance(value, ir.Var):
                found = value.name in reached
            elif isinstance(value, ir.Expr) and (computed or value.op not in _COMPUTING):
                # `list_vars` knows no undefined one among the values of a phi
                found = any(getattr(var, "name", None) in reached for var in value.list_vars())
            else:
                found = False
            if found:
                reached.add(statement.target.name)
        grows = len(reached) > before
    return reached


def _narrow_operands(func_ir: FunctionIR, value: Any, tainted: set[str]) -> Iterator[Any]:
    if value.op == "call":
        found = ir_utils.guard(ir_utils.find_outer_value, func_ir, value.func)
        wrap = _widened_items if isinstance(found, np.ufunc) or _is_in(found, _OF_ITEMS) else _widened
        if _computes(found):
            for i, argument in enumerate(value.args):
                if argument.name in tainted:
                    yield i, wrap, (argument, argument)
        return
    if value.op not in _COMPUTING or value.fn in _NOT_ARITHMETIC:
        return
    places = ("value",) if value.op == "unary" else ("lhs", "rhs")
    for place, other in zip(places, reversed(places), strict=True):
        if getattr(value, place).name in tainted and not (value.op == "inplace_binop" and place == "lhs"):
            yield place, _widened_items, (getattr(value, place), getattr(value, other))
        elif getattr(value, place).name in tainted:
            yield place, _widened, (getattr(value, place), getattr(value, other))


def _computes(found: Any) -> bool:
    """Whether a function returns other numbers than it is given: not one of the user's, nor a class."""
    if isinstance(found, np.ufunc) or _is_in(found, _BUILT_IN):
        return True
    module = getattr(found, "__module__", None) or ""
    return not isinstance(found, type) and module.partition(".")[0] in ("math", "numpy")


def _is_in(found: Any, known: Any) -> bool:
    try:
        return found in known
    except TypeError:  # not hashable
        return False


def _converted(func_ir: FunctionIR, value: Any) -> Iterator[Any]:
    """Yield the arguments of what takes an integer of at most 64 bits."""
    if value.op != "call":
        return
    found = ir_utils.guard(ir_utils.find_outer_value, func_ir, value.func)
    if isinstance(found, type) and found in FITTING and len(value.args) == 1:
        yield 0, FITTING[found], (value.args[0],)
    elif found is chr or getattr(found, "__module__", "") == "datetime" or _is_method_of_text(func_ir, value):
        places: list[Any] = [*enumerate(value.args), *(((name,), one) for name, one in value.kws)]
        for place, argument in places:
            constant = ir_utils.guard(ir_utils.find_const, func_ir, argument)
            if not isinstance(constant, str):  # as the name of an encoding, which has to stay a constant
                yield place, FITTING[np.int64], (argument,)


def _is_method_of_text(func_ir: FunctionIR, value: Any) -> bool:
    method = ir_utils.guard(ir_utils.get_definition, func_ir, value.func)
    return getattr(method, "op", "") == "getattr" and method.attr in _TEXT_METHODS


def _wrap(func_ir: FunctionIR, operands: Callable[[Any], Iterable[Any]]) -> bool:
    """Put a call around operands: `operands` names their place, what is called, and with what."""
    changed = False
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ir.Assign) and isinstance(value, ir.Expr):
                for place, function, arguments in list(operands(value)):
                    result = add_call(func_ir, block, body, function, arguments, value.loc)
                    if isinstance(place, tuple):
                        value.kws = [(n, result if n == place[0] else a) for n, a in value.kws]
                    elif isinstance(place, int):
                        value.args = tuple(result if i == place else a for i, a in enumerate(value.args))
                    else:
                        setattr(value, place, result)
                    changed = True
            body.append(statement)
        block.body = body
    return changed


def add_call(
    func_ir: FunctionIR, block: Any, body: list[Any], function: Any, arguments: Any, loc: Any
) -> Any:
    """Add the call of a function to a block; return the variable that gets its result."""
    name, result = (ir.Var(block.scope, ir_utils.mk_unique_var("$dfv"), loc) for _ in range(2))
    called = ir.Global(function.__name__, function, loc)
    call = ir.Expr.call(name, arguments, (), loc)
    body += [ir.Assign(called, name, loc), ir.Assign(call, result, loc)]
    func_ir._definitions[name.name].append(called)
    func_ir._definitions[result.name].append(call)
    return result


def _lift(func_ir: FunctionIR, tainted: set[str]) -> bool:
    """Make natural numbers of the items of rows of unsigned integers, and of what NumPy picks of them."""
    changed = False
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ir.Assign) and isinstance(value, ir.Expr):
                function, arguments = _stand_in(func_ir, value, tainted)
                if function is not None:
                    result = add_call(func_ir, block, body, function, arguments, value.loc)
                elif _picks(func_ir, value, tainted):
                    raw = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv"), value.loc)
                    body.append(ir.Assign(value, raw, value.loc))
                    func_ir._definitions[raw.name].append(value)
                    result = add_call(func_ir, block, body, _item, (raw,), value.loc)
                else:
                    body.append(statement)
                    continue
                definitions = func_ir._definitions[statement.target.name]
                definitions[:] = [result if item is value else item for item in definitions]
                statement.value = result
                changed = True
            body.append(statement)
        block.body = body
    return changed


def _stand_in(func_ir: FunctionIR, value: Any, tainted: set[str]) -> tuple[Any, tuple[Any, ...]]:
    """Return what is called instead of something that has a row as its argument, and with what."""
    if value.op == "binop" and value.fn is operator.contains and value.lhs.name in tainted:
        return _is_within, (value.lhs, value.rhs)
    if value.op == "call" and value.args and value.args[0].name in tainted and not value.kws:
        found = ir_utils.guard(ir_utils.find_outer_value, func_ir, value.func)
        if found is sum or (found is np.sum and len(value.args) == 1):
            return _sum_of, tuple(value.args)
    return None, ()


def _picks(func_ir: FunctionIR, value: Any, tainted: set[str]) -> bool:
    """Whether an expression may be an item of a row."""
    if value.op in _ITEMS:
        return value.value.name in tainted
    if value.op != "call":
        return False
    found = ir_utils.guard(ir_utils.find_outer_value, func_ir, value.func)
    if found is None or value.func.name in tainted:  # a method
        return value.func.name in tainted
    if not any(argument.name in tainted for argument in value.args):
        return False
    return _is_in(found, {min, max}) or (_computes(found) and not isinstance(found, np.ufunc))


# -- constants --------------------------------------------------------------------------------------------

_WORDS = range(-(1 << 63), 1 << 63)
#: What UInt64 columns are compared and computed with; larger ones are refused.
_LARGE = range(-(1 << 64), (1 << 64) + 1)


def _replace_large(func_ir: FunctionIR) -> bool:
    """Mark the constants beyond 64 bits with a sign; return whether there were any."""
    changed = False
    for block in func_ir.blocks.values():
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ir.Const | ir.Global | ir.FreeVar):
                new = _marked(value.value)
                if new is not value.value:
                    value.value = new
                    value.use_literal_type = False
                    changed = True
    return changed


def _marked(value: Any) -> Any:
    if type(value) is int:
        return Large(value) if value in _LARGE and value not in _WORDS else value
    if type(value) is tuple:
        items = [_marked(item) for item in value]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            return tuple(items)
    return value
