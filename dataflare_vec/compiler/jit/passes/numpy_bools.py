"""Before types are inferred: bools of NumPy's, which `~` makes bools of, and not integers as of Python's.

Numba has one type for both. A bool is known to be NumPy's by where it comes from: NumPy's functions, rows of
columns of lists, and what is made of these. `+`, `-` and `*` of them, which in Python count, are refused; so
is `~` of what may be of either kind, as a comparison of floats.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core import ir, ir_utils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

from dataflare_vec.compiler.jit.passes.exact_integers import plain_kind
from dataflare_vec.compiler.jit.passes.widen_integers import add_call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

_OF_BOOLS = {np.bool_, np.isclose, np.isposinf, np.isneginf, np.iscomplex, np.any, np.all}
#: NumPy has none of these for bools.
_SIGNS = {np.negative, np.positive, np.sign, np.subtract}
_COUNT = {operator.add, operator.sub, operator.mul, operator.neg}
_COUNT |= {operator.iadd, operator.isub, operator.imul}
_KEEP = {operator.and_, operator.or_, operator.xor, operator.invert}
_KEEP |= {operator.iand, operator.ior, operator.ixor}
_COMPARE = {operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge}
_OPERATORS = ("unary", "binop", "inplace_binop")
_HOLD = ("getitem", "static_getitem", "getiter", "iternext", "pair_first", "exhaust_iter", "cast")
_PUT_IN = ("append", "appendleft", "add", "insert", "extend")


#: What is said where it isn't known which of the two a bool is.
_EITHER = "inverted bool of Python's or NumPy's"


# -- what stands for operators ------------------------------------------------------------------------------


def _inverted(value: Any) -> Any:
    """Return ``~`` of a bool of NumPy's, or of anything else."""
    return ~value


@overload(_inverted)
def _invert(value):  # type: ignore[no-untyped-def]
    return (lambda value: not value) if isinstance(value, types.Boolean) else (lambda value: ~value)


@intrinsic  # type: ignore[untyped-decorator]
def _no_bools(typing_context: Any, left: Any, right: Any) -> Any:
    """Do nothing; refuse what is computed of two bools of NumPy's."""
    if isinstance(plain_kind(left), types.Boolean) and isinstance(plain_kind(right), types.Boolean):
        msg = "computed of NumPy's bools"
        raise TypingError(msg)
    return types.none(left, right), lambda context, builder, *_: context.get_dummy_value()


@intrinsic  # type: ignore[untyped-decorator]
def _no_bool(typing_context: Any, value: Any) -> Any:
    """Do nothing; refuse `~` of a bool that may be NumPy's or Python's."""
    if isinstance(plain_kind(value), types.Boolean):
        raise TypingError(_EITHER)
    return types.none(value), lambda context, builder, *_: context.get_dummy_value()


@intrinsic  # type: ignore[untyped-decorator]
def _no_floats(typing_context: Any, left: Any, right: Any) -> Any:
    """Do nothing; refuse `~` of what compares floats."""
    if any(isinstance(plain_kind(one), types.Float) for one in (left, right)):
        raise TypingError(_EITHER)
    return types.none(left, right), lambda context, builder, *_: context.get_dummy_value()


# -- the pass -----------------------------------------------------------------------------------------------


def keep_bools(func_ir: FunctionIR, argument_types: Sequence[Any]) -> bool:
    """Change a function's IR so; return whether there was anything to change."""
    rows = {i for i, ty in enumerate(argument_types) if _is_row(ty)}
    sources = _Sources(func_ir, rows)
    changed = False
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ir.Assign) and isinstance(value, ir.Expr):
                for function, operands in _looked_at(func_ir, value, sources):
                    result = add_call(func_ir, block, body, function, operands, value.loc)
                    if function is _inverted:
                        made = func_ir._definitions[statement.target.name]
                        made[:] = [result if one is value else one for one in made]
                        statement.value = result
                    changed = True
            body.append(statement)
        block.body = body
    return changed


def _is_row(ty: Any) -> bool:
    held = plain_kind(ty)
    return isinstance(held, types.Array) and isinstance(held.dtype, types.Boolean)


def _looked_at(func_ir: FunctionIR, value: Any, sources: _Sources) -> list[tuple[Any, tuple[Any, ...]]]:
    """Return what is called before an expression or instead of it, and with what."""
    if value.op == "call":
        found = _called(func_ir, value)
        return [(_no_bools, (value.args[0], value.args[-1]))] if value.args and found in _SIGNS else []
    if value.op not in _OPERATORS:
        return []
    operands = (value.value, value.value) if value.op == "unary" else (value.lhs, value.rhs)
    if value.fn is not operator.invert:
        computes = value.fn in _COUNT and any(var.name in sources.numpys for var in operands)
        return [(_no_bools, operands)] if computes else []
    inverted = value.value
    if inverted.name in sources.numpys:
        either = [(_no_bool, (inverted,))] if inverted.name in sources.others else []
        return [*either, (_inverted, (inverted,))]
    made = ir_utils.guard(ir_utils.get_definition, func_ir, inverted)
    if isinstance(made, ir.Expr) and made.op == "binop" and made.fn in _COMPARE:
        return [(_no_floats, (made.lhs, made.rhs))]
    return []


def _called(func_ir: FunctionIR, call: Any) -> Any:
    """Return a function that is called; None if it isn't known, or can't be looked for."""
    found = ir_utils.guard(ir_utils.find_outer_value, func_ir, call.func)
    return found if isinstance(found, Hashable) else None


class _Sources:
    """Where the bools of a function come from, if they are bools.

    Attributes
    ----------
    numpys, others
        The variables that may hold, or be containers of, bools of NumPy's; those of other origin.
    """

    def __init__(self, func_ir: FunctionIR, rows: set[int]) -> None:
        self.func_ir, self.rows = func_ir, rows
        self.numpys: set[str] = set()
        self.others: set[str] = set()
        assigned = list(chain.from_iterable(b.find_insts(ir.Assign) for b in func_ir.blocks.values()))
        if not any(self._is_numpys(statement.value) for statement in assigned):
            return
        for found, begins in ((self.numpys, self._is_numpys), (self.others, self._is_other)):
            before = -1
            while len(found) > before:
                before = len(found)
                for statement in assigned:
                    self._go_on(statement, found, begins)

    def _go_on(self, statement: Any, found: set[str], begins: Callable[[Any], bool]) -> None:
        """Add the variables that one statement has hold what is looked for."""
        name, value = statement.target.name, statement.value
        held = self._held_by(value)
        if begins(value) if held is None else any(var.name in found for var in held):
            found.add(name)
        if isinstance(value, ir.Var) and name in found:  # one object, whatever it is called
            found.add(value.name)
        owner = self._put_into(value)
        if owner is not None and any(var.name in found for var in value.args):
            found.add(owner.name)

    def _held_by(self, value: Any) -> Sequence[Any] | None:
        """Return the variables of which one is, or holds, what a value is; None if it is made anew."""
        if isinstance(value, ir.Var):
            return [value]
        if not isinstance(value, ir.Expr):
            return None
        if value.op == "phi":
            return [var for var in value.incoming_values if isinstance(var, ir.Var)]
        if value.op in ("build_list", "build_tuple", "build_set"):
            items: Sequence[Any] = value.items
            return items
        if value.op in _HOLD:
            made = ir_utils.guard(ir_utils.get_definition, self.func_ir, value.value)
            whole = isinstance(made, ir.Expr) and made.op == "build_tuple"
            if whole and value.op == "static_getitem" and isinstance(value.index, int):
                return [made.items[value.index]]
            return [value.value]
        return None

    def _put_into(self, value: Any) -> Any:
        """Return the variable whose object a method has hold its arguments."""
        if not isinstance(value, ir.Expr) or value.op != "call":
            return None
        made = ir_utils.guard(ir_utils.get_definition, self.func_ir, value.func)
        is_method = isinstance(made, ir.Expr) and made.op == "getattr" and made.attr in _PUT_IN
        return made.value if is_method else None

    def _is_other(self, value: Any) -> bool:
        return not self._is_numpys(value)

    def _is_numpys(self, value: Any) -> bool:
        """Whether a value that is made anew is NumPy's if it is a bool, or a row of them."""
        if isinstance(value, ir.Arg):
            return value.index in self.rows
        if isinstance(value, ir.Global | ir.FreeVar | ir.Const):
            return isinstance(value.value, np.bool_)
        if not isinstance(value, ir.Expr):
            return False
        if value.op in _OPERATORS:
            operands = [value.value] if value.op == "unary" else [value.lhs, value.rhs]
            return value.fn in _KEEP and any(var.name in self.numpys for var in operands)
        return value.op == "call" and self._returns_bools(value)

    def _returns_bools(self, call: Any) -> bool:
        found = _called(self.func_ir, call)
        if isinstance(found, np.ufunc):
            return all(kinds.endswith("->?") for kinds in found.types if "O" not in kinds)
        if found is None:
            made = ir_utils.guard(ir_utils.get_definition, self.func_ir, call.func)
            return isinstance(made, ir.Expr) and made.op == "getattr" and made.attr in ("any", "all")
        return found in _OF_BOOLS
