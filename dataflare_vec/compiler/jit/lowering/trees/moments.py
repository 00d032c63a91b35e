"""Parts of dates and times, and spans in whole units.

Years, months and days by Howard Hinnant's algorithm ("chrono-Compatible Low-Level Date Algorithms", 2014):
the year begins in March, so that the odd day is its last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from llvmlite import ir

from dataflare_vec.compiler.jit.lowering.trees.emitter import Maybe, llvm_type, operation

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.lowering.trees.emitter import Emitter
    from dataflare_vec.definition.trees.nodes import Node

_I64 = ir.IntType(64)

#: Days before and after 1970 that Polars' calendar has: some 270 years less on either side than chrono's.
_MOST_DAYS = 95_000_000


def floor_div(emit: Emitter, value: ir.Value, divisor: int) -> ir.Value:
    """Divide an integer by a constant, towards negative infinity."""
    builder, ty = emit.builder, value.type
    quotient = builder.sdiv(value, ty(divisor))
    rest = builder.sub(value, builder.mul(quotient, ty(divisor)))
    return builder.add(quotient, builder.ashr(rest, ty(ty.width - 1)))  # -1 where it is negative


def rest_of(emit: Emitter, value: ir.Value, divisor: int) -> ir.Value:
    """Return what that leaves, from 0 to below the constant."""
    builder, ty = emit.builder, value.type
    rest = builder.srem(value, ty(divisor))
    return builder.add(rest, builder.and_(builder.ashr(rest, ty(ty.width - 1)), ty(divisor)))


class _Calendar(NamedTuple):
    year: ir.Value
    month: ir.Value
    day: ir.Value
    day_of_year: ir.Value


def _calendar(emit: Emitter, days: ir.Value) -> _Calendar:
    """Return what days since 1970 are in the calendar."""
    builder = emit.builder

    def times(value: ir.Value, factor: int) -> ir.Value:
        return builder.mul(value, _I64(factor))

    def divided(value: ir.Value, divisor: int) -> ir.Value:
        return builder.udiv(value, _I64(divisor))

    shifted = builder.add(days, _I64(719_468))  # since the first of March of the year 0
    era = floor_div(emit, shifted, 146_097)
    of_era = builder.sub(shifted, times(era, 146_097))
    leaps = builder.sub(
        builder.add(divided(of_era, 1_460), divided(of_era, 146_096)), divided(of_era, 36_524)
    )
    year_of_era = divided(builder.sub(of_era, leaps), 365)
    before = builder.sub(
        builder.add(times(year_of_era, 365), divided(year_of_era, 4)), divided(year_of_era, 100)
    )
    since_march = builder.sub(of_era, before)
    month_since_march = divided(builder.add(times(since_march, 5), _I64(2)), 153)
    day = builder.sub(since_march, divided(builder.add(times(month_since_march, 153), _I64(2)), 5))
    is_early = builder.icmp_signed(">=", month_since_march, _I64(10))  # January or February
    month = builder.add(month_since_march, builder.select(is_early, _I64(-9), _I64(3)))
    year = builder.add(builder.add(year_of_era, times(era, 400)), builder.zext(is_early, _I64))
    fourth, hundredth = (
        builder.icmp_signed("==", rest_of(emit, year, divisor), _I64(0)) for divisor in (4, 100)
    )
    four_hundredth = builder.icmp_signed("==", rest_of(emit, year, 400), _I64(0))
    leap = builder.or_(builder.and_(fourth, builder.not_(hundredth)), four_hundredth)
    from_january = builder.add(since_march, builder.add(builder.zext(leap, _I64), _I64(60)))
    day_of_year = builder.select(is_early, builder.sub(since_march, _I64(305)), from_january)
    return _Calendar(year, month, builder.add(day, _I64(1)), day_of_year)


@operation("part")
def _part(emit: Emitter, node: Node) -> Maybe:
    """Return a part of an instant, of which so many ticks are a day."""
    builder = emit.builder
    part, ticks_a_day = node.options
    value, valid = emit(node.arguments[0])
    if value.type != _I64:
        value = builder.sext(value, _I64)
    most = _MOST_DAYS * ticks_a_day
    if most < 1 << 63:  # else there is no instant beyond the calendar
        beyond = builder.icmp_unsigned(">", builder.add(value, _I64(most)), _I64(2 * most))
        emit.failed.append(emit.both(valid, beyond))
    if part in _CLOCK:
        found = _of_clock(emit, value, part, ticks_a_day)
    else:
        days = value if ticks_a_day == 1 else floor_div(emit, value, ticks_a_day)
        found = _of_calendar(emit, days, part)
    ty = llvm_type(emit.kind(node))
    return Maybe(found if ty == _I64 else builder.trunc(found, ty), valid)


#: Units that a part of the time of day counts, in seconds or parts of one, and how many there are.
_CLOCK = {"hour": (3_600, 24), "minute": (60, 60), "second": (1, 60), "millisecond": (1e-3, 1_000),
          "microsecond": (1e-6, 1_000_000), "nanosecond": (1e-9, 1_000_000_000)}  # fmt: skip


def _of_clock(emit: Emitter, value: ir.Value, part: str, ticks_a_day: int) -> ir.Value:
    seconds, count = _CLOCK[part]
    ticks_a_second = ticks_a_day // 86_400
    if seconds >= 1:
        unit = int(seconds) * ticks_a_second
        within = rest_of(emit, value, unit * count)
        return emit.builder.udiv(within, _I64(unit)) if unit > 1 else within
    within = rest_of(emit, value, ticks_a_second)
    if ticks_a_second >= count:
        return emit.builder.udiv(within, _I64(ticks_a_second // count))
    return emit.builder.mul(within, _I64(count // ticks_a_second))


def _of_calendar(emit: Emitter, days: ir.Value, part: str) -> ir.Value:
    builder = emit.builder
    if part == "date":
        return days
    if part == "weekday":  # the first of January 1970 was a Thursday; Monday is 1
        return builder.add(rest_of(emit, builder.add(days, _I64(3)), 7), _I64(1))
    calendar = _calendar(emit, days)
    if part == "quarter":
        return builder.udiv(builder.add(calendar.month, _I64(2)), _I64(3))
    found: ir.Value = getattr(calendar, part)
    return found


@operation("scale")
def _scale(emit: Emitter, node: Node) -> Maybe:
    """Multiply ticks, or divide them; those of an instant down, and null where there is no room."""
    factor, divisor, of_instant = node.options
    value, valid = emit(node.arguments[0])
    ty = llvm_type(emit.kind(node))
    if value.type != ty:
        value = emit.builder.sext(value, ty)
    if factor > 1:
        if of_instant:
            most = emit.kind(node).range[1] // factor
            shifted = emit.builder.add(value, ty(most))
            valid = emit.both(valid, emit.builder.icmp_unsigned("<=", shifted, ty(2 * most)))
        return Maybe(emit.builder.mul(value, ty(factor)), valid)
    if of_instant:
        return Maybe(floor_div(emit, value, divisor), valid)
    return Maybe(emit.builder.sdiv(value, ty(divisor)), valid)
