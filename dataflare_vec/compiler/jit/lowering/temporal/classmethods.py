"""Dates and instants that aren't made of their parts: `fromordinal`, `combine`, `fromtimestamp`."""

from __future__ import annotations

import datetime
import math

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from dataflare_vec.compiler.jit.lowering.exact.overlay import OVERLAYS
from dataflare_vec.compiler.jit.lowering.temporal.civil import DAY, FIRST_DAY, LAST_DAY, SECOND
from dataflare_vec.compiler.jit.lowering.temporal.clocks import from_utc, placed, with_offset, within_years
from dataflare_vec.compiler.jit.lowering.temporal.constructors import (
    check_integers,
    checked_iso_week,
    is_given,
)
from dataflare_vec.compiler.jit.lowering.temporal.spans import whole
from dataflare_vec.compiler.jit.types.clocks import (
    ClockType,
    FoldedTimeType,
    OffsetZoneType,
    ZoneType,
    offset_of_zone,
)
from dataflare_vec.compiler.jit.types.temporal import (
    DatetimeType,
    DateType,
    TimeType,
    as_date,
    as_instant,
    ticks,
)

_INLINE = {"forceinline": True}
_DATE, _DATETIME = datetime.date, datetime.datetime


@register_jitable(forceinline=True)
def _days_of_ordinal(ordinal):
    if ordinal < 1:
        raise ValueError("ordinal must be >= 1")
    if ordinal > LAST_DAY - FIRST_DAY + 1:
        raise ValueError("year is out of range")
    return ordinal + FIRST_DAY - 1


def date_of_ordinal(n):
    """Stand for `date.fromordinal` in kernels."""
    return _DATE.fromordinal(n)


def instant_of_ordinal(n):
    """Stand for `datetime.fromordinal` in kernels."""
    return _DATETIME.fromordinal(n)


@overload(date_of_ordinal, jit_options=_INLINE)
def _date_of_ordinal(n):
    check_integers("fromordinal", n)
    return lambda n: as_date(_days_of_ordinal(whole(n)))


@overload(instant_of_ordinal, jit_options=_INLINE)
def _instant_of_ordinal(n):
    check_integers("fromordinal", n)
    return lambda n: as_instant(_days_of_ordinal(whole(n)) * DAY)


def date_of_week(year, week, day):
    """Stand for `date.fromisocalendar` in kernels."""
    return _DATE.fromisocalendar(year, week, day)


def instant_of_week(year, week, day):
    """Stand for `datetime.fromisocalendar` in kernels."""
    return _DATETIME.fromisocalendar(year, week, day)


@overload(date_of_week, jit_options=_INLINE)
def _date_of_week(year, week, day):
    check_integers("fromisocalendar", year, week, day)
    return lambda year, week, day: as_date(checked_iso_week(whole(year), whole(week), whole(day)))


@overload(instant_of_week, jit_options=_INLINE)
def _instant_of_week(year, week, day):
    check_integers("fromisocalendar", year, week, day)
    return lambda year, week, day: as_instant(checked_iso_week(whole(year), whole(week), whole(day)) * DAY)


# -- a date with a time -------------------------------------------------------------------------------------


def combined(date, time, tzinfo=True):
    """Stand for `datetime.combine` in kernels."""
    return _DATETIME.combine(date, time) if tzinfo is True else _DATETIME.combine(date, time, tzinfo)


@overload(combined, jit_options=_INLINE)
def _combined(date, time, tzinfo=True):
    if not isinstance(date, DateType | DatetimeType | ClockType) or not isinstance(
        time, TimeType | FoldedTimeType
    ):
        msg = f"`combine` makes a datetime of a date and a time, got {date} and {time}"
        raise TypingError(msg)
    if is_given(tzinfo):
        return lambda date, time, tzinfo=True: placed(_day_of(date) * DAY + ticks(time), time.fold, tzinfo)
    if isinstance(time, FoldedTimeType):
        return lambda date, time, tzinfo=True: placed(_day_of(date) * DAY + ticks(time), time.fold, None)
    return lambda date, time, tzinfo=True: as_instant(_day_of(date) * DAY + ticks(time))


def _day_of(date):
    raise TypeError(date)


@overload(_day_of, jit_options=_INLINE)
def _days(date):
    return (lambda date: ticks(date)) if isinstance(date, DateType) else (lambda date: ticks(date) // DAY)


# -- seconds since 1970 -------------------------------------------------------------------------------------


def _microseconds_of(timestamp):
    raise TypeError(timestamp)


@overload(_microseconds_of)
def _microseconds(timestamp):
    """Return a timestamp in microseconds, rounded half to even as Python does, if Python has the instant."""
    if not isinstance(timestamp, types.Float):

        def of_integer(timestamp):
            seconds = whole(timestamp)
            if seconds < FIRST_DAY * 86_400 or seconds >= (LAST_DAY + 1) * 86_400:
                raise ValueError("year is out of range")
            return seconds * SECOND

        return of_integer

    def of_float(timestamp):
        if math.isnan(timestamp):
            raise ValueError("Invalid value NaN (not a number)")
        seconds = np.trunc(timestamp)
        if seconds < FIRST_DAY * 86_400.0 - 1.0 or seconds >= (LAST_DAY + 1) * 86_400.0:
            raise ValueError("year is out of range")
        rest = (timestamp - seconds) * 1e6
        near = np.rint(rest)
        microseconds = np.int64(seconds) * SECOND + np.int64(near)
        if microseconds < FIRST_DAY * DAY or microseconds >= (LAST_DAY + 1) * DAY:
            raise ValueError("year is out of range")
        return microseconds

    return of_float


def _check_timestamp(timestamp):
    given = types.unliteral(timestamp)
    if given != types.float64:
        check_integers("fromtimestamp", timestamp)


def instant_at(timestamp, tz=None):
    """Stand for `datetime.fromtimestamp` in kernels."""
    return _DATETIME.fromtimestamp(timestamp, tz)


@overload(instant_at, jit_options=_INLINE)
def _instant_at(timestamp, tz=None):
    _check_timestamp(timestamp)
    if isinstance(tz, OffsetZoneType):

        def at_offset(timestamp, tz=None):
            offset = offset_of_zone(tz)
            return with_offset(within_years(_microseconds_of(timestamp) + offset), 0, offset)

        return at_offset
    if not isinstance(tz, ZoneType):
        msg = (
            "`fromtimestamp` needs a zone in a kernel, which doesn't know the machine's: "
            "`fromtimestamp(x, tz=datetime.timezone.utc)`"
        )
        raise TypingError(msg)
    make = from_utc(tz.place)
    return lambda timestamp, tz=None: make(_microseconds_of(timestamp))


def instant_in_utc(t):
    """Stand for `datetime.utcfromtimestamp` in kernels."""
    return _DATETIME.fromtimestamp(t, datetime.timezone.utc).replace(tzinfo=None)


@overload(instant_in_utc, jit_options=_INLINE)
def _instant_in_utc(t):
    _check_timestamp(t)
    return lambda t: as_instant(_microseconds_of(t))


OVERLAYS.update(
    {
        _DATE.fromordinal: date_of_ordinal,
        _DATETIME.fromordinal: instant_of_ordinal,
        _DATE.fromisocalendar: date_of_week,
        _DATETIME.fromisocalendar: instant_of_week,
        _DATETIME.combine: combined,
        _DATETIME.fromtimestamp: instant_at,
    }
)
if hasattr(_DATETIME, "utcfromtimestamp"):
    OVERLAYS[_DATETIME.utcfromtimestamp] = instant_in_utc
