"""Arithmetic with microseconds that fails where 64 bits end, rounded as Python rounds it.

Python's spans have up to 2.7 million years, those of 64 bits 292,271: no handler catches what only the latter
can't hold. No span is the lowest integer of 64 bits, which has no counterpart above zero.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload, register_jitable

from dataflare_vec.bits import float_bits
from dataflare_vec.compiler.jit.types.raised import DoesNotFit
from dataflare_vec.compiler.jit.types.wide_integers import NaturalType, WideIntType, widened
from dataflare_vec.definition.python_values import TOO_LONG

_I1, _I64, _I128 = ir.IntType(1), ir.IntType(64), ir.IntType(128)
_LOWEST = -(1 << 63)
#: Of microseconds, where Python's spans end.
_LONGEST = 86_400e6 * 1e9
_BEYOND = "days must have magnitude <= 999999999"
_MOST = np.uint64((1 << 63) - 1)
_0, _1, _52 = np.uint64(0), np.uint64(1), np.uint64(52)
_FRACTION = np.uint64((1 << 52) - 1)


def whole(value):
    """Return an integer as one of 64 bits with a sign."""
    raise TypeError(value)


def _narrowed(unsigned):
    """Return what makes an integer of 128 bits one of 64, if it fits."""

    @intrinsic
    def narrow(typing_context, value):
        kind = types.uint64 if unsigned else types.int64

        def generate(context, builder, signature, arguments):
            found = builder.trunc(arguments[0], _I64)
            again = (builder.zext if unsigned else builder.sext)(found, _I128)
            number = widened(builder, arguments[0], value)
            with builder.if_then(builder.icmp_signed("!=", again, number), likely=False):
                context.call_conv.return_user_exc(builder, OverflowError, (_TOO_LARGE,))
            return found

        return kind(value), generate

    return narrow


_TOO_LARGE = "Python int too large to convert to C long"
_signed_word, _unsigned_word = _narrowed(unsigned=False), _narrowed(unsigned=True)


@overload(whole, jit_options={"forceinline": True})
def _whole(value):
    if isinstance(value, WideIntType):
        return lambda value: _signed_word(value)
    if isinstance(value, types.Integer) and not isinstance(value, types.Literal) and not value.signed:
        if value.bitwidth == 64:

            def checked(value):
                if value > _MOST:
                    raise OverflowError(_TOO_LARGE)
                return np.int64(value)

            return checked
    return lambda value: np.int64(value)


@register_jitable
def too_long(microseconds):
    """Raise for a span beyond 64 bits, of about so many microseconds: as Python, or what nothing catches."""
    if abs(microseconds) >= _LONGEST:
        raise OverflowError(_BEYOND)
    raise DoesNotFit(TOO_LONG)


@register_jitable(forceinline=True)
def total(a, b):
    """Return a sum."""
    result = a + b
    if ((a ^ result) & (b ^ result)) < 0 or result == _LOWEST:
        raise DoesNotFit(TOO_LONG)
    return result


@register_jitable(forceinline=True)
def difference(a, b):
    """Return a difference."""
    result = a - b
    if ((a ^ b) & (a ^ result)) < 0 or result == _LOWEST:
        raise DoesNotFit(TOO_LONG)
    return result


@intrinsic
def _multiplied(typing_context, a, b):
    """Return the product of two integers, and whether it doesn't fit 64 bits."""

    def generate(context, builder, signature, arguments):
        pair = builder.smul_with_overflow(*arguments)
        items = [builder.extract_value(pair, i) for i in range(2)]
        return context.make_tuple(builder, signature.return_type, items)

    return types.Tuple([types.int64, types.boolean])(types.int64, types.int64), generate


@register_jitable(forceinline=True)
def product(a, b):
    """Return a product."""
    result, wrong = _multiplied(a, b)
    if wrong or result == _LOWEST:
        too_long(float(a) * float(b))
    return result


@register_jitable
def _rounded(quotient, rest, divisor):
    """Return an unsigned quotient, rounded to the nearest, ties to even."""
    left = divisor - rest
    return quotient + np.uint64(rest > left or (rest == left and quotient & _1 == _1))


@register_jitable
def _signed(value, negative):
    if value > _MOST:
        raise DoesNotFit(TOO_LONG)
    return -np.int64(value) if negative else np.int64(value)


def magnitude(value):
    """Return the absolute value of any integer, unsigned."""
    raise TypeError(value)


@overload(magnitude, jit_options={"forceinline": True})
def _magnitude(value):
    if isinstance(value, NaturalType):
        return lambda value: _unsigned_word(value)
    if isinstance(value, WideIntType):
        return lambda value: np.uint64(abs(whole(value)))
    if isinstance(value, types.Integer) and not value.signed:
        return lambda value: np.uint64(value)
    return lambda value: np.uint64(abs(np.int64(value)))


@register_jitable
def half_even(numerator, denominator):
    """Return a quotient of integers, rounded to the nearest, ties to even."""
    a, b = magnitude(numerator), magnitude(denominator)
    if b == _0:
        raise ZeroDivisionError("integer division or modulo by zero")
    return _signed(_rounded(a // b, a % b, b), (numerator < 0) != (denominator < 0))


@register_jitable(forceinline=True)
def floor(numerator, denominator):
    """Return a quotient of integers, the first of 64 bits with a sign, cut off downwards."""
    if denominator > 0 and magnitude(denominator) > _MOST:
        return np.int64(-1) if numerator < 0 else np.int64(0)
    return numerator // whole(denominator)


# -- floats, which are a fraction of integers each ---------------------------------------------------------


@register_jitable
def _parts(factor):
    """Return integers m and e of a float's magnitude, ``m * 2**e``."""
    if math.isnan(factor):
        raise ValueError("cannot convert NaN to integer ratio")
    if math.isinf(factor):
        raise OverflowError("cannot convert Infinity to integer ratio")
    bits = float_bits(abs(factor))
    exponent = np.int64(bits >> _52)
    fraction = bits & _FRACTION
    if exponent == 0:
        return fraction, np.int64(-1074)
    return fraction | _1 << _52, exponent - 1075


@intrinsic
def _times_power(typing_context, a, b, exponent):
    """Return ``a * b * 2**exponent``, half to even; with all bits set if it doesn't fit 63."""

    def generate(context, builder, signature, arguments):
        a, b, exponent = arguments
        number = builder.mul(builder.zext(a, _I128), builder.zext(b, _I128))  # below 2^116
        grows = builder.icmp_signed(">=", exponent, _I64(0))
        up = builder.select(builder.icmp_signed(">", exponent, _I64(64)), _I64(64), exponent)
        up = builder.zext(builder.select(grows, up, _I64(0)), _I128)
        down = builder.neg(exponent)
        down = builder.select(builder.icmp_signed(">", down, _I64(127)), _I64(127), down)
        down = builder.zext(builder.select(grows, _I64(1), down), _I128)
        quotient = builder.lshr(number, down)
        rest = builder.sub(number, builder.shl(quotient, down))
        half = builder.shl(_I128(1), builder.sub(down, _I128(1)))
        tie = builder.and_(builder.icmp_unsigned("==", rest, half), builder.trunc(quotient, _I1))
        above = builder.or_(builder.icmp_unsigned(">", rest, half), tie)
        smaller = builder.add(quotient, builder.zext(above, _I128))
        most = _I128(int(_MOST))
        # What is too large already may lose its highest bits when it is moved.
        larger = builder.select(
            builder.icmp_unsigned(">", number, most), _I128((1 << 64) - 1), builder.shl(number, up)
        )
        result = builder.select(grows, larger, smaller)
        fits = builder.icmp_unsigned("<=", result, most)
        return builder.select(fits, builder.trunc(result, _I64), _I64(-1))

    return types.uint64(types.uint64, types.uint64, types.int64), generate


@register_jitable
def scaled(microseconds, factor):
    """Return a span times a float, of which no bit is lost before it is rounded, half to even."""
    mantissa, exponent = _parts(factor)
    found = _times_power(magnitude(microseconds), mantissa, exponent)
    return _signed(found, (microseconds < 0) != (factor < 0))


@register_jitable
def divided(microseconds, divisor):
    """Return a span divided by a float, of which no bit is lost before it is rounded, half to even."""
    mantissa, exponent = _parts(divisor)
    if mantissa == _0:
        raise ZeroDivisionError("integer division or modulo by zero")
    dividend = magnitude(microseconds)
    if exponent > 11:  # the divisor is more than twice what a span can be
        return np.int64(0)
    if exponent >= 0:
        mantissa <<= np.uint64(exponent)
    quotient, rest = dividend // mantissa, dividend % mantissa
    while exponent < 0 and quotient <= _MOST and dividend != _0:
        # One more bit of what is behind the point.
        rest <<= _1
        goes = rest >= mantissa
        rest = rest - mantissa if goes else rest
        quotient = quotient << _1 | np.uint64(goes)
        exponent += 1
    if quotient > _MOST:
        too_long(microseconds / divisor)
    return _signed(_rounded(quotient, rest, mantissa), (microseconds < 0) != (divisor < 0))
