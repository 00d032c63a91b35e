"""`datetime.date(…)` and its like, called in a kernel."""

from __future__ import annotations

import datetime
import math

import numpy as np
from numba.core import errors, types
from numba.extending import overload, register_jitable

from dataflare_vec.compiler.jit.lowering.temporal.civil import (
    DAY,
    FIRST_DAY,
    LAST_DAY,
    SECOND,
    days_of,
    is_leap,
    month_length,
    weekday,
)
from dataflare_vec.compiler.jit.lowering.temporal.clocks import placed
from dataflare_vec.compiler.jit.lowering.temporal.spans import product, too_long, total, whole
from dataflare_vec.compiler.jit.types.clocks import make_folded_time
from dataflare_vec.compiler.jit.types.temporal import as_date, as_instant, as_span, as_time
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType

_INLINE = {"forceinline": True}


@register_jitable(forceinline=True)
def checked_days(year, month, day):
    """Return the days since 1970 of a date, if Python has it."""
    if year < 1 or year > 9999:
        raise ValueError("year is out of range")
    if month < 1 or month > 12:
        raise ValueError("month must be in 1..12")
    if day < 1 or day > month_length(year, month):
        raise ValueError("day is out of range for month")
    return days_of(year, month, day)


@register_jitable(forceinline=True)
def checked_time(hour, minute, second, microsecond):
    """Return the microseconds of a time of day, if there is such a time."""
    if hour < 0 or hour > 23:
        raise ValueError("hour must be in 0..23")
    if minute < 0 or minute > 59:
        raise ValueError("minute must be in 0..59")
    if second < 0 or second > 59:
        raise ValueError("second must be in 0..59")
    if microsecond < 0 or microsecond > 999_999:
        raise ValueError("microsecond must be in 0..999999")
    return ((hour * 60 + minute) * 60 + second) * SECOND + microsecond


@register_jitable(forceinline=True)
def days_of_iso_week(year, week, day):
    """Return the day of a week of ISO 8601, Monday is 1; the week may be one before or behind the year."""
    fourth = checked_days(year, 1, 4)  # which is in week 1
    return fourth - weekday(fourth) + 7 * (week - 1) + day - 1


@register_jitable
def checked_iso_week(year, week, day):
    """Return the days since 1970 of the day of a week, if Python has it."""
    first = checked_days(year, 1, 1)
    long = weekday(first) == 3 or (weekday(first) == 2 and is_leap(year))
    if week < 1 or week > 53 or (week == 53 and not long):
        raise ValueError("Invalid week")
    if day < 1 or day > 7:
        raise ValueError("Invalid weekday (range is [1, 7])")
    days = days_of_iso_week(year, week, day)
    if days < FIRST_DAY or days > LAST_DAY:
        raise ValueError("year is out of range")
    return days


@register_jitable(forceinline=True)
def checked_fold(fold):
    """Return a fold, if it is one."""
    if fold != 0 and fold != 1:
        raise ValueError("fold must be either 0 or 1")
    return fold


def is_given(argument):
    """Whether an argument isn't a default: by its type, while a kernel is compiled."""
    return isinstance(argument, types.Type) and not isinstance(argument, types.Omitted)


_INTEGERS = (types.Integer, WideIntType, types.Boolean, types.Omitted, int)


def check_integers(name, *values):
    """Raise if arguments of one of `datetime`'s functions aren't integers."""
    _check(name, "whole numbers", values)


def _check_numbers(name, *values):
    numbers = [value for value in values if value != types.float64]
    _check(name, "whole numbers and floats of 64 bits", numbers)


def _check(name, what, values):
    for value in values:
        given = types.unliteral(value) if isinstance(value, types.Type) else value
        if not isinstance(given, _INTEGERS):
            msg = f"`datetime.{name}` takes {what} in a kernel, got {given}"
            raise errors.TypingError(msg)


@overload(datetime.date, jit_options=_INLINE)
def date(year, month, day):
    """Make a date."""
    check_integers("date", year, month, day)
    return lambda year, month, day: as_date(checked_days(whole(year), whole(month), whole(day)))


@overload(datetime.datetime, jit_options=_INLINE)
def instant(year, month, day, hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0):
    """Make an instant."""
    check_integers("datetime", year, month, day, hour, minute, second, microsecond, fold)
    if not is_given(tzinfo) and not is_given(fold):

        def make(year, month, day, hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0):
            days = checked_days(whole(year), whole(month), whole(day))
            time = checked_time(whole(hour), whole(minute), whole(second), whole(microsecond))
            return as_instant(days * DAY + time)

        return make

    def make_placed(year, month, day, hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0):
        days = checked_days(whole(year), whole(month), whole(day))
        time = checked_time(whole(hour), whole(minute), whole(second), whole(microsecond))
        return placed(days * DAY + time, checked_fold(whole(fold)), tzinfo)

    return make_placed


@overload(datetime.time, jit_options=_INLINE)
def time(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0):
    """Make a time of day."""
    check_integers("time", hour, minute, second, microsecond, fold)
    check_no_zone(tzinfo)
    if not is_given(fold):

        def make(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0):
            return as_time(checked_time(whole(hour), whole(minute), whole(second), whole(microsecond)))

        return make

    def make_folded(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0):
        wall = checked_time(whole(hour), whole(minute), whole(second), whole(microsecond))
        return make_folded_time(wall, checked_fold(whole(fold)))

    return make_folded


def check_no_zone(tzinfo):
    """Raise if a time of day is to have a time zone, which no column has."""
    if is_given(tzinfo) and not isinstance(tzinfo, types.NoneType):
        raise errors.TypingError(NO_ZONED_TIME)


NO_ZONED_TIME = (
    "a time of day has no time zone in a kernel: make a datetime of it, as "
    "`datetime.datetime.combine(day, time, tzinfo=…)`"
)


# -- spans --------------------------------------------------------------------------------------------------

_WEEK, _HOUR, _MINUTE, _MILLISECOND = 7 * DAY, 3600 * SECOND, 60 * SECOND, 1000


@register_jitable(forceinline=True)
def _days_and_rest(count, unit):
    """Return days and microseconds of so many units; the second are fewer than a day's."""
    if unit >= DAY:
        return product(count, unit // DAY), 0
    return count // (DAY // unit), count % (DAY // unit) * unit


def _part(value, unit):
    """Return days and microseconds of so many units, and what is left of a microsecond."""
    raise TypeError(value, unit)


@overload(_part)
def _part_of(value, unit):
    if not isinstance(value, types.Float):

        def of_integer(value, unit):
            days, rest = _days_and_rest(whole(value), unit)
            return days, rest, 0.0

        return of_integer

    def of_float(value, unit):
        if math.isnan(value):
            raise ValueError("cannot convert float NaN to integer")
        if math.isinf(value):
            raise OverflowError("cannot convert float infinity to integer")
        count = np.trunc(value)
        if abs(count) >= 2.0**63:
            too_long(count * unit)
        days, rest = _days_and_rest(np.int64(count), unit)
        fraction = (value - count) * np.float64(unit)
        microseconds = np.trunc(fraction)
        return days, rest + np.int64(microseconds), fraction - microseconds

    return of_float


@register_jitable
def _round(x):
    """Round to the nearest, ties away from zero, as C does."""
    near = np.trunc(x)
    if abs(x - near) < 0.5:
        return near
    return near + (1.0 if x > 0.0 else -1.0)


@register_jitable
def _nearest(left, is_odd):
    """Round what is left of microseconds; with an odd or even number before it, half to even."""
    near = _round(left)
    if abs(near - left) == 0.5:
        odd = 1.0 if is_odd else 0.0
        near = 2.0 * _round((left + odd) * 0.5) - odd
    return np.int64(near)


@overload(datetime.timedelta, jit_options=_INLINE)
def span(days=0, seconds=0, microseconds=0, milliseconds=0, minutes=0, hours=0, weeks=0):
    """Make a span, with the sums of fractions in the order in which Python makes them."""
    _check_numbers("timedelta", days, seconds, microseconds, milliseconds, minutes, hours, weeks)

    def make(days=0, seconds=0, microseconds=0, milliseconds=0, minutes=0, hours=0, weeks=0):
        d0, r0, f0 = _part(microseconds, 1)
        d1, r1, f1 = _part(milliseconds, _MILLISECOND)
        d2, r2, f2 = _part(seconds, SECOND)
        d3, r3, f3 = _part(minutes, _MINUTE)
        d4, r4, f4 = _part(hours, _HOUR)
        d5, r5, f5 = _part(days, DAY)
        d6, r6, f6 = _part(weeks, _WEEK)
        all_days = total(total(total(total(total(total(d0, d1), d2), d3), d4), d5), d6)
        rest = r0 + r1 + r2 + r3 + r4 + r5 + r6
        rest += _nearest(f0 + f1 + f2 + f3 + f4 + f5 + f6, rest & 1 == 1)
        all_days, rest = all_days + rest // DAY, rest % DAY
        if all_days < 0:  # so that no sum on the way is longer than the result
            all_days, rest = all_days + 1, rest - DAY
        return as_span(total(product(all_days, DAY), rest))

    return make
