"""Numba types of instants that are more than what a clock shows: with a time zone, or Python's ``fold``.

A value is what the clock shows and what the instant is in UTC, both in microseconds since 1970, and 1 for the
second of two times at which the clock shows the same. What of these isn't used is never computed.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.errors import TypingError
from numba.core.imputils import lower_constant
from numba.core.typeconv import Conversion
from numba.core.typing.typeof import typeof_impl
from numba.extending import intrinsic, lower_cast, make_attribute_wrapper, register_model

from dataflare_vec.compiler.jit.types.temporal import (
    DatetimeType,
    TemporalType,
    TimeType,
    instant,
    time_of_day,
)
from dataflare_vec.definition.python_values import clock_parts, ticks_of
from dataflare_vec.definition.zones import FixedZone, UnknownZoneError, Zone, zone_of

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

#: Places that are no zone: no place at all, an offset of its own for each value, and one for some of them.
NONE, OWN, SOME = "no zone", "an offset", "maybe an offset"

Place = Zone | str


def shown_place(place: Place) -> str:
    """Return a place as it is called in messages."""
    return place if isinstance(place, str) else getattr(place, "key", None) or place.label  # type: ignore[union-attr]


def _identity(place: Place) -> str:
    return place if isinstance(place, str) else place.identity


class ClockType(TemporalType):
    """An instant with its place and its fold."""

    def __init__(self, place: Place) -> None:
        self.place = place
        super().__init__(datetime.datetime, name=f"datetime.datetime[{shown_place(place)}]")

    @property
    def key(self) -> Any:
        """What tells it from others, and from another edition of its zone."""
        return f"{self.name} {_identity(self.place)}"

    @property
    def mangling_args(self) -> tuple[str, tuple[()]]:
        """What is part of the symbols of functions that take it."""
        return self.key, ()

    @property
    def is_aware(self) -> bool:
        """Whether each value knows where it is in UTC."""
        return self.place not in (NONE, SOME)

    def can_convert_to(self, typing_context: TypingContext, other: types.Type) -> Conversion | None:
        """Return how to a type that holds its values too."""
        fits = isinstance(other, ClockType) and other.place in _wider(self.place)
        return Conversion.promote if fits else None

    def unify(self, typing_context: TypingContext, other: types.Type) -> types.Type | None:
        """Return the type that holds values of both."""
        if isinstance(other, DatetimeType):
            other = ClockType(NONE)
        if not isinstance(other, ClockType):
            return None
        if self == other:
            return self
        mine, its = (
            {_identity(place): place for place in (one.place, *_wider(one.place))} for one in (self, other)
        )
        common = [place for name, place in mine.items() if name in its]
        return ClockType(common[0]) if common else None


def _wider(place: Place) -> tuple[Place, ...]:
    """Return the places that values of one may have, too, the next first.

    An offset says all of a zone whose clock is never changed, unless that has a name of its own.
    """
    if place == NONE:
        return (SOME,)
    if place == OWN:
        return (SOME,)
    if isinstance(place, FixedZone) and place.label == usual_label(place.offset):
        return OWN, SOME
    return ()


def usual_label(offset: int) -> str:
    """Return what Python calls an offset by itself."""
    return datetime.timezone(datetime.timedelta(microseconds=offset)).tzname(None)


@register_model(ClockType)
class _ClockModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        members = [("wall", types.int64), ("utc", types.int64), ("fold", types.int64), ("aware", types.int64)]
        super().__init__(dmm, fe_type, members)


for _member in ("wall", "utc", "fold", "aware"):
    make_attribute_wrapper(ClockType, _member, f"_{_member}")


class FoldedTimeType(TemporalType):
    """A time of day with its fold."""

    def __init__(self) -> None:
        super().__init__(datetime.time, name="datetime.time[fold]")


folded_time = FoldedTimeType()


@register_model(FoldedTimeType)
class _FoldedModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, [("wall", types.int64), ("fold", types.int64)])


for _member in ("wall", "fold"):
    make_attribute_wrapper(FoldedTimeType, _member, f"_{_member}")


class ZoneType(types.Type):  # type: ignore[misc]
    """A `tzinfo`: a zone is known by its type; an offset of its own is a number of microseconds."""

    def __init__(self, place: Place) -> None:
        self.place = place
        super().__init__(name=f"datetime.tzinfo[{shown_place(place)}]")

    @property
    def key(self) -> Any:
        """What tells it from others, and from another edition of itself."""
        return f"{self.name} {_identity(self.place)}"

    @property
    def mangling_args(self) -> tuple[str, tuple[()]]:
        """What is part of the symbols of functions that take it."""
        return self.key, ()


class OffsetZoneType(ZoneType):
    """The `tzinfo` of an instant that was read with its offset."""

    def __init__(self) -> None:
        super().__init__(OWN)


register_default(ZoneType)(models.OpaqueModel)


@register_model(OffsetZoneType)
class _OffsetModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, dmm.lookup(types.int64).get_value_type())


# -- values -------------------------------------------------------------------------------------------------


def clock_value(context: Context, builder: Builder, kind: types.Type, parts: Values) -> Any:
    """Return a value of its parts, in the order of its members."""
    value: Any = ir.Constant(context.get_value_type(kind), ir.Undefined)
    for i, part in enumerate(parts):
        value = builder.insert_value(value, part, i)
    return value


@intrinsic
def make_clock(typing_context: TypingContext, kind: Any, wall: Any, utc: Any, fold: Any, aware: Any) -> Any:
    """Return an instant of type ``kind``."""
    wanted = kind.instance_type

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return clock_value(context, builder, wanted, arguments[1:])

    return wanted(kind, *[types.int64] * 4), generate


@intrinsic
def make_folded_time(typing_context: TypingContext, wall: Any, fold: Any) -> Any:
    """Return a time of day with its fold."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return clock_value(context, builder, folded_time, arguments)

    return folded_time(types.int64, types.int64), generate


@intrinsic
def zone_of_clock(typing_context: TypingContext, clock: Any) -> Any:
    """Return the `tzinfo` of an instant that has a zone."""
    return ZoneType(clock.place)(clock), lambda context, *_: context.get_dummy_value()


@intrinsic
def make_offset_zone(typing_context: TypingContext, offset: Any) -> Any:
    """Return the `tzinfo` of an offset."""
    return OffsetZoneType()(types.int64), lambda context, builder, signature, arguments: arguments[0]


@intrinsic
def offset_of_zone(typing_context: TypingContext, zone: Any) -> Any:
    """Return the offset of such a `tzinfo`."""
    return types.int64(zone), lambda context, builder, signature, arguments: arguments[0]


@lower_cast(DatetimeType, ClockType)
def _with_fold(context: Context, builder: Builder, given: Any, wanted: Any, value: ir.Value) -> Any:
    zero = value.type(0)
    return clock_value(context, builder, wanted, [value, value, zero, zero])


@lower_cast(ClockType, ClockType)
def _wider_clock(context: Context, builder: Builder, given: Any, wanted: Any, value: ir.Value) -> Any:
    clock = cgutils.create_struct_proxy(given)(context, builder, value=value)
    return clock_value(context, builder, wanted, [clock.wall, clock.utc, clock.fold, clock.aware])


@lower_cast(TimeType, FoldedTimeType)
def _time_with_fold(context: Context, builder: Builder, given: Any, wanted: Any, value: ir.Value) -> Any:
    return clock_value(context, builder, wanted, [value, value.type(0)])


# -- constants ----------------------------------------------------------------------------------------------


@typeof_impl.register(datetime.datetime)
@typeof_impl.register(datetime.time)
def type_of_moment(value: Any, context: Any = None) -> TemporalType | None:
    """Return the type of an instant or a time of day of Python's; None for a time with a zone."""
    if isinstance(value, datetime.time):
        if value.tzinfo is not None:
            return None
        return folded_time if value.fold else time_of_day
    if value.tzinfo is None:
        return ClockType(NONE) if value.fold else instant
    return ClockType(_zone_of(value.tzinfo))


@typeof_impl.register(datetime.tzinfo)
def type_of_zone(value: Any, context: Any = None) -> ZoneType:
    """Return the type of a time zone of Python's."""
    return ZoneType(_zone_of(value))


def _zone_of(tzinfo: datetime.tzinfo) -> Zone:
    try:
        return zone_of(tzinfo)
    except UnknownZoneError as error:
        raise TypingError(str(error)) from None


@lower_constant(DatetimeType)
@lower_constant(TimeType)
def _lower_ticks(context: Context, builder: Builder, kind: Any, value: Any) -> Any:
    return context.get_constant(types.int64, ticks_of(value))


@lower_constant(ClockType)
def _lower_clock(context: Context, builder: Builder, kind: Any, value: Any) -> Any:
    parts = [context.get_constant(types.int64, part) for part in clock_parts(value)]
    return clock_value(context, builder, kind, parts)


@lower_constant(FoldedTimeType)
def _lower_time(context: Context, builder: Builder, kind: Any, value: Any) -> Any:
    parts = [context.get_constant(types.int64, part) for part in (ticks_of(value), value.fold)]
    return clock_value(context, builder, kind, parts)


@lower_constant(ZoneType)
def _lower_zone(context: Context, builder: Builder, kind: Any, value: Any) -> Any:
    return context.get_dummy_value()
