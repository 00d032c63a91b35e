"""Operators of decimals, as Python's `decimal` has them in a context wide enough."""

from __future__ import annotations

import operator

from llvmlite import ir
from numba.core import errors, types
from numba.core.imputils import lower_builtin
from numba.extending import overload, type_callable

from dataflare_vec.jit.builtins import value_of
from dataflare_vec.jit.decimals.types import (
    I128,
    PRECISION,
    DecimalType,
    has_point,
    operation,
    overflowing,
    rescaled,
)
from dataflare_vec.values import TOO_LARGE_INTEGER

_INLINE = {"forceinline": True}
_I32, _I64, _F64 = ir.IntType(32), ir.IntType(64), ir.DoubleType()


def _decimal(scale):
    if scale > PRECISION:
        msg = f"a decimal with {scale} digits behind the point; round it before, as `round(x, 4)`"
        raise errors.TypingError(msg)
    return DecimalType(scale)


def _sum(name):
    def make(a, b):
        scale = max(a, b)

        def body(context, builder, x, y):
            x, y = rescaled(context, builder, x, a, scale), rescaled(context, builder, y, b, scale)
            return getattr(builder, name)(x, y)

        return _decimal(scale), body

    return operation(make)


def _product(a, b):
    return _decimal(a + b), lambda context, builder, x, y: builder.smul_with_overflow(x, y)


def _comparison(sign):
    def make(a, b):
        scale = max(a, b)

        def body(context, builder, x, y):
            x, y = rescaled(context, builder, x, a, scale), rescaled(context, builder, y, b, scale)
            return builder.icmp_signed(sign, x, y)

        return types.boolean, body

    return operation(make)


def _magnitude(builder, value):
    """Return the absolute value, and whether the value is negative."""
    negative = builder.icmp_signed("<", value, I128(0))
    return builder.select(negative, builder.sub(I128(0), value), value), negative


def _divided(builder, value, power):
    """Return an absolute value divided by a power of ten, cut off.

    By hand: a division of 128 bits would be a call of the compiler's library, which isn't linked.
    """
    while power:
        step = min(power, 9)
        divisor, rest, parts = _I64(10**step), _I64(0), []
        for shift in (96, 64, 32, 0):
            part = builder.zext(builder.trunc(builder.lshr(value, I128(shift)), _I32), _I64)
            part = builder.or_(builder.shl(rest, _I64(32)), part)
            parts.append(builder.udiv(part, divisor))
            rest = builder.urem(part, divisor)
        value = I128(0)
        for part in parts:
            value = builder.or_(builder.shl(value, I128(32)), builder.zext(part, I128))
        power -= step
    return value


def _signed(builder, magnitude, negative):
    return builder.select(negative, builder.sub(I128(0), magnitude), magnitude)


def _half_even(builder, value, power):
    """Return digits divided by a power of ten, rounded to the nearest, ties to even."""
    if not power:
        return value
    magnitude, negative = _magnitude(builder, value)
    quotient = _divided(builder, magnitude, power)
    rest = builder.sub(magnitude, builder.mul(quotient, I128(10**power)))
    half = I128(10**power // 2)
    odd = builder.trunc(quotient, ir.IntType(1))
    tie = builder.and_(builder.icmp_unsigned("==", rest, half), odd)
    up = builder.or_(builder.icmp_unsigned(">", rest, half), tie)
    return _signed(builder, builder.add(quotient, builder.zext(up, I128)), negative)


def _to_int64(context, builder, value):
    narrow = builder.trunc(value, _I64)
    wrong = builder.icmp_signed("!=", builder.sext(narrow, I128), value)
    with builder.if_then(wrong, likely=False):
        context.call_conv.return_user_exc(builder, OverflowError, (TOO_LARGE_INTEGER,))
    return narrow


def _cut(scale):
    def body(context, builder, value):
        magnitude, negative = _magnitude(builder, value)
        return _to_int64(context, builder, _signed(builder, _divided(builder, magnitude, scale), negative))

    return types.int64, body


def _nearest(scale):
    return types.int64, lambda context, builder, value: _to_int64(
        context, builder, _half_even(builder, value, scale)
    )


def _to_float(builder, magnitude):
    """Return an absolute value as a float, rounded once: its highest 64 bits, and whether any are below."""
    high = builder.trunc(builder.lshr(magnitude, I128(64)), _I64)
    shift = builder.zext(builder.sub(_I64(64), builder.ctlz(high, ir.IntType(1)(0))), I128)
    top = builder.lshr(magnitude, shift)
    below = builder.icmp_unsigned("!=", builder.shl(top, shift), magnitude)
    digits = builder.or_(builder.trunc(top, _I64), builder.zext(below, _I64))
    power = builder.shl(builder.add(builder.trunc(shift, _I64), _I64(1023)), _I64(52))
    return builder.fmul(builder.uitofp(digits, _F64), builder.bitcast(power, _F64))


def _float(scale):
    def body(context, builder, value):
        magnitude, negative = _magnitude(builder, value)
        whole = _to_float(builder, magnitude)
        result = builder.fdiv(whole, _F64(float(10**scale)))
        return builder.select(negative, builder.fneg(result), result)

    return types.float64, body


def _rounded_to(digits):
    def make(scale):
        if digits >= scale:
            return DecimalType(scale), lambda context, builder, value: value
        return DecimalType(digits), lambda context, builder, value: _half_even(builder, value, scale - digits)

    return operation(make)


def _negation(scale):
    return DecimalType(scale), lambda context, builder, value: builder.ssub_with_overflow(I128(0), value)


def _absolute_value(scale):
    def body(context, builder, value):
        magnitude, _ = _magnitude(builder, value)
        return overflowing(builder, magnitude, builder.icmp_signed("<", magnitude, I128(0)))

    return DecimalType(scale), body


_negated, _absolute = operation(_negation), operation(_absolute_value)
_as_int, _as_float, _as_nearest = operation(_cut), operation(_float), operation(_nearest)


@type_callable(bool)
def _truth(context):
    def typer(value):
        return types.boolean if isinstance(value, DecimalType) else None

    return typer


@lower_builtin(bool, DecimalType)
def _is_true(context, builder, signature, arguments):
    return builder.icmp_signed("!=", arguments[0], I128(0))


def _is_number(ty):
    return isinstance(ty, (DecimalType, types.Integer, types.Boolean))


def _binary(function, implementation):
    @overload(function, jit_options=_INLINE)
    def of_two(a, b):
        left, right = (x.type if isinstance(x, types.Optional) else x for x in (a, b))
        if not has_point(left) and not has_point(right):
            return None
        if not (_is_number(left) and _is_number(right)):
            return None
        if left is not a and right is not b:
            return lambda a, b: function(value_of(a), value_of(b))
        if left is not a:
            return lambda a, b: function(value_of(a), b)
        if right is not b:
            return lambda a, b: function(a, value_of(b))
        return lambda a, b: implementation((a, b))


_add, _sub, _mul = _sum("sadd_with_overflow"), _sum("ssub_with_overflow"), operation(_product)
for _function, _implementation in (
    (operator.add, _add),
    (operator.iadd, _add),
    (operator.sub, _sub),
    (operator.isub, _sub),
    (operator.mul, _mul),
    (operator.lt, _comparison("<")),
    (operator.le, _comparison("<=")),
    (operator.gt, _comparison(">")),
    (operator.ge, _comparison(">=")),
    (operator.eq, _comparison("==")),
    (operator.ne, _comparison("!=")),
):
    _binary(_function, _implementation)


def _unary(function, implementation):
    @overload(function, jit_options=_INLINE)
    def of_one(a):
        return (lambda a: implementation((a,))) if has_point(a) else None


for _one, _implementation in (
    (operator.neg, _negated),
    (abs, _absolute),
    (int, _as_int),
    (float, _as_float),
):
    _unary(_one, _implementation)


@overload(round, jit_options=_INLINE)
def rounded(number, ndigits=None):
    """Round half to even: to an integer, or to so many digits, which must be a constant."""
    if not has_point(number):
        return None
    if ndigits is None or isinstance(ndigits, (types.NoneType, types.Omitted)):
        return lambda number, ndigits=None: _as_nearest((number,))
    if not isinstance(ndigits, types.Literal):
        return None
    digits = ndigits.literal_value
    if digits < 0:
        msg = "`round(x, n)` of a decimal takes a constant `n` of 0 or more"
        raise errors.TypingError(msg)
    implementation = _rounded_to(digits)
    return lambda number, ndigits=None: implementation((number,))


def _refuse(function, sign):
    @overload(function)
    def refused(a, b):
        if has_point(a) or has_point(b):
            msg = f"`{sign}` of decimals isn't exact; write `float(a) {sign} float(b)`, or scale integers"
            raise errors.TypingError(msg)
        return None


for _function, _sign in ((operator.truediv, "/"), (operator.floordiv, "//"), (operator.mod, "%")):
    _refuse(_function, _sign)
