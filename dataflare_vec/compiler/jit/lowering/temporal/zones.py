"""What the clock of a time zone shows, by tables in the machine code's constants.

Which of its states a zone is in is found without a loop: a table of stretches of time says how many changes
there were before each, and the few within one are looked at.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.temporal.civil import SECOND
from dataflare_vec.compiler.jit.types.clocks import ClockType, Place
from dataflare_vec.compiler.jit.types.strings import ascii_string, constant_view, utf8_string
from dataflare_vec.definition.zones import PERIOD, FixedZone, Region

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

_I32, _I64 = ir.IntType(32), ir.IntType(64)
#: Bits of the seconds of a stretch: 48 days.
_STRETCH = 22
_NEVER = 1 << 62


class _Table(NamedTuple):
    """How the changes of a zone are found."""

    moments: np.ndarray  # int64: seconds, and one that never comes
    offsets: np.ndarray  # int32: seconds before each moment and behind the last
    before: np.ndarray  # uint16: the moments before each stretch
    start: int  # of the first stretch
    within: int  # moments in a stretch, at most
    ahead: int  # the most that a clock is ahead of UTC
    around: int  # moments in a stretch and the hours behind it by which clocks differ, at most


@cache
def _table(zone: Region) -> _Table:
    moments = zone.moments or (_NEVER - 1,)
    start = moments[0] - 1
    count = ((moments[-1] - start) >> _STRETCH) + 2
    ends = [start + (number << _STRETCH) for number in range(count + 1)]
    before = [bisect_right(moments, end) for end in ends]
    ahead = max(0, *zone.offsets)
    wide = ahead - min(zone.offsets)
    within = max(b - a for a, b in pairwise(before))
    around = max(
        bisect_right(moments, end + wide) - count for count, end in zip(before, ends[1:], strict=False)
    )
    return _Table(
        np.array([*moments, _NEVER]),
        np.array([*zone.offsets, zone.offsets[-1]], np.int32),
        np.array(before[:-1], np.uint16),
        start,
        within,
        ahead,
        around,
    )


class _Lookup:
    """Writes how the states of a zone are found, as LLVM IR."""

    def __init__(self, builder: Builder, zone: Region) -> None:
        self.builder, self.zone = builder, zone
        self.table = _table(zone)

    def _item(self, name: str, values: np.ndarray, index: ir.Value) -> ir.Value:
        """Return an item of a table, as 64 bits."""
        builder, item = self.builder, ir.IntType(8 * values.dtype.itemsize)
        full = f".dfv.zone.{self.zone.identity}.{name}"
        known = builder.module.globals.get(full)
        if known is None:
            content = bytearray(values.tobytes())
            known = cgutils.global_constant(
                builder.module, full, ir.Constant(ir.ArrayType(ir.IntType(8), len(content)), content)
            )
            known.align = 8
        address = builder.gep(builder.bitcast(known, item.as_pointer()), [index])
        value = builder.load(address)
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        if item == _I64:
            return value
        return (builder.zext if values.dtype.kind == "u" else builder.sext)(value, _I64)

    def _in_table(self, moment: ir.Value, reference: ir.Value) -> ir.Value:
        """Return a moment moved by as many periods as bring another into the table."""
        if self.zone.repeats is None:
            return moment
        builder = self.builder
        gone = builder.sub(reference, _I64(self.zone.repeats))
        late = builder.icmp_signed(">", gone, _I64(0))
        periods = builder.udiv(builder.select(late, gone, _I64(0)), _I64(PERIOD))
        return builder.sub(moment, builder.mul(periods, _I64(PERIOD)))

    def _before(self, moment: ir.Value) -> ir.Value:
        """Return the number of changes before the stretch of a moment."""
        builder = self.builder
        stretch = builder.ashr(builder.sub(moment, _I64(self.table.start)), _I64(_STRETCH))
        last = _I64(len(self.table.before) - 1)
        stretch = builder.select(builder.icmp_signed(">", stretch, last), last, stretch)
        stretch = builder.select(builder.icmp_signed("<", stretch, _I64(0)), _I64(0), stretch)
        return self._item("before", self.table.before, stretch)

    def _count(self, number: ir.Value, passed: ir.Value) -> ir.Value:
        return self.builder.add(number, self.builder.zext(passed, _I64))

    def offset(self, state: ir.Value) -> ir.Value:
        """Return the seconds that the clock is ahead in a state."""
        return self._item("offsets", self.table.offsets, state)

    def at(self, moment: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Return the state at a moment, and whether the clock shows for the second time what it shows."""
        builder = self.builder
        if not self.zone.moments:
            return _I64(0), cgutils.false_bit
        moment = self._in_table(moment, moment)
        state = self._before(moment)
        for _ in range(self.table.within):
            change = self._item("moments", self.table.moments, state)
            state = self._count(state, builder.icmp_signed(">=", moment, change))
        has_changed = builder.icmp_signed(">", state, _I64(0))
        before = builder.sub(state, builder.zext(has_changed, _I64))
        since = builder.sub(moment, self._item("moments", self.table.moments, before))
        back = builder.sub(self.offset(before), self.offset(state))
        return state, builder.and_(has_changed, builder.icmp_signed(">", back, since))

    def showing(self, wall: ir.Value, fold: ir.Value) -> ir.Value:
        """Return the state in which the clock shows something, by Python's rules for times it never shows."""
        builder = self.builder
        if not self.zone.moments:
            return _I64(0)
        earliest = builder.sub(wall, _I64(self.table.ahead))
        wall, earliest = (self._in_table(one, earliest) for one in (wall, earliest))
        state = self._before(earliest)
        second = builder.icmp_signed("!=", fold, _I64(0))
        for _ in range(self.table.around):
            change = self._item("moments", self.table.moments, state)
            old, new = self.offset(state), self.offset(builder.add(state, _I64(1)))
            smaller = builder.select(builder.icmp_signed("<", old, new), old, new)
            larger = builder.select(builder.icmp_signed("<", old, new), new, old)
            shown = builder.add(change, builder.select(second, smaller, larger))
            state = self._count(state, builder.icmp_signed(">=", wall, shown))
        return state


def _seconds(builder: Builder, microseconds: ir.Value) -> ir.Value:
    """Return whole seconds, cut off downwards."""
    quotient = builder.sdiv(microseconds, _I64(SECOND))
    rest = builder.sub(microseconds, builder.mul(quotient, _I64(SECOND)))
    return builder.sub(quotient, builder.zext(builder.icmp_signed("<", rest, _I64(0)), _I64))


def _microseconds(builder: Builder, seconds: ir.Value) -> ir.Value:
    return builder.mul(seconds, _I64(SECOND))


def shown_at(builder: Builder, place: Any, utc: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return what the clock of a zone shows at an instant, and its fold."""
    if isinstance(place, FixedZone):
        return builder.add(utc, _I64(place.offset)), _I64(0)
    lookup = _Lookup(builder, place)
    state, fold = lookup.at(_seconds(builder, utc))
    return builder.add(utc, _microseconds(builder, lookup.offset(state))), builder.zext(fold, _I64)


def instant_of(builder: Builder, place: Any, wall: ir.Value, fold: ir.Value) -> ir.Value:
    """Return the instant at which the clock of a zone shows something."""
    if isinstance(place, FixedZone):
        return builder.sub(wall, _I64(place.offset))
    lookup = _Lookup(builder, place)
    state = lookup.showing(_seconds(builder, wall), fold)
    return builder.sub(wall, _microseconds(builder, lookup.offset(state)))


# -- for Numba code -----------------------------------------------------------------------------------------


@cache
def clock_at(place: Place) -> Any:
    """Return a function of Numba code: what a zone's clock shows at an instant, and its fold."""
    returned = types.UniTuple(types.int64, 2)

    @intrinsic
    def shown(typing_context: TypingContext, utc: Any) -> Any:
        def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
            return context.make_tuple(builder, returned, shown_at(builder, place, *arguments))

        return returned(types.int64), generate

    return shown


@cache
def instant_showing(place: Place) -> Any:
    """Return a function of Numba code: the instant at which a zone's clock shows something."""

    @intrinsic
    def utc_of(typing_context: TypingContext, wall: Any, fold: Any) -> Any:
        def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
            return instant_of(builder, place, *arguments)

        return types.int64(types.int64, types.int64), generate

    return utc_of


@intrinsic
def dst_of(typing_context: TypingContext, clock: Any) -> Any:
    """Return the microseconds of daylight saving time of an instant in a zone with a history."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        lookup, state = _state(context, builder, clock, arguments[0])
        return _microseconds(builder, lookup._item("dst", np.array(clock.place.dst, np.int32), state))

    return types.int64(clock), generate


def labels_of(place: Any) -> list[str]:
    """Return what a zone calls itself, now and then."""
    return list(dict.fromkeys(place.labels if isinstance(place, Region) else [place.label]))


@intrinsic
def label_of(typing_context: TypingContext, clock: Any) -> Any:
    """Return what the zone of an instant calls itself then."""
    place = clock.place
    labels = labels_of(place)
    kind = ascii_string if all(map(str.isascii, labels)) else utf8_string

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        views = [constant_view(context, builder, kind, label.encode()) for label in labels]
        if not isinstance(place, Region):
            return views[0]
        lookup, state = _state(context, builder, clock, arguments[0])
        numbers = np.array([labels.index(label) for label in place.labels], np.int32)
        number = lookup._item("labels", numbers, state)
        view = views[0]
        for i, other in enumerate(views[1:], start=1):
            view = builder.select(builder.icmp_signed("==", number, _I64(i)), other, view)
        return view

    return kind(clock), generate


def _state(context: Context, builder: Builder, kind: ClockType, value: ir.Value) -> tuple[_Lookup, ir.Value]:
    """Return the state of a zone with a history in which its clock shows what an instant does."""
    clock = cgutils.create_struct_proxy(kind)(context, builder, value=value)
    lookup = _Lookup(builder, cast("Region", kind.place))
    return lookup, lookup.showing(_seconds(builder, clock.wall), clock.fold)
