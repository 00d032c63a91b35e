"""`replace` of dates, instants and times of day."""

from __future__ import annotations

from numba.core import types
from numba.extending import overload_method, register_jitable

from dataflare_vec.compiler.jit.lowering.temporal.civil import DAY, SECOND, year_month_day
from dataflare_vec.compiler.jit.lowering.temporal.clocks import moved, placed
from dataflare_vec.compiler.jit.lowering.temporal.constructors import (
    check_integers,
    check_no_zone,
    checked_days,
    checked_fold,
    checked_time,
    is_given,
)
from dataflare_vec.compiler.jit.lowering.temporal.spans import whole
from dataflare_vec.compiler.jit.types.clocks import NONE, ClockType, FoldedTimeType, make_folded_time
from dataflare_vec.compiler.jit.types.temporal import (
    DatetimeType,
    DateType,
    TimeType,
    as_date,
    as_instant,
    as_time,
    ticks,
)

# What isn't given is replaced by itself; the defaults are never looked at.
_INLINE = {"forceinline": True}


def _replaced_date(year, month, day):
    """Return a function that gives the days of a date with some of its parts replaced."""
    has_year, has_month, has_day = map(is_given, (year, month, day))

    @register_jitable(forceinline=True)
    def replaced(days, year, month, day):
        y, m, d = year_month_day(days)
        y = whole(year) if has_year else y
        m = whole(month) if has_month else m
        d = whole(day) if has_day else d
        return checked_days(y, m, d) if has_year or has_month or has_day else days

    return replaced


def _replaced_time(hour, minute, second, microsecond):
    """Return a function that gives the microseconds of a time with some of its parts replaced."""
    has_hour, has_minute, has_second, has_microsecond = map(is_given, (hour, minute, second, microsecond))

    @register_jitable(forceinline=True)
    def replaced(time, hour, minute, second, microsecond):
        h = whole(hour) if has_hour else time // (3600 * SECOND)
        m = whole(minute) if has_minute else time // (60 * SECOND) % 60
        s = whole(second) if has_second else time // SECOND % 60
        us = whole(microsecond) if has_microsecond else time % SECOND
        return checked_time(h, m, s, us)

    return replaced


@overload_method(DateType, "replace", jit_options=_INLINE)
def _replace_of_date(value, year=0, month=0, day=0):
    check_integers("replace", year, month, day)
    replaced = _replaced_date(year, month, day)
    return lambda value, year=0, month=0, day=0: as_date(replaced(ticks(value), year, month, day))


@overload_method(TimeType, "replace", jit_options=_INLINE)
@overload_method(FoldedTimeType, "replace", jit_options=_INLINE)
def _replace_of_time(value, hour=0, minute=0, second=0, microsecond=0, tzinfo=True, fold=0):
    check_integers("replace", hour, minute, second, microsecond, fold)
    check_no_zone(tzinfo)
    replaced = _replaced_time(hour, minute, second, microsecond)
    has_fold = is_given(fold)
    if not has_fold and isinstance(value, TimeType):

        def replace(value, hour=0, minute=0, second=0, microsecond=0, tzinfo=True, fold=0):
            return as_time(replaced(ticks(value), hour, minute, second, microsecond))

        return replace

    def replace_folded(value, hour=0, minute=0, second=0, microsecond=0, tzinfo=True, fold=0):
        wall = replaced(ticks(value), hour, minute, second, microsecond)
        return make_folded_time(wall, checked_fold(whole(fold)) if has_fold else value.fold)

    return replace_folded


@overload_method(DatetimeType, "replace", jit_options=_INLINE)
@overload_method(ClockType, "replace", jit_options=_INLINE)
def _replace_of_instant(
    value, year=0, month=0, day=0, hour=0, minute=0, second=0, microsecond=0, tzinfo=True, fold=0
):
    check_integers("replace", year, month, day, hour, minute, second, microsecond, fold)
    date, time = _replaced_date(year, month, day), _replaced_time(hour, minute, second, microsecond)
    changes_time = any(map(is_given, (hour, minute, second, microsecond)))

    @register_jitable(forceinline=True)
    def wall_of(value, year, month, day, hour, minute, second, microsecond):
        days, rest = ticks(value) // DAY, ticks(value) % DAY
        days = date(days, year, month, day)
        return days * DAY + (time(rest, hour, minute, second, microsecond) if changes_time else rest)

    return _with_wall(wall_of, value, tzinfo, has_fold=is_given(fold))


def _with_wall(wall_of, value, tzinfo, *, has_fold):
    """Return the implementation for what gives the time that the clock shows then."""
    if isinstance(value, DatetimeType) and not is_given(tzinfo) and not has_fold:

        def replace(
            value, year=0, month=0, day=0, hour=0, minute=0, second=0, microsecond=0, tzinfo=True, fold=0
        ):
            return as_instant(wall_of(value, year, month, day, hour, minute, second, microsecond))

        return replace
    if not is_given(tzinfo) and isinstance(value, ClockType):
        make = moved(value.place)
        keeps_fold = value.place == NONE

        def replace_within(
            value, year=0, month=0, day=0, hour=0, minute=0, second=0, microsecond=0, tzinfo=True, fold=0
        ):
            wall = wall_of(value, year, month, day, hour, minute, second, microsecond)
            new_fold = checked_fold(whole(fold)) if has_fold else value.fold
            return placed(wall, new_fold, None) if keeps_fold else make(value, wall, new_fold)

        return replace_within
    zone = None if isinstance(tzinfo, types.NoneType) else tzinfo

    def replace_placed(
        value, year=0, month=0, day=0, hour=0, minute=0, second=0, microsecond=0, tzinfo=True, fold=0
    ):
        wall = wall_of(value, year, month, day, hour, minute, second, microsecond)
        new_fold = checked_fold(whole(fold)) if has_fold else value.fold
        return placed(wall, new_fold, tzinfo)

    def replace_nowhere(
        value, year=0, month=0, day=0, hour=0, minute=0, second=0, microsecond=0, tzinfo=True, fold=0
    ):
        wall = wall_of(value, year, month, day, hour, minute, second, microsecond)
        new_fold = checked_fold(whole(fold)) if has_fold else value.fold
        return placed(wall, new_fold, None)

    return replace_placed if is_given(zone) else replace_nowhere
