"""Attributes and methods of dates, instants, spans and times of day, with Python's meaning."""

from __future__ import annotations

from collections import namedtuple

from numba.core import types
from numba.extending import overload_attribute, overload_method, register_jitable

from dataflare_vec.compiler.jit.lowering.ratios import millionth
from dataflare_vec.compiler.jit.lowering.temporal.civil import (
    DAY,
    FIRST_DAY,
    SECOND,
    days_of,
    iso_week,
    weekday,
    year_month_day,
)
from dataflare_vec.compiler.jit.types.clocks import ClockType, FoldedTimeType, make_folded_time
from dataflare_vec.compiler.jit.types.temporal import (
    DatetimeType,
    DateType,
    TimedeltaType,
    TimeType,
    as_date,
    as_time,
    ticks,
)

#: As `datetime.date.isocalendar` returns; the class of Python's own can't be made by a kernel.
IsoCalendarDate = namedtuple("IsoCalendarDate", "year week weekday")
#: As `datetime.datetime.timetuple` returns.
TimeTuple = namedtuple("TimeTuple", "tm_year tm_mon tm_mday tm_hour tm_min tm_sec tm_wday tm_yday tm_isdst")

_INLINE = {"forceinline": True}


@register_jitable
def time_tuple(days, seconds, is_dst):
    """Return all that `timetuple` says of a second of a day."""
    year, month, day = year_month_day(days)
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    return TimeTuple(
        year, month, day, hour, minute, second, weekday(days), days - days_of(year, 1, 1) + 1, is_dst
    )


def _attributes(kind: type[types.Type], **implementations: object) -> None:
    for name, implementation in implementations.items():
        overload_attribute(kind, name, jit_options=_INLINE)(_same(implementation))


def _methods(kind: type[types.Type], **implementations: object) -> None:
    for name, implementation in implementations.items():
        overload_method(kind, name, jit_options=_INLINE)(_same(implementation))


def _same(implementation):
    """Return what Numba asks for the implementation: the same for any value of the type."""

    def of_type(value):
        return implementation

    return of_type


_attributes(
    DateType,
    year=lambda value: year_month_day(ticks(value))[0],
    month=lambda value: year_month_day(ticks(value))[1],
    day=lambda value: year_month_day(ticks(value))[2],
)
_methods(
    DateType,
    weekday=lambda value: weekday(ticks(value)),
    isoweekday=lambda value: weekday(ticks(value)) + 1,
    toordinal=lambda value: ticks(value) - FIRST_DAY + 1,
    isocalendar=lambda value: IsoCalendarDate(*iso_week(ticks(value))),
    timetuple=lambda value: time_tuple(ticks(value), 0, -1),
)
for _kind in (DatetimeType, ClockType):
    _attributes(
        _kind,
        year=lambda value: year_month_day(ticks(value) // DAY)[0],
        month=lambda value: year_month_day(ticks(value) // DAY)[1],
        day=lambda value: year_month_day(ticks(value) // DAY)[2],
        hour=lambda value: ticks(value) % DAY // (3600 * SECOND),
        minute=lambda value: ticks(value) // (60 * SECOND) % 60,
        second=lambda value: ticks(value) // SECOND % 60,
        microsecond=lambda value: ticks(value) % SECOND,
    )
    _methods(
        _kind,
        weekday=lambda value: weekday(ticks(value) // DAY),
        isoweekday=lambda value: weekday(ticks(value) // DAY) + 1,
        toordinal=lambda value: ticks(value) // DAY - FIRST_DAY + 1,
        isocalendar=lambda value: IsoCalendarDate(*iso_week(ticks(value) // DAY)),
        date=lambda value: as_date(ticks(value) // DAY),
    )
_attributes(DatetimeType, fold=lambda value: 0, tzinfo=lambda value: None)
_attributes(ClockType, fold=lambda value: value._fold)
_methods(
    DatetimeType,
    time=lambda value: as_time(ticks(value) % DAY),
    timetuple=lambda value: time_tuple(ticks(value) // DAY, ticks(value) % DAY // SECOND, -1),
    utctimetuple=lambda value: time_tuple(ticks(value) // DAY, ticks(value) % DAY // SECOND, 0),
    utcoffset=lambda value: None,
    dst=lambda value: None,
    tzname=lambda value: None,
)
_methods(ClockType, time=lambda value: make_folded_time(ticks(value) % DAY, value._fold))
_attributes(
    TimedeltaType,
    days=lambda value: ticks(value) // DAY,
    seconds=lambda value: ticks(value) % DAY // SECOND,
    microseconds=lambda value: ticks(value) % SECOND,
)
_methods(TimedeltaType, total_seconds=lambda value: millionth(ticks(value)))
for _time in (TimeType, FoldedTimeType):
    _attributes(
        _time,
        hour=lambda value: ticks(value) // (3600 * SECOND),
        minute=lambda value: ticks(value) // (60 * SECOND) % 60,
        second=lambda value: ticks(value) // SECOND % 60,
        microsecond=lambda value: ticks(value) % SECOND,
        tzinfo=lambda value: None,
    )
    _methods(_time, utcoffset=lambda value: None, dst=lambda value: None, tzname=lambda value: None)
_attributes(TimeType, fold=lambda value: 0)
_attributes(FoldedTimeType, fold=lambda value: value._fold)
