"""`datetime.date(…)` and its like, called in a kernel."""

from __future__ import annotations

import datetime

from numba.core import errors, types
from numba.extending import overload, register_jitable

from dataflare_vec.jit.temporal.civil import DAY, SECOND, days_of, month_length
from dataflare_vec.jit.temporal.types import as_date, as_instant, as_span, as_time

_INLINE = {"forceinline": True}


@register_jitable(forceinline=True)
def _days(year, month, day):
    if year < 1 or year > 9999:
        raise ValueError("year is out of range")
    if month < 1 or month > 12:
        raise ValueError("month must be in 1..12")
    if day < 1 or day > month_length(year, month):
        raise ValueError("day is out of range for month")
    return days_of(year, month, day)


@register_jitable(forceinline=True)
def _time(hour, minute, second, microsecond):
    if hour < 0 or hour > 23:
        raise ValueError("hour must be in 0..23")
    if minute < 0 or minute > 59:
        raise ValueError("minute must be in 0..59")
    if second < 0 or second > 59:
        raise ValueError("second must be in 0..59")
    if microsecond < 0 or microsecond > 999_999:
        raise ValueError("microsecond must be in 0..999999")
    return ((hour * 60 + minute) * 60 + second) * SECOND + microsecond


def _check_integers(name, *values):
    for value in values:
        given = types.unliteral(value) if isinstance(value, types.Type) else value
        if not isinstance(given, (types.Integer, types.Boolean, types.Omitted, int)):
            msg = f"`datetime.{name}` takes integers in a kernel, got {given}"
            raise errors.TypingError(msg)


@overload(datetime.date, jit_options=_INLINE)
def date(year, month, day):
    """Make a date."""
    _check_integers("date", year, month, day)
    return lambda year, month, day: as_date(_days(year, month, day))


@overload(datetime.datetime, jit_options=_INLINE)
def instant(year, month, day, hour=0, minute=0, second=0, microsecond=0):
    """Make an instant."""
    _check_integers("datetime", year, month, day, hour, minute, second, microsecond)

    def make(year, month, day, hour=0, minute=0, second=0, microsecond=0):
        return as_instant(_days(year, month, day) * DAY + _time(hour, minute, second, microsecond))

    return make


@overload(datetime.time, jit_options=_INLINE)
def time(hour=0, minute=0, second=0, microsecond=0):
    """Make a time of day."""
    _check_integers("time", hour, minute, second, microsecond)

    def make(hour=0, minute=0, second=0, microsecond=0):
        return as_time(_time(hour, minute, second, microsecond))

    return make


@overload(datetime.timedelta, jit_options=_INLINE)
def span(days=0, seconds=0, microseconds=0, milliseconds=0, minutes=0, hours=0, weeks=0):
    """Make a span, of whole numbers."""
    _check_integers("timedelta", days, seconds, microseconds, milliseconds, minutes, hours, weeks)

    def make(days=0, seconds=0, microseconds=0, milliseconds=0, minutes=0, hours=0, weeks=0):
        whole = days + 7 * weeks
        rest = (seconds + 60 * minutes + 3600 * hours) * SECOND + milliseconds * 1000 + microseconds
        return as_span(whole * DAY + rest)

    return make
