"""Operators of decimals, as Python's `decimal` has them in a context wide enough."""

from __future__ import annotations

import math
import operator

from llvmlite import ir
from numba.core import errors, types
from numba.extending import overload, register_jitable

from dataflare_vec.compiler.jit.lowering.builtins import true_unless_zero, value_of
from dataflare_vec.compiler.jit.lowering.decimals.division import divided
from dataflare_vec.compiler.jit.lowering.decimals.floats import magnitude_of, order_of, to_float
from dataflare_vec.compiler.jit.types.raised import DoesNotFit
from dataflare_vec.compiler.jit.types.wide_integers import (
    I128,
    PRECISION,
    DecimalType,
    has_point,
    operation,
    overflowing,
    rescaled,
)
from dataflare_vec.definition.python_values import TOO_LARGE_INTEGER

_INLINE = {"forceinline": True}
_I32, _I64 = ir.IntType(32), ir.IntType(64)


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
            x, y = _saturated(builder, x, scale - a), _saturated(builder, y, scale - b)
            return builder.icmp_signed(sign, x, y)

        return types.boolean, body

    return operation(make)


def _saturated(builder, value, digits):
    """Return digits with so many more, or what is beyond all decimals: compared is then as well."""
    if not digits:
        return value
    pair = builder.smul_with_overflow(value, I128(10**digits))
    negative = builder.icmp_signed("<", value, I128(0))
    beyond = builder.select(negative, I128(-(1 << 127)), I128((1 << 127) - 1))
    return builder.select(builder.extract_value(pair, 1), beyond, builder.extract_value(pair, 0))


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
    magnitude, negative = magnitude_of(builder, value)
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
        context.call_conv.return_user_exc(builder, DoesNotFit, (TOO_LARGE_INTEGER,))
    return narrow


def _cut(scale):
    def body(context, builder, value):
        magnitude, negative = magnitude_of(builder, value)
        return _to_int64(context, builder, _signed(builder, _divided(builder, magnitude, scale), negative))

    return types.int64, body


def _nearest(scale):
    return types.int64, lambda context, builder, value: _to_int64(
        context, builder, _half_even(builder, value, scale)
    )


def _rounded_to(digits):
    def make(scale):
        if digits >= scale:
            return DecimalType(scale), lambda context, builder, value: value
        if digits >= 0:
            return DecimalType(digits), lambda context, builder, value: _half_even(
                builder, value, scale - digits
            )
        if scale - digits > PRECISION:  # no decimal is half of that
            return DecimalType(0), lambda context, builder, value: I128(0)

        def tens(context, builder, value):
            rounded = _half_even(builder, value, scale - digits)
            return builder.smul_with_overflow(rounded, I128(10**-digits))

        return DecimalType(0), tens

    return operation(make)


def _negation(scale):
    return DecimalType(scale), lambda context, builder, value: builder.ssub_with_overflow(I128(0), value)


def _absolute_value(scale):
    def body(context, builder, value):
        magnitude, _ = magnitude_of(builder, value)
        return overflowing(builder, magnitude, builder.icmp_signed("<", magnitude, I128(0)))

    return DecimalType(scale), body


_negated, _absolute = operation(_negation), operation(_absolute_value)
_as_int, _as_float, _as_nearest = operation(_cut), operation(to_float), operation(_nearest)


true_unless_zero(DecimalType)


@overload(operator.not_, jit_options=_INLINE)
def _is_false(a):
    return (lambda a: not bool(a)) if has_point(a) else None


def _is_number(ty):
    return isinstance(ty, (DecimalType, types.Integer, types.Boolean))


def _binary(function, implementation, with_float=None):
    """Give an operator its implementation, and those for a float on the right and on the left."""

    @overload(function, jit_options=_INLINE)
    def of_two(a, b):
        left, right = (x.type if isinstance(x, types.Optional) else x for x in (a, b))
        if not has_point(left) and not has_point(right):
            return None
        floats = [isinstance(x, types.Float) for x in (right, left)]
        if not (_is_number(left) and _is_number(right)) and not (with_float and any(floats)):
            return None
        if left is not a and right is not b:
            return lambda a, b: function(value_of(a), value_of(b))
        if left is not a:
            return lambda a, b: function(value_of(a), b)
        if right is not b:
            return lambda a, b: function(a, value_of(b))
        if any(floats):
            return with_float[floats.index(True)]
        return lambda a, b: implementation((a, b))


_add, _sub, _mul = _sum("sadd_with_overflow"), _sum("ssub_with_overflow"), operation(_product)
for _function, _implementation in (
    (operator.add, _add),
    (operator.iadd, _add),
    (operator.sub, _sub),
    (operator.isub, _sub),
    (operator.mul, _mul),
    (operator.imul, _mul),
):
    _binary(_function, _implementation)


@register_jitable(forceinline=True)
def _ordered(decimal, number):
    """Return a number below, at or above 0, as the decimal is below, at or above the float."""
    if math.isnan(number):
        raise ArithmeticError("a decimal is compared with NaN")
    return order_of(decimal, number)


for _function, _sign, _with_float in (
    (operator.lt, "<", (lambda a, b: _ordered(a, b) < 0, lambda a, b: _ordered(b, a) > 0)),
    (operator.le, "<=", (lambda a, b: _ordered(a, b) <= 0, lambda a, b: _ordered(b, a) >= 0)),
    (operator.gt, ">", (lambda a, b: _ordered(a, b) > 0, lambda a, b: _ordered(b, a) < 0)),
    (operator.ge, ">=", (lambda a, b: _ordered(a, b) >= 0, lambda a, b: _ordered(b, a) <= 0)),
    (operator.eq, "==", (lambda a, b: order_of(a, b) == 0, lambda a, b: order_of(b, a) == 0)),
    (operator.ne, "!=", (lambda a, b: order_of(a, b) != 0, lambda a, b: order_of(b, a) != 0)),
):
    _binary(_function, _comparison(_sign), with_float=_with_float)


def _extreme(function, other):
    """Let `min` or `max` take decimals: what ``other`` gives is theirs if the second is the better one."""

    @overload(function, jit_options=_INLINE)
    def of_two(a, b):
        if (has_point(a) or has_point(b)) and _is_number(a) and _is_number(b):
            return other
        return None


_extreme(min, lambda a, b: b if b < a else a)
_extreme(max, lambda a, b: b if b > a else a)


def _unary(function, implementation):
    @overload(function, jit_options=_INLINE)
    def of_one(a):
        return (lambda a: implementation((a,))) if has_point(a) else None


for _one, _implementation in (
    (operator.neg, _negated),
    (operator.pos, operation(lambda scale: (DecimalType(scale), lambda context, builder, value: value))),
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
        msg = "`round(x, n)` of a decimal takes a constant `n`"
        raise errors.TypingError(msg)
    implementation = _rounded_to(ndigits.literal_value)
    return lambda number, ndigits=None: implementation((number,))


def _divide(function, sign, implementation):
    @overload(function, jit_options=_INLINE)
    def of_two(a, b):
        left, right = (x.type if isinstance(x, types.Optional) else x for x in (a, b))
        if not has_point(left) and not has_point(right):
            return None
        if implementation is None:
            msg = f"`{sign}` of decimals isn't exact; write `float(a) {sign} float(b)`, or scale integers"
            raise errors.TypingError(msg)
        if not (_is_number(left) and _is_number(right)):
            return None
        if left is not a and right is not b:
            return lambda a, b: function(value_of(a), value_of(b))
        if left is not a:
            return lambda a, b: function(value_of(a), b)
        if right is not b:
            return lambda a, b: function(a, value_of(b))
        return implementation


for _function, _sign, _implementation in (
    (operator.truediv, "/", None),
    (operator.itruediv, "/", None),
    (operator.floordiv, "//", lambda a, b: divided(a, b)[0]),
    (operator.ifloordiv, "//", lambda a, b: divided(a, b)[0]),
    (operator.mod, "%", lambda a, b: divided(a, b)[1]),
    (operator.imod, "%", lambda a, b: divided(a, b)[1]),
    (divmod, "divmod", divided),
):
    _divide(_function, _sign, _implementation)
