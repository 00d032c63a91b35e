"""After Numba has inferred types: a float of 32 bits stays one beside Python's own numbers.

Numba makes 64 bits of it with any integer and any constant: ``x * 0.1`` of a Float32 would be a Float64, and
``x == 0.1`` never true. For NumPy, and so for the plain function, a number of Python's takes the width of
what it meets; only NumPy's own of 64 bits, such as that of a Float64 column, widens. (Polars' literals do as
Python's numbers.) Here each number of Python's that meets a float of 32 bits is made one, and types are
inferred once more.

Source: NEP 50, "Promotion rules for Python scalars".
"""

from __future__ import annotations

import math
import operator
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core import cgutils, ir, ir_utils, types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.passes.exact_integers import plain_kind
from dataflare_vec.compiler.jit.passes.widen_integers import add_call
from dataflare_vec.compiler.jit.types.tables import TableType
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from numba.core.dispatcher import Dispatcher

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        FunctionIR,
        Signature,
        TypingContext,
        Values,
    )

_NUMBERS = (types.Integer, types.Float, types.Boolean, WideIntType)
_ARITHMETIC = {
    getattr(operator, prefix + name)
    for prefix in ("", "i")
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
}
#: Operators whose operands meet.
_MEET = {getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge", "contains")} | _ARITHMETIC
#: Functions whose result is one of their arguments.
_CHOOSE = {min, max}
#: Functions whose arguments meet, as operands do.
_OF_SEVERAL = {pow, divmod, *_CHOOSE, *_ARITHMETIC}
#: Functions whose result is as wide as what they are given.
_KEEPS_WIDTH = {abs, round, *_OF_SEVERAL}
#: Functions whose result is a number of Python's, whatever they are given.
_OF_PYTHON = {float, int, len, ord}
#: Expressions that take out what another one holds.
_TAKES_OUT = {"getitem", "static_getitem", "exhaust_iter", "getiter", "iternext", "pair_first", "cast"}


@intrinsic  # type: ignore[untyped-decorator]
def single(typing_context: TypingContext, value: Any) -> Any:
    """Return a number, or each one of a tuple, as a float of 32 bits."""
    held = plain_kind(value)
    wanted: Any = types.float32
    if isinstance(held, types.BaseTuple):
        wanted = types.UniTuple(types.float32, held.count)
    elif isinstance(value, types.Optional):
        wanted = types.Optional(types.float32)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        kind, given = signature.args[0], arguments[0]
        if isinstance(kind, types.Optional):
            optional = context.make_helper(builder, kind, value=given)
            narrow = _narrowed(context, builder, kind.type, optional.data)
            made = context.make_helper(builder, wanted)
            made.valid, made.data = optional.valid, narrow
            return made._getvalue()
        if isinstance(kind, types.BaseTuple):
            items = [
                _narrowed(context, builder, ty, item)
                for ty, item in zip(kind, cgutils.unpack_tuple(builder, given), strict=True)
            ]
            return context.make_tuple(builder, wanted, items)
        return _narrowed(context, builder, kind, given)

    return wanted(value), generate


def _narrowed(context: Context, builder: Builder, kind: Any, value: Any) -> Any:
    """Return a number as a float of 32 bits: by way of 64, as NumPy does with Python's."""
    double = context.cast(builder, value, kind, types.float64)
    return context.cast(builder, double, types.float64, types.float32)


def keep_single(
    func_ir: FunctionIR,
    typemap: Any,
    constants: Collection[int],
    given: Callable[[Dispatcher, frozenset[int]], Dispatcher],
) -> bool:
    """Change a typed function so.

    Parameters
    ----------
    constants
        The positions of arguments that are numbers of Python's, as constants are.
    given
        Returns a helper for which the arguments at some positions are.

    Returns
    -------
    bool
        Whether something was changed, and types must be inferred anew.
    """
    if not any(_number(ty) == types.float32 for ty in typemap.values()):
        return False
    function = _Function(func_ir, typemap, constants)
    return function.narrow_numbers() | function.tell_helpers(given)


@dataclass(frozen=True)
class _Operand:
    """A variable that an expression reads, and where."""

    var: Any
    block: Any
    statement: Any
    place: Any

    @property
    def name(self) -> str:
        """The variable's."""
        return str(self.var.name)


class _Function:
    """A typed function, and what is known of its variables.

    Attributes
    ----------
    strong : set of str
        Those that hold a number of NumPy's that has 64 bits, or may.
    singles : set of str
        Those that Numba has taken for floats of 64 bits, and that will have 32.
    wide : set of str
        Those that may be a float of 32 bits, or a number that only 64 hold, by the way that a row takes.
    """

    def __init__(self, func_ir: FunctionIR, typemap: Any, constants: Collection[int]) -> None:
        self.func_ir, self.typemap, self.constants = func_ir, typemap, constants
        self.assigned = [
            (block, statement)
            for block in func_ir.blocks.values()
            for statement in block.find_insts(ir.Assign)
            if statement.target.name in typemap
        ]
        self.strong = self._closure(self._is_strong)
        self.wide: set[str] = set()
        self.singles = self._closure(self._becomes_single)
        while more := {o.statement.target.name for o in self._not_narrowed()} - self.wide:
            self.wide |= more
            self.singles = self._closure(self._becomes_single)

    def _closure(self, test: Callable[[str, Any, set[str]], bool]) -> set[str]:
        """Return the variables for which ``test(name, value, found so far)`` holds in the end."""
        found: set[str] = set()
        before = -1
        while len(found) > before:
            before = len(found)
            for _, statement in self.assigned:
                if test(statement.target.name, statement.value, found):
                    found.add(statement.target.name)
        return found

    def _is_strong(self, name: str, value: Any, strong: set[str]) -> bool:
        ty = plain_kind(self.typemap[name])
        if _number(ty) == types.float32 or isinstance(ty, types.Boolean):
            return False
        if isinstance(value, ir.Arg):
            return value.index not in self.constants and _holds_numpy(ty)
        if isinstance(value, ir.Const | ir.Global | ir.FreeVar):
            return isinstance(value.value, np.generic | np.ndarray)
        if isinstance(value, ir.Expr) and value.op == "getattr":
            of_module = ir_utils.guard(ir_utils.find_outer_value, self.func_ir, value)
            if isinstance(of_module, np.generic | np.ndarray):
                return True
        if isinstance(value, ir.Expr) and value.op == "call":
            called = self._called(value)
            if called in _OF_PYTHON or getattr(called, "__module__", "") == "math":
                return False
            if (getattr(called, "__module__", None) or "").partition(".")[0] == "numpy":
                return True
        read = [other for other in _read(value) if other in strong and other not in self._looked_for(value)]
        if isinstance(ty, types.Integer):  # a column's are Python's; those of arrays are NumPy's
            is_field = isinstance(value, ir.Expr) and value.op == "getattr"
            return not is_field and any(self._is_of_array(other) for other in read)
        return bool(read)

    def _looked_for(self, value: Any) -> list[str]:
        """Return the key that an expression looks up in a table: what is found is a number of Python's."""
        if not isinstance(value, ir.Expr):
            return []
        if value.op in ("getitem", "static_getitem"):
            key = value.index if value.op == "getitem" else value.index_var
            return [key.name] if key is not None and self._is_table(value.value.name) else []
        if value.op == "call" and value.args and self._is_table(value.func.name):
            return [value.args[0].name]
        return []

    def _is_table(self, name: str) -> bool:
        """Whether a variable is a table, or a method of one."""
        ty = self.typemap.get(name)
        return isinstance(getattr(ty, "this", ty), TableType)

    def _is_of_array(self, name: str) -> bool:
        return not isinstance(plain_kind(self.typemap.get(name)), types.Float | types.BaseTuple)

    def _becomes_single(self, name: str, value: Any, singles: set[str]) -> bool:
        if name in self.strong | self.wide or _number(self.typemap[name]) != types.float64:
            return False
        if isinstance(value, ir.Expr):
            keeps = value.op in ("unary", "phi", *_TAKES_OUT)
            keeps |= value.op in ("binop", "inplace_binop") and value.fn in _ARITHMETIC
            keeps |= value.op == "call" and _is_among(self._called(value), _KEEPS_WIDTH)
            if not keeps:
                return False
        return any(self._is_single(other, singles) for other in _read(value))

    def _is_single(self, name: str, singles: set[str]) -> bool:
        """Whether a variable is or becomes a float of 32 bits, or what holds such."""
        return name in singles or _number(self.typemap.get(name)) == types.float32

    def _called(self, call: Any) -> Any:
        """Return the function that a call names, not what stands in for it; None if there is none."""
        found = ir_utils.guard(ir_utils.find_outer_value, self.func_ir, call.func)
        while hasattr(found, "original"):
            found = found.original
        return found if isinstance(found, Hashable) else None

    # -- the change ---------------------------------------------------------------------------------------

    def narrow_numbers(self) -> bool:
        """Make a float of 32 bits of each number of Python's that meets one; return whether there are any."""
        met = [operand for together in self._meetings() for operand in self._narrowed(together)]
        for operand in met:
            _narrow(self.func_ir, operand)
        return bool(met)

    def tell_helpers(self, given: Callable[[Dispatcher, frozenset[int]], Dispatcher]) -> bool:
        """Let helpers know which of the numbers that they are given are Python's; return whether any are."""
        changed = False
        for block, statement in self.assigned:
            value = statement.value
            if not isinstance(value, ir.Expr) or value.op != "call" or value.vararg:
                continue
            helper = getattr(self.typemap[value.func.name], "dispatcher", None)
            if helper is None:
                continue
            given_to = dict(enumerate(var.name for var in value.args))
            positions = {name: i for i, name in enumerate(helper._compiler.pysig.parameters)}
            given_to |= {positions[name]: var.name for name, var in value.kws if name in positions}
            if not any(self._is_single(name, self.singles) for name in given_to.values()):
                continue
            numbers = frozenset(
                i for i, name in given_to.items() if name not in self.strong and self._is_other(name)
            )
            told = given(helper, numbers)
            if told is not helper:
                name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv"), value.loc)
                called = ir.Global(told.__name__, told, value.loc)
                block.body.insert(_index(block, statement), ir.Assign(called, name, value.loc))
                self.func_ir._definitions[name.name].append(called)
                value.func = name
                changed = True
        return changed

    def _meetings(self) -> Iterator[list[_Operand]]:
        """Yield the operands that meet each other."""
        returned = []
        for block, statement in self.assigned:
            value = statement.value
            if not isinstance(value, ir.Expr):
                continue
            places: list[tuple[Any, Any]] = []
            if value.op in ("binop", "inplace_binop") and value.fn in _MEET:
                places = [("lhs", value.lhs), ("rhs", value.rhs)]
            elif value.op == "call" and _is_among(self._called(value), _OF_SEVERAL):
                places = list(enumerate(value.args))
            elif value.op == "phi":
                places = [(i, var) for i, var in enumerate(value.incoming_values) if var is not ir.UNDEFINED]
            operands = [_Operand(var, block, statement, place) for place, var in places]
            if value.op == "cast":  # what is returned
                returned.append(_Operand(value.value, block, statement, "value"))
            elif operands:
                yield operands
        yield returned

    def _narrowed(self, together: list[_Operand]) -> list[_Operand]:
        """Return the numbers of Python's among operands that a float of 32 bits, and no wider one, meets.

        Where one of them is chosen, only constants are: what 64 bits hold would be lost in 32.
        """
        names = {operand.name for operand in together}
        if names & self.strong or not any(self._is_single(name, self.singles) for name in names):
            return []
        others = [operand for operand in together if self._is_other(operand.name)]
        if self._chooses(together) and not all(self._is_constant(operand.var) for operand in others):
            return []
        return others

    def _not_narrowed(self) -> Iterator[_Operand]:
        """Yield the operands of which one is chosen that has to stay wide."""
        for together in self._meetings():
            if self._chooses(together) and not self._narrowed(together):
                yield from (operand for operand in together if self._is_other(operand.name))

    def _chooses(self, together: list[_Operand]) -> bool:
        """Whether the result is one of the operands."""
        values = [operand.statement.value for operand in together]
        return any(v.op in ("phi", "cast") or (v.op == "call" and self._called(v) in _CHOOSE) for v in values)

    def _is_constant(self, var: Any) -> bool:
        """Whether a variable is a constant that 32 bits hold: an integer as it is, a float rounded.

        So is what is computed of such, a float: Python 3.13 makes two returns of
        ``return sqrt(1.0 if x > 1.0 else x)``.
        """
        definition = ir_utils.guard(ir_utils.get_definition, self.func_ir, var)
        if isinstance(definition, ir.Arg):
            return definition.index in self.constants
        if operands := self._computed_of(definition):
            return isinstance(plain_kind(self.typemap[var.name]), types.Float) and all(
                map(self._is_constant, operands)
            )
        value = ir_utils.guard(ir_utils.find_const, self.func_ir, var)
        if value is None:  # an attribute of a module, as `math.pi` is
            value = ir_utils.guard(ir_utils.find_outer_value, self.func_ir, var)
        if not isinstance(value, int | float):
            return False
        with np.errstate(over="ignore"):
            near = float(np.float32(value))
        return near == value if isinstance(value, int) else math.isfinite(near) or not math.isfinite(value)

    def _computed_of(self, value: Any) -> list[Any]:
        """Return the operands of arithmetic, or of a function that gives a number of Python's for such."""
        if not isinstance(value, ir.Expr):
            return []
        if value.op == "unary" or (value.op in ("binop", "inplace_binop") and value.fn in _ARITHMETIC):
            return list(value.list_vars())
        if value.op != "call" or value.kws or value.vararg:
            return []
        called = self._called(value)
        known = _KEEPS_WIDTH | _OF_PYTHON
        return list(value.args) if called in known or getattr(called, "__module__", "") == "math" else []

    def _is_other(self, name: str) -> bool:
        """Whether a variable is, and stays, a number of another type, or a tuple of such."""
        ty = plain_kind(self.typemap.get(name))
        items = tuple(ty) if isinstance(ty, types.BaseTuple) else (ty,)
        return not self._is_single(name, self.singles) and all(
            isinstance(types.unliteral(item), _NUMBERS) for item in items
        )


def _narrow(func_ir: FunctionIR, operand: _Operand) -> None:
    """Put `single` round an operand."""
    expression, block, place = operand.statement.value, operand.block, operand.place
    if expression.op == "phi":  # comes from another block
        block = func_ir.blocks[expression.incoming_blocks[place]]
        at = len(block.body) - 1
    else:
        at = _index(block, operand.statement)
    before: list[Any] = []
    result = add_call(func_ir, block, before, single, (operand.var,), expression.loc)
    block.body[at:at] = before
    if expression.op == "phi":
        expression.incoming_values[place] = result
    elif expression.op == "call":
        expression.args = tuple(result if i == place else var for i, var in enumerate(expression.args))
    else:
        setattr(expression, place, result)


def _index(block: Any, statement: Any) -> int:
    return next(i for i, other in enumerate(block.body) if other is statement)


def _number(ty: Any) -> Any:
    """Return the type of a number, or of each one that an array or a tuple holds."""
    ty = plain_kind(ty)
    return plain_kind(ty.dtype) if isinstance(ty, types.Array | types.UniTuple) else ty


def _holds_numpy(ty: Any) -> bool:
    """Whether an argument is, or holds, a number of NumPy's of 64 bits in the plain function."""
    ty = plain_kind(ty)
    if isinstance(ty, types.BaseTuple):
        return any(map(_holds_numpy, ty))
    return isinstance(ty, types.Array) or ty == types.float64


def _read(value: Any) -> list[str]:
    """Return the variables that a value is made of."""
    if isinstance(value, ir.Var):
        return [value.name]
    if not isinstance(value, ir.Expr):
        return []
    return [var.name for var in value.list_vars() if isinstance(var, ir.Var)]  # a phi has undefined ones


def _is_among(function: Any, known: Any) -> bool:
    return function in known or isinstance(function, np.ufunc)
