"""The float next to a decimal, and how a decimal compares with a float: both exact, as in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.ratios import EXACT, ratio_function
from dataflare_vec.compiler.jit.types.wide_integers import I128

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

_I1, _I64, _F64 = ir.IntType(1), ir.IntType(64), ir.DoubleType()
#: The largest power of ten that a float holds.
_MOST_POWER = 22


def to_float(scale: int) -> tuple[types.Type, Callable[..., ir.Value]]:
    """Return what makes a float of a decimal with ``scale`` digits behind the point.

    Notes
    -----
    Nearly all decimals are the quotient of two integers that are floats, which one division rounds. The next
    path takes the upper 64 bits of the digits times 64 bits of the reciprocal of the power of ten: a number
    that is too small by less than 2 in its last bit, so that if 2 more round to the same float, it is the
    right one (the idea of D. Lemire, "Number parsing at a gigabyte per second", 2021). Else all bits count.
    """

    def body(context: Context, builder: Builder, value: ir.Value) -> ir.Value:
        magnitude, negative = magnitude_of(builder, value)
        if not scale:
            return _with_sign(builder, _rounded(builder, magnitude), negative)
        small = builder.icmp_unsigned("<=", magnitude, I128(EXACT))
        quick = builder.fdiv(
            builder.sitofp(builder.trunc(magnitude, _I64), _F64), _F64(float(10 ** min(scale, _MOST_POWER)))
        )
        is_quick = small if scale <= _MOST_POWER else builder.icmp_unsigned("==", magnitude, I128(0))
        start = builder.block
        with builder.if_then(builder.not_(is_quick), likely=False):
            long = _long_quotient(builder, magnitude, scale)
            end = builder.block
        result = builder.phi(_F64)
        result.add_incoming(quick, start)
        result.add_incoming(long, end)
        return _with_sign(builder, result, negative)

    return types.float64, body


def _long_quotient(builder: Builder, magnitude: ir.Value, scale: int) -> ir.Value:
    """Return the float next to digits divided by a power of ten."""
    bits = (10**scale).bit_length()
    reciprocal = I128((1 << (bits + 63)) // 10**scale)  # 64 bits, cut off
    shift = builder.ctlz(magnitude, _I1(1))
    top = builder.lshr(builder.shl(magnitude, shift), I128(64))
    product = builder.lshr(builder.mul(top, reciprocal), I128(65))
    low = builder.trunc(product, _I64)
    guess = builder.sitofp(low, _F64)
    sure = builder.fcmp_ordered("==", guess, builder.sitofp(builder.add(low, _I64(2)), _F64))
    # The quotient is `low` * 2^65 * 2^(64 - shift) / 2^(bits + 63).
    power = builder.sub(_I64(1023 + 65 + 64 - bits - 63), builder.trunc(shift, _I64))
    guess = builder.fmul(guess, builder.bitcast(builder.shl(power, _I64(52)), _F64))
    before = builder.block
    with builder.if_then(builder.not_(sure), likely=False):
        exact = builder.call(ratio_function(builder.module), [magnitude, I128(10**scale)])
        inside = builder.block
    result = builder.phi(_F64)
    result.add_incoming(guess, before)
    result.add_incoming(exact, inside)
    return result


def magnitude_of(builder: Builder, value: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return the absolute value, and whether the value is negative."""
    negative = builder.icmp_signed("<", value, I128(0))
    return builder.select(negative, builder.sub(I128(0), value), value), negative


def _with_sign(builder: Builder, value: ir.Value, negative: ir.Value) -> ir.Value:
    return builder.select(negative, builder.fneg(value), value)


def _rounded(builder: Builder, magnitude: ir.Value) -> ir.Value:
    """Return an absolute value as a float, rounded once: its highest 64 bits, and whether any are below."""
    high = builder.trunc(builder.lshr(magnitude, I128(64)), _I64)
    shift = builder.zext(builder.sub(_I64(64), builder.ctlz(high, _I1(0))), I128)
    top = builder.lshr(magnitude, shift)
    below = builder.icmp_unsigned("!=", builder.shl(top, shift), magnitude)
    digits = builder.or_(builder.trunc(top, _I64), builder.zext(below, _I64))
    power = builder.shl(builder.add(builder.trunc(shift, _I64), _I64(1023)), _I64(52))
    return builder.fmul(builder.uitofp(digits, _F64), builder.bitcast(power, _F64))


@intrinsic
def order_of(typing_context: TypingContext, decimal: Any, number: Any) -> Any:
    """Return a number below, at or above 0, as a decimal is below, at or above a float; NaN is above all.

    Notes
    -----
    If the float next to the decimal is another one, the two are ordered like those. If it is the same, they
    differ by half of a last place at most, that is by fewer than 2^127 of what both are multiples of: the
    difference is computed modulo 2^128.
    """
    nearest = to_float(decimal.scale)[1]

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        value = arguments[0]
        wide = context.cast(builder, arguments[1], number, types.float64)
        near = nearest(context, builder, value)
        bits = builder.bitcast(wide, _I64)
        exponent = builder.and_(builder.lshr(bits, _I64(52)), _I64(0x7FF))
        mantissa = builder.or_(builder.and_(bits, _I64((1 << 52) - 1)), _I64(1 << 52))
        mantissa = builder.select(builder.icmp_signed("<", bits, _I64(0)), builder.neg(mantissa), mantissa)
        power = builder.sub(exponent, _I64(1075))
        left = _shifted(builder, value, builder.neg(power))
        right = builder.mul(builder.sext(mantissa, I128), I128(10**decimal.scale))
        rest = builder.sub(left, _shifted(builder, right, power))
        # Of 0 the parts are others; no other decimal is next to it.
        rest = builder.select(builder.fcmp_ordered("==", wide, _F64(0.0)), value, rest)
        equal = builder.fcmp_ordered("==", near, wide)
        below = builder.select(
            equal, builder.icmp_signed("<", rest, I128(0)), builder.fcmp_unordered("<", near, wide)
        )
        above = builder.select(
            equal, builder.icmp_signed(">", rest, I128(0)), builder.fcmp_ordered(">", near, wide)
        )
        return builder.sub(builder.zext(above, _I64), builder.zext(below, _I64))

    return types.int64(decimal, number), generate


def _shifted(builder: Builder, value: ir.Value, distance: ir.Value) -> ir.Value:
    """Return a value shifted to the left, modulo 2^128; as it is where the distance is negative."""
    far = builder.icmp_signed(">", distance, _I64(127))
    none = builder.icmp_signed("<", distance, _I64(0))
    by = builder.select(builder.or_(far, none), _I64(0), distance)
    moved = builder.shl(value, builder.zext(by, I128))
    return builder.select(far, I128(0), moved)
