"""Operators between dates, instants, spans and times of day, with Python's meaning and limits."""

from __future__ import annotations

import operator

from numba.core import types
from numba.extending import overload, register_jitable

from dataflare_vec.compiler.jit.lowering.builtins import true_unless_zero, value_of
from dataflare_vec.compiler.jit.lowering.ratios import ratio
from dataflare_vec.compiler.jit.lowering.temporal.civil import DAY, FIRST_DAY, LAST_DAY
from dataflare_vec.compiler.jit.lowering.temporal.spans import (
    difference,
    divided,
    floor,
    half_even,
    product,
    scaled,
    total,
    whole,
)
from dataflare_vec.compiler.jit.types.temporal import (
    DatetimeType,
    DateType,
    TemporalType,
    TimedeltaType,
    TimeType,
    as_date,
    as_instant,
    as_span,
    ticks,
)
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType

_INLINE = {"forceinline": True}


@register_jitable(forceinline=True)
def checked_date(days):
    """Return a date, if Python has it."""
    if days < FIRST_DAY or days > LAST_DAY:
        raise OverflowError("date value out of range")
    return as_date(days)


@register_jitable(forceinline=True)
def checked_instant(microseconds):
    """Return an instant, if Python has it; a sum with a span that wraps around 64 bits isn't in range."""
    if microseconds < FIRST_DAY * DAY or microseconds >= (LAST_DAY + 1) * DAY:
        raise OverflowError("date value out of range")
    return as_instant(microseconds)


def binary(function, choose):
    """Give an operator its implementations; what may be None is unwrapped.

    Parameters
    ----------
    choose
        Returns the implementation for the types on the two sides, or None.
    """

    @overload(function, jit_options=_INLINE)
    def implementation(a, b):
        left, right = (x.type if isinstance(x, types.Optional) else x for x in (a, b))
        if not isinstance(left, TemporalType) and not isinstance(right, TemporalType):
            return None
        if types.float32 in (left, right):  # with which NumPy, and so the plain function, rounds otherwise
            return None
        found = choose(left, right)
        if found is None:
            return None
        if left is not a and right is not b:
            return lambda a, b: function(value_of(a), value_of(b))
        if left is not a:
            return lambda a, b: function(value_of(a), b)
        if right is not b:
            return lambda a, b: function(a, value_of(b))
        return found


def _binary(function, table):
    """Give an operator the implementations of a table, by the types on its two sides."""

    def choose(left, right):
        return next(
            (
                found
                for (first, second), found in table.items()
                if isinstance(left, first) and isinstance(right, second)
            ),
            None,
        )

    binary(function, choose)


_Date, _Instant, _Span = DateType, DatetimeType, TimedeltaType
_Int = (types.Integer, types.Boolean, WideIntType)

_ADDITIONS = {
    (_Date, _Span): lambda a, b: checked_date(ticks(a) + ticks(b) // DAY),
    (_Span, _Date): lambda a, b: checked_date(ticks(b) + ticks(a) // DAY),
    (_Instant, _Span): lambda a, b: checked_instant(ticks(a) + ticks(b)),
    (_Span, _Instant): lambda a, b: checked_instant(ticks(a) + ticks(b)),
    (_Span, _Span): lambda a, b: as_span(total(ticks(a), ticks(b))),
}
_SUBTRACTIONS = {
    (_Date, _Date): lambda a, b: as_span((ticks(a) - ticks(b)) * DAY),
    (_Date, _Span): lambda a, b: checked_date(ticks(a) - ticks(b) // DAY),
    (_Instant, _Instant): lambda a, b: as_span(ticks(a) - ticks(b)),
    (_Instant, _Span): lambda a, b: checked_instant(ticks(a) - ticks(b)),
    (_Span, _Span): lambda a, b: as_span(difference(ticks(a), ticks(b))),
}
_MULTIPLICATIONS = {
    (_Span, _Int): lambda a, b: as_span(product(ticks(a), whole(b))),
    (_Int, _Span): lambda a, b: as_span(product(ticks(b), whole(a))),
    (_Span, types.Float): lambda a, b: as_span(scaled(ticks(a), b)),
    (types.Float, _Span): lambda a, b: as_span(scaled(ticks(b), a)),
}
_FLOOR_DIVISIONS = {
    (_Span, _Span): lambda a, b: ticks(a) // ticks(b),
    (_Span, _Int): lambda a, b: as_span(floor(ticks(a), b)),
}
_DIVISIONS = {
    (_Span, _Span): lambda a, b: _quotient(ticks(a), ticks(b)),
    (_Span, _Int): lambda a, b: as_span(half_even(ticks(a), b)),
    (_Span, types.Float): lambda a, b: as_span(divided(ticks(a), b)),
}

_REMAINDERS = {(_Span, _Span): lambda a, b: as_span(ticks(a) % ticks(b))}


@register_jitable(forceinline=True)
def _quotient(a, b):
    if b == 0:
        raise ZeroDivisionError("division by zero")
    return ratio(a, b)


for _function, _table in (
    (operator.add, _ADDITIONS),
    (operator.iadd, _ADDITIONS),
    (operator.sub, _SUBTRACTIONS),
    (operator.isub, _SUBTRACTIONS),
    (operator.mul, _MULTIPLICATIONS),
    (operator.imul, _MULTIPLICATIONS),
    (operator.floordiv, _FLOOR_DIVISIONS),
    (operator.ifloordiv, _FLOOR_DIVISIONS),
    (operator.truediv, _DIVISIONS),
    (operator.itruediv, _DIVISIONS),
    (operator.mod, _REMAINDERS),
    (operator.imod, _REMAINDERS),
    (divmod, {(_Span, _Span): lambda a, b: (ticks(a) // ticks(b), as_span(ticks(a) % ticks(b)))}),
):
    _binary(_function, _table)
_COMPARISONS = {
    operator.lt: lambda a, b: ticks(a) < ticks(b),
    operator.le: lambda a, b: ticks(a) <= ticks(b),
    operator.gt: lambda a, b: ticks(a) > ticks(b),
    operator.ge: lambda a, b: ticks(a) >= ticks(b),
    operator.eq: lambda a, b: ticks(a) == ticks(b),
    operator.ne: lambda a, b: ticks(a) != ticks(b),
}
for _function, _implementation in _COMPARISONS.items():
    _kinds = (DateType, DatetimeType, TimedeltaType, TimeType)
    _binary(_function, {(kind, kind): _implementation for kind in _kinds})


def _unary(function, implementation):
    @overload(function, jit_options=_INLINE)
    def of_span(value):
        return implementation if isinstance(value, TimedeltaType) else None


_unary(operator.neg, lambda value: as_span(-ticks(value)))
_unary(operator.pos, lambda value: value)
_unary(abs, lambda value: as_span(abs(ticks(value))))


true_unless_zero(TimedeltaType)


@overload(operator.not_, jit_options=_INLINE)
def _is_false(value):
    return (lambda value: ticks(value) == 0) if isinstance(value, TimedeltaType) else None


def _extreme(function, better):
    @overload(function, jit_options=_INLINE)
    def of_two(a, b):
        if isinstance(a, TemporalType) and a == b:
            return lambda a, b: b if better(ticks(b), ticks(a)) else a
        return None


_extreme(min, register_jitable(lambda x, y: x < y))
_extreme(max, register_jitable(lambda x, y: x > y))
