"""After Numba has inferred types: what it computes of 64-bit integers otherwise than Python does.

Its types are right, its code isn't: ``1 << 64``, ``-2**63 // -1``, `divmod` of these and ``abs(-2**63)`` give
numbers where the result doesn't fit, ``a / b`` rounds twice beyond 2^53, and integers are compared with
floats, and signed ones with unsigned ones, as floats. Such an operation gets code of ours. ``+``, ``-`` and
``*`` wrap around.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from numba.core import cgutils, ir, ir_utils, types
from numba.core.imputils import lower_builtin
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.cpython.listobj import ListInstance

from dataflare_vec.compiler.jit.lowering.integers import emit
from dataflare_vec.compiler.jit.lowering.integers.emit import is_integer
from dataflare_vec.compiler.jit.lowering.integers.operators import COMPARISONS, comparison
from dataflare_vec.compiler.jit.lowering.math import emit as math_emit
from dataflare_vec.compiler.jit.types.raised import DoesNotFit

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, FunctionIR, Signature, Values

_LOWEST = -(1 << 63)


class _Code:
    """What stands for an operator or a function: a key of Numba's registries."""

    def __init__(self, name: str) -> None:
        self.__name__ = name


def _code(name: str, lower: Callable[..., Any], arity: int = 2) -> _Code:
    key = _Code(name)

    class Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            """Return the one signature there is: the types have been inferred."""
            return signature(_returned(name, args), *args)

    Template.key = key
    infer_global(key, types.Function(Template))
    lower_builtin(key, *[types.Any] * arity)(lower)
    return key


def _returned(name: str, args: Any) -> types.Type:
    if name in ("guarded ratio", "ratio"):
        return types.float64
    if name == "divmod":
        return types.UniTuple(types.int64, 2)
    return types.boolean if name in ("in", *COMPARISONS.values()) else types.int64


def _shift_left(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    result, lost = emit.shifted_left(context, builder, args[0], (args[1], sig.args[1]))
    emit.fail(context, builder, lost, DoesNotFit, emit.TOO_LARGE_FOR_64)
    return result


def _shift_right(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    return emit.shifted_right(context, builder, args[0], (args[1], sig.args[1]))


def _unless_lowest(context: Context, builder: Builder, value: Any, divisor: Any = None) -> None:
    lowest = builder.icmp_signed("==", value, value.type(_LOWEST))
    if divisor is not None:
        lowest = builder.and_(lowest, builder.icmp_signed("==", divisor, value.type(-1)))
    emit.fail(context, builder, lowest, DoesNotFit, emit.TOO_LARGE_FOR_64)


def _quotient(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    _unless_lowest(context, builder, *args)
    function = context.typing_context.resolve_value_type(operator.floordiv)
    found = function.get_call_type(context.typing_context, sig.args, {})
    return context.get_function(function, found)(builder, args)


def _pair(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    _unless_lowest(context, builder, *args)
    function = context.typing_context.resolve_value_type(divmod)
    found = function.get_call_type(context.typing_context, sig.args, {})
    return context.get_function(function, found)(builder, args)


def _negative(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    _unless_lowest(context, builder, args[0])
    return builder.neg(args[0])


def _absolute(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    _unless_lowest(context, builder, args[0])
    negative = builder.icmp_signed("<", args[0], args[0].type(0))
    return builder.select(negative, builder.neg(args[0]), args[0])


def _itself(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    return args[0]


def _ratio(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    return emit.ratio(context, builder, tuple(zip(args, sig.args, strict=True)))


def _guarded_ratio(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    """Divide integers that are floats; others are left to the general variant (see `math.emit`)."""
    quick, numbers = emit.short_ratio(context, builder, tuple(zip(args, sig.args, strict=True)))
    with builder.if_then(builder.not_(quick), likely=False):
        context.call_conv._return_errcode_raw(builder, math_emit.STATUS(math_emit.LARGE_ANGLE))
    return builder.fdiv(*numbers)


def _is_among(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    """Whether a number is among others, of which some are integers and some are floats, compared exactly."""
    numbers, sought = args
    many, kind = sig.args
    if isinstance(many, types.BaseTuple):
        found = cgutils.false_bit
        for i, ty in enumerate(many):
            item = builder.extract_value(numbers, i)
            found = builder.or_(found, are_equal(context, builder, (item, ty), (sought, kind)))
        return found
    held = ListInstance(context, builder, many, numbers)
    found = cgutils.alloca_once_value(builder, cgutils.false_bit)
    builder.store(cgutils.false_bit, found)
    with cgutils.for_range(builder, held.size) as loop:
        item = held.getitem(loop.index)
        equal = are_equal(context, builder, (item, many.dtype), (sought, kind))
        builder.store(builder.or_(builder.load(found), equal), found)
    return builder.load(found)


def are_equal(context: Context, builder: Builder, item: tuple[Any, Any], sought: tuple[Any, Any]) -> Any:
    """Return whether two values, each with its type, are equal; integers and floats are compared exactly."""
    return _compared(context, builder, operator.eq, item, sought)


def _compared(
    context: Context, builder: Builder, function: Any, a: tuple[Any, Any], b: tuple[Any, Any]
) -> Any:
    """Compare two values; sequences by their first items that aren't equal, or else by their lengths."""
    kinds = tuple(types.unliteral(ty) for _, ty in (a, b))
    values = (a[0], b[0])
    if _compares_as_floats(kinds):
        return comparison(COMPARISONS[function])(context, builder, signature(types.boolean, *kinds), values)
    if _mixes_items(kinds):
        of_sequences = _compared_tuples if isinstance(kinds[0], types.BaseTuple) else _compared_lists
        return of_sequences(context, builder, function, a, b)
    known = context.typing_context.resolve_value_type(function)
    found = known.get_call_type(context.typing_context, kinds, {})
    cast = [context.cast(builder, v, k, a) for v, k, a in zip(values, kinds, found.args, strict=True)]
    return context.get_function(known, found)(builder, cast)


def _compared_tuples(context: Context, builder: Builder, function: Any, a: Any, b: Any) -> Any:
    found = cgutils.true_bit if function(len(a[1]), len(b[1])) else cgutils.false_bit
    for i in reversed(range(min(len(a[1]), len(b[1])))):
        items = [(builder.extract_value(value, i), ty[i]) for value, ty in (a, b)]
        equal = are_equal(context, builder, *items)
        found = builder.select(equal, found, _compared(context, builder, function, *items))
    return found


def _compared_lists(context: Context, builder: Builder, function: Any, a: Any, b: Any) -> Any:
    lists = [ListInstance(context, builder, types.unliteral(ty), value) for value, ty in (a, b)]
    size, other = (one.size for one in lists)
    sign = COMPARISONS[function]
    found = cgutils.alloca_once_value(builder, builder.icmp_signed(sign, size, other))
    shorter = builder.select(builder.icmp_signed("<", size, other), size, other)
    with cgutils.for_range(builder, shorter) as loop:
        items = [(one.getitem(loop.index), one.dtype) for one in lists]
        with builder.if_then(builder.not_(are_equal(context, builder, *items))):
            builder.store(_compared(context, builder, function, *items), found)
            loop.do_break()
    return builder.load(found)


def _of_sequences(function: Any) -> Any:
    def lower(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        return _compared(context, builder, function, *zip(args, sig.args, strict=True))

    return lower


def _mixes_items(kinds: tuple[types.Type, ...]) -> bool:
    """Whether Numba would compare integers in one sequence with floats in another as floats."""
    if all(isinstance(kind, types.BaseTuple) for kind in kinds):
        pairs = [tuple(map(types.unliteral, pair)) for pair in zip(*kinds, strict=False)]
    elif all(isinstance(kind, types.List) for kind in kinds):
        pairs = [tuple(types.unliteral(kind.dtype) for kind in kinds)]
    else:
        return False
    return any(_compares_as_floats(pair) or _mixes_items(pair) for pair in pairs)


def _mixes(many: Any, sought: Any) -> bool:
    """Whether Numba would look for a number among integers and floats by comparing floats."""
    if isinstance(many, types.BaseTuple):
        items = [types.unliteral(ty) for ty in many]
    elif isinstance(many, types.List):
        items = [types.unliteral(many.dtype)]
    else:
        return False
    if isinstance(sought, types.BaseTuple):
        return any(_mixes_items((ty, sought)) for ty in items)
    plain = all(isinstance(ty, (types.Integer, types.Float)) for ty in (*items, sought))
    return plain and any(_compares_as_floats((ty, sought)) for ty in items)


_LEFT, _RIGHT = _code("<<", _shift_left), _code(">>", _shift_right)
_QUOTIENT, _GUARDED_RATIO, _RATIO = (
    _code("//", _quotient),
    _code("guarded ratio", _guarded_ratio),
    _code("ratio", _ratio),
)
_PAIR = _code("divmod", _pair)
_AMONG = _code("in", _is_among)
_NEGATIVE, _ABSOLUTE, _ITSELF = _code("-", _negative, 1), _code("abs", _absolute, 1), _code("int", _itself, 1)
_SIGNS = {sign: _code(sign, comparison(sign)) for sign in COMPARISONS.values()}
_SEQUENCES = {function: _code(sign, _of_sequences(function)) for function, sign in COMPARISONS.items()}

_PLAIN = (types.Integer, types.Boolean)
_OF_TWO = {
    operator.lshift: _LEFT,
    operator.ilshift: _LEFT,
    operator.rshift: _RIGHT,
    operator.irshift: _RIGHT,
    operator.floordiv: _QUOTIENT,
    operator.ifloordiv: _QUOTIENT,
}
_RATIOS = (operator.truediv, operator.itruediv)
_OF_ONE = {
    abs: _ABSOLUTE,
    math.trunc: _ITSELF,
    math.floor: _ITSELF,
    math.ceil: _ITSELF,
    round: _ITSELF,
}
_CALLED: dict[int, dict[Any, _Code]] = {1: _OF_ONE, 2: {divmod: _PAIR}}


def compute_exactly(func_ir: FunctionIR, typemap: Any, calltypes: Any, *, general: bool) -> tuple[bool, bool]:
    """Change a typed function so.

    Returns
    -------
    tuple of bool
        Whether there was anything to change, and whether some integers are left to the general variant.
    """
    changed = leaves = False
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ir.Assign) and isinstance(value, ir.Expr):
                if value.op in ("binop", "inplace_binop"):
                    code, kinds = _for_two(value, typemap, general=general)
                    if code is not None:
                        value.fn = value.immutable_fn = code
                        _retype(calltypes, value, code, kinds)
                        changed = True
                        leaves |= code is _GUARDED_RATIO
                elif value.op == "unary" and value.fn is operator.neg and _is_int(typemap[value.value.name]):
                    value.fn = _NEGATIVE
                    _retype(calltypes, value, _NEGATIVE, (types.int64,))
                    changed = True
                elif value.op == "call" and len(value.args) in _CALLED and not value.kws:
                    changed |= _change_call(func_ir, block, body, value, typemap, calltypes)
            body.append(statement)
        block.body = body
    return changed, leaves


def _is_int(ty: types.Type) -> bool:
    return bool(types.unliteral(ty) == types.int64)


def _for_two(value: Any, typemap: Any, *, general: bool) -> tuple[_Code | None, tuple[types.Type, ...]]:
    """Return the code for an operator, and the types that it takes its operands in; None to leave it."""
    kinds = tuple(plain_kind(typemap[var.name]) for var in (value.lhs, value.rhs))
    function = value.fn
    if function is operator.contains:
        return (_AMONG if _mixes(*kinds) else None), kinds
    if function in (operator.eq, operator.ne) and any(
        isinstance(typemap[var.name], types.Optional) for var in (value.lhs, value.rhs)
    ):
        return None, kinds  # `jit.passes.optional`: None is equal to None
    if function in COMPARISONS:
        return sign_for(function, kinds), kinds
    if not all(map(is_integer, kinds)) or types.uint64 in kinds:
        return None, kinds
    if function in _RATIOS:
        return (_RATIO if general else _GUARDED_RATIO), kinds
    if function in _OF_TWO and all(isinstance(kind, _PLAIN) for kind in kinds):
        return _OF_TWO[function], (types.int64, types.int64)
    return None, kinds


def plain_kind(ty: types.Type) -> types.Type:
    """Return the type of a value that is there, and isn't known."""
    return types.unliteral(ty.type if isinstance(ty, types.Optional) else ty)


def sign_for(function: Any, kinds: tuple[types.Type, ...]) -> _Code | None:
    """Return our code for a comparison of two such types; None where Numba's is right."""
    if function not in COMPARISONS:
        return None
    if _compares_as_floats(kinds):
        return _SIGNS[COMPARISONS[function]]
    return _SEQUENCES[function] if _mixes_items(kinds) else None


def _compares_as_floats(kinds: tuple[types.Type, ...]) -> bool:
    """Whether Numba would compare integers of 64 bits as floats."""
    if types.float64 in kinds or types.float32 in kinds:
        return types.int64 in kinds or types.uint64 in kinds
    return set(kinds) == {types.int64, types.uint64} or (
        types.uint64 in kinds and any(isinstance(kind, types.Integer) and kind.signed for kind in kinds)
    )


def _change_call(
    func_ir: FunctionIR, block: Any, body: list[Any], value: Any, typemap: Any, calltypes: Any
) -> bool:
    kinds = [plain_kind(typemap[var.name]) for var in value.args]
    if (
        types.int64 not in kinds
        or not all(isinstance(kind, _PLAIN) for kind in kinds)
        or types.uint64 in kinds
    ):
        return False
    found = ir_utils.guard(ir_utils.find_outer_value, func_ir, value.func)
    found = getattr(found, "original", found)  # of a function of `math.table`
    try:
        code = _CALLED[len(kinds)].get(found)
    except TypeError:  # not hashable
        return False
    if code is None:
        return False
    name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv"), value.loc)
    called = ir.Global(code.__name__, code, value.loc)
    body.append(ir.Assign(called, name, value.loc))
    func_ir._definitions[name.name].append(called)
    value.func = name
    typemap[name.name] = _retype(calltypes, value, code, (types.int64,) * len(kinds))
    return True


def _retype(calltypes: Any, expression: Any, code: _Code, kinds: tuple[types.Type, ...]) -> types.Type:
    """Set the signature of an expression to that of our code; return the code's type."""
    context = cpu_target.typing_context
    function = context.resolve_value_type(code)
    del calltypes[expression]  # which takes no key twice
    calltypes[expression] = function.get_call_type(context, kinds, {})
    return function
