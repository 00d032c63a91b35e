"""Arithmetic with integers of columns has 64 bits and a sign, whatever the column's width.

Numba negates and inverts in the width of the operand, and computes with two unsigned ones as unsigned: of
UInt32 columns, `1 - 2` would be 18446744073709551615, and `-x` of a UInt8 is never negative. Before it infers
types, each operand that may be such an integer is made one of 64 bits; values that aren't computed with keep
their width. A UInt64 column stays unsigned where it is divided by a constant, which Numba would take for a
signed one.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils, types
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_COMPARISONS = {operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge}
_NOT_ARITHMETIC = {operator.not_, operator.is_, operator.is_not, operator.contains, *_COMPARISONS}
# Those whose result isn't the same bits for signed and unsigned integers.
_DIVISIONS = {operator.floordiv, operator.mod, operator.truediv}
_DIVISIONS |= {operator.ifloordiv, operator.imod, operator.itruediv}
_COMPUTING = ("binop", "inplace_binop", "unary")


@intrinsic  # type: ignore[untyped-decorator]
def _widened(typing_context: Any, value: Any, other: Any) -> Any:
    """Return an integer of fewer than 64 bits as one of 64, and anything else as it is.

    So too if the other operand is a float: those of 32 bits are computed with in single precision.
    """
    wide = value
    if _is_narrow(_held(value)) and isinstance(_held(other), types.Integer | types.Boolean):
        wide = types.Optional(types.int64) if isinstance(value, types.Optional) else types.int64

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result = context.cast(builder, arguments[0], value, wide)
        return impl_ret_borrowed(context, builder, wide, result)

    return wide(value, other), generate


@intrinsic  # type: ignore[untyped-decorator]
def _signed_as(typing_context: Any, constant: Any, other: Any) -> Any:
    """Return a constant that isn't negative as one of type UInt64, if the other operand is."""
    kind = types.uint64 if _held(other) == types.uint64 else constant

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[0], constant, kind)

    return kind(constant, other), generate


def compute_wide(func_ir: Any, argument_types: Sequence[Any]) -> bool:
    """Change a function's IR so; return whether there was anything to change."""
    narrow = {i for i, ty in enumerate(argument_types) if _holds(ty, _is_narrow)}
    changed = False
    if narrow:
        tainted = _reached(func_ir, narrow)
        changed = _wrap(func_ir, lambda value: _narrow_operands(value, tainted))
    if any(_holds(ty, lambda item: item == types.uint64) for ty in argument_types):
        changed |= _wrap(func_ir, lambda value: _constant_operands(func_ir, value))
    return changed


def _held(ty: Any) -> Any:
    return ty.type if isinstance(ty, types.Optional) else ty


def _is_narrow(ty: Any) -> bool:
    return isinstance(ty, types.Integer) and not isinstance(ty, types.Literal) and ty.bitwidth < 64


def _holds(ty: Any, test: Callable[[Any], bool]) -> bool:
    """Whether a type is such an integer, or a tuple with one in it."""
    ty = _held(ty)
    return any(_holds(item, test) for item in ty) if isinstance(ty, types.BaseTuple) else test(ty)


def _reached(func_ir: Any, arguments: set[int]) -> set[str]:
    """Return the variables that may hold what one of the arguments does, but nothing computed from it."""
    assigned = [s for block in func_ir.blocks.values() for s in block.find_insts(ir.Assign)]
    reached: set[str] = set()
    grows = True
    while grows:
        before = len(reached)
        for statement in assigned:
            value = statement.value
            if isinstance(value, ir.Arg):
                found = value.index in arguments
            elif isinstance(value, ir.Var):
                found = value.name in reached
            elif isinstance(value, ir.Expr) and value.op not in _COMPUTING:
                # `list_vars` knows no undefined one among the values of a phi
                found = any(getattr(var, "name", None) in reached for var in value.list_vars())
            else:
                found = False
            if found:
                reached.add(statement.target.name)
        grows = len(reached) > before
    return reached


def _narrow_operands(value: Any, tainted: set[str]) -> Iterable[tuple[str, Any, tuple[Any, ...]]]:
    if value.fn in _NOT_ARITHMETIC:
        return
    places = ("value",) if value.op == "unary" else ("lhs", "rhs")
    for place, other in zip(places, reversed(places), strict=True):
        if getattr(value, place).name in tainted:
            yield place, _widened, (getattr(value, place), getattr(value, other))


def _constant_operands(func_ir: Any, value: Any) -> Iterable[tuple[str, Any, tuple[Any, ...]]]:
    if value.fn not in _DIVISIONS:
        return
    for place, other in (("lhs", "rhs"), ("rhs", "lhs")):
        constant = ir_utils.guard(ir_utils.find_const, func_ir, getattr(value, place))
        if type(constant) is int and constant >= 0:
            yield place, _signed_as, (getattr(value, place), getattr(value, other))
            return


def _wrap(func_ir: Any, operands: Callable[[Any], Iterable[tuple[str, Any, tuple[Any, ...]]]]) -> bool:
    """Put a call around operands: `operands` names their place, what is called, and with what."""
    changed = False
    for block in func_ir.blocks.values():
        body = []
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ir.Assign) and isinstance(value, ir.Expr) and value.op in _COMPUTING:
                for place, function, arguments in list(operands(value)):
                    name, result = (
                        ir.Var(block.scope, ir_utils.mk_unique_var("$dfv"), value.loc) for _ in range(2)
                    )
                    called = ir.Global(function.__name__, function, value.loc)
                    call = ir.Expr.call(name, arguments, (), value.loc)
                    body += [ir.Assign(called, name, value.loc), ir.Assign(call, result, value.loc)]
                    func_ir._definitions[name.name].append(called)
                    func_ir._definitions[result.name].append(call)
                    setattr(value, place, result)
                    changed = True
            body.append(statement)
        block.body = body
    return changed
