"""Arrays of unsigned integers that meet signed ones: NumPy's rules, where Numba has its own."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core import ir, ir_utils, types
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing import signature as make_signature
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.integers.emit import fail
from dataflare_vec.compiler.jit.types.raised import DoesNotFit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        FunctionIR,
        Signature,
        TypingContext,
        Values,
    )

_SEARCHES = {operator.is_, operator.is_not, operator.contains}
_ARITHMETIC = ("add", "sub", "mul", "floordiv", "mod", "and_", "or_", "xor")
_ARITHMETIC_OF_TWO = {getattr(operator, name) for name in _ARITHMETIC}
_ARITHMETIC_OF_TWO |= {getattr(operator, "i" + name.rstrip("_")) for name in _ARITHMETIC}
_NEGATIVE_BESIDE = "a negative integer meets an array of UInt64; convert it, as `a.astype(np.int64)`"


def cast_first(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
    """Write a call of one of these: its first argument as what it returns."""
    result = context.cast(builder, arguments[0], signature.args[0], signature.return_type)
    return impl_ret_borrowed(context, builder, signature.return_type, result)


def _is_signed(ty: types.Type) -> bool:
    return isinstance(ty, types.Integer) and bool(ty.signed)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _beside(typing_context: TypingContext, value: Any, other: Any) -> Any:
    """Return a signed integer that meets an array of unsigned ones as one of these, as NumPy does.

    Numba would compute with both in 64 bits with a sign, and make floats of that. A negative one raises, as
    in NumPy. Of an array of signed integers and one of unsigned ones the latter becomes floats; all else
    stays.
    """
    plain = types.unliteral(value)
    meets = types.unliteral(getattr(other, "dtype", other)) == types.uint64
    kind = types.uint64 if meets and _is_signed(plain) else value
    if isinstance(value, types.Array) and value.dtype == types.uint64 and isinstance(other, types.Array):
        kind = types.Array(types.float64, value.ndim, "C") if _is_signed(other.dtype) else value

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        if kind == value:
            return cast_first(context, builder, signature, arguments)
        if isinstance(kind, types.Array):

            def as_floats(a):  # type: ignore[no-untyped-def]
                return a.astype(np.float64)

            return context.compile_internal(builder, as_floats, make_signature(kind, value), arguments[:1])
        word = context.cast(builder, arguments[0], value, types.int64)
        negative = builder.icmp_signed("<", word, word.type(0))
        fail(context, builder, negative, DoesNotFit, _NEGATIVE_BESIDE)
        return word

    return kind(value, other), generate


def beside_arrays(func_ir: FunctionIR, value: Any, tainted: set[str]) -> Iterator[Any]:
    """Yield the operands of what may compute with an array of unsigned integers, item by item."""
    if value.op == "call":
        found = ir_utils.guard(ir_utils.find_outer_value, func_ir, value.func)
        first = 1 if found is np.where else 0
        places: tuple[Any, ...] = (first, first + 1)
        operands = value.args[first : first + 2]
        if not (isinstance(found, np.ufunc) or found is np.where) or len(operands) != len(places):
            return
    elif value.op in ("binop", "inplace_binop") and value.fn not in _SEARCHES:
        places, operands = ("lhs", "rhs"), (value.lhs, value.rhs)
    else:
        return
    if any(operand.name in tainted for operand in operands):
        for place, operand, other in zip(places, operands, reversed(operands), strict=True):
            yield place, _beside, (operand, other)


def beside_words(func_ir: FunctionIR, value: Any, tainted: set[str]) -> Iterator[Any]:
    """Yield the operands of what may compute with a `np.uint64`."""
    if value.op in ("binop", "inplace_binop") and value.fn in _ARITHMETIC_OF_TWO:
        yield from beside_arrays(func_ir, value, tainted)


def is_word(func_ir: FunctionIR, value: Any) -> bool:
    """Whether something in a kernel is `np.uint64`, or a number that has been made by it."""
    if isinstance(value, ir.Global | ir.FreeVar | ir.Const):
        return value.value is np.uint64 or isinstance(value.value, np.uint64)
    if getattr(value, "op", "") != "getattr" or value.attr != "uint64":
        return False
    return ir_utils.guard(ir_utils.find_outer_value, func_ir, value) is np.uint64


def is_unsigned_constant(value: Any) -> bool:
    """Whether a constant is an array of unsigned integers of 64 bits."""
    held = getattr(value, "value", None) if isinstance(value, ir.Global | ir.FreeVar | ir.Const) else None
    return isinstance(held, np.ndarray) and held.dtype == np.uint64
