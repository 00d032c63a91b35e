"""Attributes and methods of dates, instants, spans and times of day, with Python's meaning."""

from __future__ import annotations

from collections import namedtuple

from numba.core import types
from numba.extending import overload_attribute, overload_method

from dataflare_vec.compiler.jit.lowering.ratios import millionth
from dataflare_vec.compiler.jit.lowering.temporal.civil import (
    DAY,
    FIRST_DAY,
    SECOND,
    iso_week,
    weekday,
    year_month_day,
)
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

_INLINE = {"forceinline": True}


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
)
_attributes(
    DatetimeType,
    year=lambda value: year_month_day(ticks(value) // DAY)[0],
    month=lambda value: year_month_day(ticks(value) // DAY)[1],
    day=lambda value: year_month_day(ticks(value) // DAY)[2],
    hour=lambda value: ticks(value) % DAY // (3600 * SECOND),
    minute=lambda value: ticks(value) // (60 * SECOND) % 60,
    second=lambda value: ticks(value) // SECOND % 60,
    microsecond=lambda value: ticks(value) % SECOND,
)
_methods(
    DatetimeType,
    weekday=lambda value: weekday(ticks(value) // DAY),
    isoweekday=lambda value: weekday(ticks(value) // DAY) + 1,
    toordinal=lambda value: ticks(value) // DAY - FIRST_DAY + 1,
    isocalendar=lambda value: IsoCalendarDate(*iso_week(ticks(value) // DAY)),
    date=lambda value: as_date(ticks(value) // DAY),
    time=lambda value: as_time(ticks(value) % DAY),
)
_attributes(
    TimedeltaType,
    days=lambda value: ticks(value) // DAY,
    seconds=lambda value: ticks(value) % DAY // SECOND,
    microseconds=lambda value: ticks(value) % SECOND,
)
_methods(TimedeltaType, total_seconds=lambda value: millionth(ticks(value)))
_attributes(
    TimeType,
    hour=lambda value: ticks(value) // (3600 * SECOND),
    minute=lambda value: ticks(value) // (60 * SECOND) % 60,
    second=lambda value: ticks(value) // SECOND % 60,
    microsecond=lambda value: ticks(value) % SECOND,
)
