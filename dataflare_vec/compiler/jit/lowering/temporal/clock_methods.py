"""Methods of instants with a time zone: where it is in UTC, the same in another zone, what it is called."""

from __future__ import annotations

import operator

from numba.core.errors import TypingError
from numba.extending import overload, overload_attribute, overload_method

from dataflare_vec.compiler.jit.lowering.ratios import millionth
from dataflare_vec.compiler.jit.lowering.temporal.attributes import time_tuple
from dataflare_vec.compiler.jit.lowering.temporal.civil import DAY, SECOND
from dataflare_vec.compiler.jit.lowering.temporal.clocks import from_utc, within_years
from dataflare_vec.compiler.jit.lowering.temporal.constructors import NO_ZONED_TIME
from dataflare_vec.compiler.jit.lowering.temporal.zones import dst_of
from dataflare_vec.compiler.jit.types.clocks import (
    NONE,
    OWN,
    SOME,
    ClockType,
    OffsetZoneType,
    ZoneType,
    make_clock,
    make_offset_zone,
    offset_of_zone,
    zone_of_clock,
)
from dataflare_vec.compiler.jit.types.temporal import DatetimeType, as_span
from dataflare_vec.definition.zones import Region

_INLINE = {"forceinline": True}

#: What fails of an instant that turns out to have no time zone.
NO_ZONE = (
    "the datetime has no time zone, and a kernel doesn't know the machine's: "
    "`.replace(tzinfo=…)` gives it one"
)


def _local(method):
    return TypingError(
        f"`{method}` of a datetime without time zone depends on the machine's, which a kernel doesn't know: "
        "write `.replace(tzinfo=datetime.timezone.utc)` before it, or another zone"
    )


@overload_attribute(ClockType, "tzinfo", jit_options=_INLINE)
def _tzinfo(value):
    place = value.place
    if place == NONE:
        return lambda value: None
    if place == OWN:
        return lambda value: make_offset_zone(value._wall - value._utc)
    if place == SOME:

        def maybe(value):
            if value._aware == 0:
                return None
            return make_offset_zone(value._wall - value._utc)

        return maybe
    return lambda value: zone_of_clock(value)


@overload(bool)
def _is_true(zone):
    return (lambda zone: True) if isinstance(zone, ZoneType) else None


@overload(operator.not_)
def _is_false(zone):
    return (lambda zone: False) if isinstance(zone, ZoneType) else None


@overload_method(ClockType, "timetz", jit_options=_INLINE)
def _timetz(value):
    if value.place == NONE:
        return lambda value: value.time()
    raise TypingError(NO_ZONED_TIME)


@overload_method(DatetimeType, "timetz", jit_options=_INLINE)
def _timetz_of_naive(value):
    return lambda value: value.time()


@overload_method(ClockType, "utcoffset", jit_options=_INLINE)
def _utcoffset(value):
    if value.place == NONE:
        return lambda value: None
    if value.place != SOME:
        return lambda value: as_span(value._wall - value._utc)

    def maybe(value):
        if value._aware == 0:
            return None
        return as_span(value._wall - value._utc)

    return maybe


@overload_method(ClockType, "dst", jit_options=_INLINE)
def _dst(value):
    if isinstance(value.place, Region):
        return lambda value: as_span(dst_of(value))
    if value.place in (OWN, SOME):
        msg = '`dst()` is known of zones with a name only, as `zoneinfo.ZoneInfo("Europe/Berlin")`'
        raise TypingError(msg)
    return lambda value: None


@overload_method(ClockType, "timestamp", jit_options=_INLINE)
def _timestamp(value):
    if value.place == NONE:
        raise _local("timestamp()")
    if value.place != SOME:
        return lambda value: millionth(value._utc)

    def timestamp(value):
        if value._aware == 0:
            raise ValueError(NO_ZONE)
        return millionth(value._utc)

    return timestamp


@overload_method(DatetimeType, "timestamp", jit_options=_INLINE)
def _timestamp_of_naive(value):
    raise _local("timestamp()")


@overload_method(DatetimeType, "astimezone", jit_options=_INLINE)
def _astimezone_of_naive(value, tz=None):
    raise _local("astimezone(…)")


@overload_method(ClockType, "astimezone", jit_options=_INLINE)
def _astimezone(value, tz=None):
    if not isinstance(tz, ZoneType):
        msg = (
            "`astimezone` takes a zone in a kernel, which doesn't know the machine's: "
            "`astimezone(datetime.timezone.utc)`"
        )
        raise TypingError(msg)
    if value.place == NONE:
        raise _local("astimezone(…)")
    if isinstance(tz, OffsetZoneType):
        own = ClockType(OWN)

        def to_offset(value, tz=None):
            offset, utc = offset_of_zone(tz), _utc_of(value)
            return make_clock(own, within_years(utc + offset), utc, 0, 1)

        return to_offset
    if isinstance(tz.place, Region) and tz.place is value.place:
        return lambda value, tz=None: value
    make = from_utc(tz.place)
    return lambda value, tz=None: make(_utc_of(value))


def _utc_of(value):
    raise TypeError(value)


@overload(_utc_of, jit_options=_INLINE)
def _utc(value):
    """Return an instant in UTC, if Python has it there."""
    if value.place != SOME:
        return lambda value: within_years(value._utc)

    def utc(value):
        if value._aware == 0:
            raise ValueError(NO_ZONE)
        return within_years(value._utc)

    return utc


@overload_method(ClockType, "timetuple", jit_options=_INLINE)
def _timetuple(value):
    if isinstance(value.place, Region):

        def with_dst(value):
            is_dst = 1 if dst_of(value) != 0 else 0
            return time_tuple(value._wall // DAY, value._wall % DAY // SECOND, is_dst)

        return with_dst
    return lambda value: time_tuple(value._wall // DAY, value._wall % DAY // SECOND, -1)


@overload_method(ClockType, "utctimetuple", jit_options=_INLINE)
def _utctimetuple(value):
    def in_utc(value):
        utc = within_years(value._utc)
        return time_tuple(utc // DAY, utc % DAY // SECOND, 0)

    return in_utc
