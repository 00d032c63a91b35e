"""Instants with a time zone, or a fold: operators and methods, with Python's meaning.

Sums are of what the clock shows, however it is changed in between; differences and comparisons of instants of
one zone, too. Those of two zones are compared in UTC.
"""

from __future__ import annotations

import operator
from functools import cache

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from dataflare_vec.compiler.jit.lowering.temporal.arithmetic import binary, checked_instant
from dataflare_vec.compiler.jit.lowering.temporal.zones import clock_at, instant_showing
from dataflare_vec.compiler.jit.types.clocks import (
    NONE,
    OWN,
    SOME,
    ClockType,
    OffsetZoneType,
    ZoneType,
    make_clock,
    offset_of_zone,
    shown_place,
)
from dataflare_vec.compiler.jit.types.temporal import DatetimeType, TimedeltaType, as_instant, as_span, ticks
from dataflare_vec.definition.zones import Region

_inlined = register_jitable(forceinline=True)

#: What is said of instants of which some have a time zone, and others haven't.
MIXED_DIFFERENCE = "can't subtract offset-naive and offset-aware datetimes"
MIXED_ORDER = "can't compare offset-naive and offset-aware datetimes"


# -- made ---------------------------------------------------------------------------------------------------


@_inlined
def within_years(microseconds):
    """Return an instant's microseconds, if Python has it."""
    return ticks(checked_instant(microseconds))


@cache
def from_utc(place):
    """Return a function that makes an instant of what it is in UTC."""
    kind, shown = ClockType(place), clock_at(place)

    @_inlined
    def make(utc):
        wall, fold = shown(utc)
        return make_clock(kind, within_years(wall), utc, fold, 1)

    return make


@cache
def from_wall(place):
    """Return a function that makes an instant of what the clock shows, and its fold."""
    kind = ClockType(place)
    if place == NONE:
        return _inlined(lambda wall, fold: make_clock(kind, wall, wall, fold, 0))
    utc_of = instant_showing(place)
    return _inlined(lambda wall, fold: make_clock(kind, wall, utc_of(wall, fold), fold, 1))


_OWN, _SOME = ClockType(OWN), ClockType(SOME)


@_inlined
def with_offset(wall, fold, offset):
    """Return an instant with an offset of its own."""
    return make_clock(_OWN, wall, wall - offset, fold, 1)


@_inlined
def with_some_offset(wall, offset, aware):
    """Return an instant that has an offset, or hasn't."""
    return make_clock(_SOME, wall, wall - offset, 0, aware)


def placed(wall, fold, zone):
    """Return what a clock shows as an instant of a `tzinfo`, or of none."""
    raise TypeError(wall, fold, zone)


@overload(placed, jit_options={"forceinline": True})
def _placed(wall, fold, zone):
    if isinstance(zone, OffsetZoneType):
        return lambda wall, fold, zone: with_offset(wall, fold, offset_of_zone(zone))
    if zone is None or isinstance(zone, types.NoneType | types.Omitted | ZoneType):
        make = from_wall(getattr(zone, "place", NONE))
        return lambda wall, fold, zone: make(wall, fold)
    msg = f'a time zone is one that is known by its name, as `zoneinfo.ZoneInfo("Europe/Berlin")`, got {zone}'
    raise TypingError(msg)


@cache
def moved(place):
    """Return a function that makes an instant, at the place of another one, of what its clock shows."""
    if place == NONE:
        return _inlined(lambda clock, wall, fold: as_instant(wall))
    if place in (OWN, SOME):
        kind = ClockType(place)
        return _inlined(
            lambda clock, wall, fold: make_clock(
                kind, wall, wall - (clock._wall - clock._utc), fold, clock._aware
            )
        )
    make = from_wall(place)
    return _inlined(lambda clock, wall, fold: make(wall, fold))


# -- sums and differences -----------------------------------------------------------------------------------


def _place(kind):
    """Return the place of a type of instants; None for other types."""
    if isinstance(kind, ClockType):
        return kind.place
    return NONE if isinstance(kind, DatetimeType) else None


def _sum(left, right):
    if isinstance(right, ClockType) and isinstance(left, TimedeltaType):
        make = moved(right.place)
        return lambda a, b: make(b, within_years(ticks(b) + ticks(a)), 0)
    if isinstance(left, ClockType) and isinstance(right, TimedeltaType):
        make = moved(left.place)
        return lambda a, b: make(a, within_years(ticks(a) + ticks(b)), 0)
    return None


def _difference(left, right):
    if isinstance(left, ClockType) and isinstance(right, TimedeltaType):
        make = moved(left.place)
        return lambda a, b: make(a, within_years(ticks(a) - ticks(b)), 0)
    measure = _common_measure(left, right)
    if measure is None:
        return None
    if measure is _mixed:
        raise _unlike(left, right, "subtracted from each other")
    return lambda a, b: as_span(measure(a, b, MIXED_DIFFERENCE))


def _unlike(left, right, what):
    places = [_place(one) for one in (left, right)]
    zone = next(shown_place(place) for place in places if place != NONE)
    return TypingError(
        f"a datetime without time zone and one of {zone} can't be {what}: give the first one with "
        "`.replace(tzinfo=…)`, or take that of the second off with `.replace(tzinfo=None)`"
    )


# -- what is between two instants ---------------------------------------------------------------------------


@_inlined
def _walls(a, b, message):
    return ticks(a) - ticks(b)


@_inlined
def _instants(a, b, message):
    return a._utc - b._utc


@_inlined
def _some_instants(a, b, message):
    if a._aware != b._aware:
        raise TypeError(message)
    return a._utc - b._utc


@_inlined
def _of_naive_left(a, b, message):
    if b._aware:
        raise TypeError(message)
    return ticks(a) - ticks(b)


@_inlined
def _of_naive_right(a, b, message):
    if a._aware:
        raise TypeError(message)
    return ticks(a) - ticks(b)


def _mixed(a, b, message):
    """Stand for what is between an instant with a time zone and one without."""
    raise TypeError(a, b, message)


def _common_measure(left, right):
    """Return what measures the distance of two instants, in microseconds; None if one isn't an instant."""
    mine, its = _place(left), _place(right)
    if mine is None or its is None or not (isinstance(left, ClockType) or isinstance(right, ClockType)):
        return None
    if mine == its == NONE:
        return _walls
    if isinstance(mine, Region) and mine is its:
        return _walls
    if SOME not in (mine, its):
        return _mixed if NONE in (mine, its) else _instants
    if isinstance(left, DatetimeType):
        return _of_naive_left
    if isinstance(right, DatetimeType):
        return _of_naive_right
    return _some_instants


def _order(function):
    def choose(left, right):
        measure = _common_measure(left, right)
        if measure is None:
            return None
        if measure is _mixed:
            raise _unlike(left, right, "compared")
        return lambda a, b: function(measure(a, b, MIXED_ORDER), 0)

    return choose


def _equality(equal):
    def choose(left, right):
        measure = _common_measure(left, right)
        if measure is None:
            return None
        if measure is _mixed:
            return (lambda a, b: False) if equal else (lambda a, b: True)
        if measure is _walls:
            return (lambda a, b: ticks(a) == ticks(b)) if equal else (lambda a, b: ticks(a) != ticks(b))
        alike, first, second = _alike(left, right), _is_settled(left), _is_settled(right)

        def same(a, b):
            return (alike(a, b) and first(a) and second(b)) == equal

        return same

    return choose


def _alike(left, right):
    """Return what says whether two instants, of which some may have no time zone, are the same."""
    if isinstance(left, DatetimeType):
        return _inlined(lambda a, b: b._aware == 0 and ticks(a) == ticks(b))
    if isinstance(right, DatetimeType):
        return _inlined(lambda a, b: a._aware == 0 and ticks(a) == ticks(b))
    return _inlined(lambda a, b: a._aware == b._aware and a._utc == b._utc)


def _is_settled(kind):
    """Return what says whether the fold doesn't matter; if it does, Python finds no equal in other zones."""
    place = _place(kind)
    if not isinstance(place, Region):
        return _inlined(lambda value: True)
    utc_of = instant_showing(place)
    return _inlined(lambda value: utc_of(value._wall, 0) == utc_of(value._wall, 1))


for _function, _choose in (
    (operator.add, _sum),
    (operator.iadd, _sum),
    (operator.sub, _difference),
    (operator.isub, _difference),
    (operator.lt, _order(operator.lt)),
    (operator.le, _order(operator.le)),
    (operator.gt, _order(operator.gt)),
    (operator.ge, _order(operator.ge)),
    (operator.eq, _equality(equal=True)),
    (operator.ne, _equality(equal=False)),
):
    binary(_function, _choose)
