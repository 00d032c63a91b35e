"""Rules for parts of dates and times, and for spans in whole units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.definition.trees.kinds import kind_of
from dataflare_vec.definition.trees.rules import made, rule
from dataflare_vec.definition.trees.values import constant, is_dynamic

if TYPE_CHECKING:
    from dataflare_vec.definition.trees.nodes import Node
    from dataflare_vec.definition.trees.reading import Read

#: Ticks of a second in each unit.
_TICKS = {"ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS_A_DAY = 86_400

_OF_CALENDAR = {
    "Year": "year", "Month": "month", "Day": "day", "WeekDay": "weekday", "OrdinalDay": "day_of_year",
    "Quarter": "quarter", "Date": "date",
}  # fmt: skip
_OF_CLOCK = {
    "Hour": "hour", "Minute": "minute", "Second": "second", "Millisecond": "millisecond",
    "Microsecond": "microsecond", "Nanosecond": "nanosecond",
}  # fmt: skip
_PARTS = {f"TemporalExpr.{name}": part for name, part in (_OF_CALENDAR | _OF_CLOCK).items()}


def ticks_a_day(dtype: Any) -> int | None:
    """Return how many ticks of an instant are a day; None for another dtype, or where a clock is put on."""
    base = dtype.base_type()
    if base is pl.Date:
        return 1
    if base is pl.Time:
        return _TICKS["ns"] * _SECONDS_A_DAY
    if base is pl.Datetime and dtype.time_zone in (None, "UTC"):
        return _TICKS[dtype.time_unit] * _SECONDS_A_DAY
    return None


@rule(*_PARTS)
def _part(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    (given,) = parts
    ticks = None if is_dynamic(given) else ticks_a_day(given.dtype)
    part = _PARTS[read.operation]
    of_clock = part in _OF_CLOCK.values()
    if ticks is None or kind_of(dtype) is None or (of_clock and ticks == 1):
        return None
    if not of_clock and given.dtype == pl.Time:
        return None
    return made("part", dtype, parts, part, ticks)


_UNITS = {"Milliseconds": "ms", "Microseconds": "us", "Nanoseconds": "ns"}


@rule(*(f"TemporalExpr.TimeStamp.{unit}" for unit in _UNITS))
def _timestamp(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    (given,) = parts
    if is_dynamic(given) or given.dtype.base_type() is not pl.Datetime or dtype != pl.Int64:
        return None
    wanted = _TICKS[_UNITS[read.operation.rpartition(".")[2]]]
    return _scaled(dtype, given, wanted, of_instant=True)


_TOTALS = {"TotalDays": 86_400, "TotalHours": 3_600, "TotalMinutes": 60, "TotalSeconds": 1}
_FINE_TOTALS = {f"Total{unit}": _TICKS[short] for unit, short in _UNITS.items()}


@rule(*(f"TemporalExpr.{name}" for name in (*_TOTALS, *_FINE_TOTALS)))
def _total(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    (given,) = parts
    name = read.operation.rpartition(".")[2]
    if is_dynamic(given) or given.dtype.base_type() is not pl.Duration or dtype != pl.Int64:
        return None
    if name in _FINE_TOTALS:
        return _scaled(dtype, given, _FINE_TOTALS[name], of_instant=False)
    divisor = _TICKS[given.dtype.time_unit] * _TOTALS[name]
    return made("scale", dtype, parts, 1, divisor, False)


def _scaled(dtype: Any, given: Node, wanted: int, *, of_instant: bool) -> Node | None:
    """Return ticks of an instant or a span in another unit."""
    own = _TICKS[given.dtype.time_unit]
    return made("scale", dtype, [given], max(wanted // own, 1), max(own // wanted, 1), of_instant)


#: Lengths of time that are the same whenever they begin; a week begins on Mondays.
_LENGTH = re.compile(r"-?(?:\d+(?:ns|us|ms|s|m|h|d|w))+")


@rule("TemporalExpr.Truncate")
def _truncate(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    moment, length = parts
    ticks = _length(dtype, moment, length)
    if ticks is None or ticks < 0 or "w" in length.options[0]:
        return None
    if ticks == 0:
        return moment
    return made("sub", dtype, [moment, made("int_mod", dtype, [moment, constant(ticks, dtype)])])


@rule("TemporalExpr.OffsetBy")
def _offset_by(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    moment, length = parts
    ticks = _length(dtype, moment, length)
    return None if ticks is None else made("add", dtype, [moment, constant(ticks, dtype)])


def _length(dtype: Any, moment: Node, length: Node) -> int | None:
    """Return how many ticks a length of time is, by Polars' reading of it; None if that isn't always so."""
    if is_dynamic(moment) or moment.dtype != dtype or dtype.base_type() is not pl.Datetime:
        return None
    if dtype.time_zone not in (None, "UTC") or length.operation != "given":
        return None
    text = length.options[0]
    if not isinstance(text, str) or not _LENGTH.fullmatch(text):
        return None
    begin = pl.lit(0, dtype=pl.Int64).cast(pl.Datetime(dtype.time_unit))
    try:
        found: int = pl.select(begin.dt.offset_by(text).to_physical()).item()
    except pl.exceptions.PolarsError:  # as of more days than there is room for
        return None
    return found
