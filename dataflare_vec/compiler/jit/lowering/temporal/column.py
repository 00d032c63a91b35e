"""Date, Datetime, Duration and Time columns of parameters and results that are `datetime`'s, not integers."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import polars as pl
from llvmlite import ir
from numba.core import types

from dataflare_vec.arrow.layouts import FixedWidth, Layout
from dataflare_vec.compiler.jit.abi.elements import CheckedElement, register
from dataflare_vec.compiler.jit.lowering.temporal.civil import DAY, FIRST_DAY, LAST_DAY
from dataflare_vec.compiler.jit.lowering.temporal.zones import shown_at
from dataflare_vec.compiler.jit.types.clocks import NONE, SOME, ClockType, clock_value
from dataflare_vec.compiler.jit.types.temporal import BY_CLASS, TemporalType, date, instant, span, time_of_day
from dataflare_vec.definition.python_values import MOST_MICROSECONDS as MOST
from dataflare_vec.definition.zones import UTC, Region, UnknownZoneError, Zone, zone_named
from dataflare_vec.exceptions import ColumnTypeError, KernelResultError

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.abi.buffers import Buffers
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I64 = ir.IntType(64)
# Units of a column by what of it makes a microsecond: nanoseconds are divided, milliseconds multiplied.
_NANOSECONDS, _MICROSECONDS, _MILLISECONDS = "ns", "us", "ms"


class TemporalColumn(types.Type):  # type: ignore[misc]
    """A column of dates, instants, spans or times of day, in a unit (``""`` for days)."""

    def __init__(self, value: TemporalType, unit: str) -> None:
        self.value = value
        self.unit = unit
        super().__init__(name=f"column of {value} in {unit or 'days'}")

    @property
    def bitwidth(self) -> int:
        """Bits of a value."""
        return 64 if self.unit else 32

    @property
    def limits(self) -> tuple[int, int] | None:
        """The first and the last value that Python's class has; None if it has all.

        A span also ends where 64 bits of microseconds do, the lowest of which has no counterpart above zero.
        """
        if self.value is date:
            return FIRST_DAY, LAST_DAY
        if self.value is time_of_day:
            return 0, DAY * 1000 - 1
        if self.unit == _NANOSECONDS:
            return None
        divisor = 1000 if self.unit == _MILLISECONDS else 1
        if self.value.python is datetime.datetime:
            return FIRST_DAY * DAY // divisor, ((LAST_DAY + 1) * DAY - 1) // divisor
        return -(MOST // divisor), MOST // divisor


def temporal_column(dtype: Any, expects: type | None) -> TemporalColumn:
    """Return the type of a column for a parameter annotated with one of `datetime`'s classes.

    Raises
    ------
    ColumnTypeError
        If the column is of another kind, or has a time zone that Python doesn't know: what is expected, and
        why it isn't so.
    """
    value = BY_CLASS[expects]
    kinds = {date: pl.Date, instant: pl.Datetime, span: pl.Duration, time_of_day: pl.Time}
    if dtype.base_type() is not kinds[value]:
        expected = kinds[value].__name__
        msg = f"it is annotated `{value}`"
        raise ColumnTypeError(msg, expected=expected)
    if (key := getattr(dtype, "time_zone", None)) is not None:
        value = ClockType(_zone(key))
    return TemporalColumn(value, _unit(dtype))


def _zone(key: str) -> Zone:
    try:
        return zone_named(key)
    except UnknownZoneError as error:
        msg = f'{error}; or bind it with `.dt.convert_time_zone("UTC")`'
        raise ColumnTypeError(msg, expected="a Datetime in a time zone that Python knows") from None


def _unit(dtype: Any) -> str:
    base = dtype.base_type()
    if base is pl.Date:
        return ""
    return "ns" if base is pl.Time else str(dtype.time_unit)


def result_column(value: TemporalType, declared: Any) -> tuple[TemporalColumn, Any] | None:
    """Return type and dtype of a column of results; None if it is declared as something else.

    Without a declaration an instant with an offset is stored in UTC, and one that may have one without it.

    Raises
    ------
    KernelResultError
        If instants without time zone are declared to have one, or the other way round.
    """
    usual = {
        datetime.date: pl.Date(),
        datetime.datetime: pl.Datetime("us", _usual_zone(value)),
        datetime.timedelta: pl.Duration("us"),
        datetime.time: pl.Time(),
    }
    dtype = usual[value.python] if declared is None else declared
    if dtype.base_type() is not usual[value.python].base_type():
        return None
    stored = BY_CLASS[value.python]
    zone = getattr(dtype, "time_zone", None)
    if value.python is datetime.datetime:
        _check_zone(value, zone)
    return TemporalColumn(stored if zone is None else ClockType(UTC), _unit(dtype)), dtype


def _usual_zone(value: TemporalType) -> str | None:
    if not isinstance(value, ClockType) or not value.is_aware:
        return None
    return value.place.key if isinstance(value.place, Region) else "UTC"


def _check_zone(value: TemporalType, zone: str | None) -> None:
    is_aware = isinstance(value, ClockType) and value.is_aware
    if is_aware and zone is None:
        msg = "it returns datetimes with a time zone, but a Datetime without one is declared"
        raise KernelResultError(msg, hint="declare one, or return `….replace(tzinfo=None)`")
    if zone is not None and not is_aware and getattr(value, "place", NONE) == NONE:
        msg = f"it returns datetimes without time zone, but a Datetime in {zone} is declared"
        raise KernelResultError(msg, hint="return `….replace(tzinfo=…)`, or declare one without")


class _Temporal(CheckedElement):
    def kernel_type(self, ty: TemporalColumn) -> types.Type:
        return ty.value

    def layout(self, ty: TemporalColumn) -> Layout:
        return FixedWidth(ty.bitwidth // 8)

    def argument_types(self, context: Context, ty: TemporalColumn) -> list[ir.Type]:
        pointer = ir.IntType(ty.bitwidth).as_pointer()
        return [pointer, _I64, ir.IntType(8).as_pointer(), _I64]

    def load_checked(
        self,
        context: Context,
        builder: Builder,
        ty: TemporalColumn,
        column: Buffers,
        row: ir.Value,
        there: ir.Value | None,
    ) -> tuple[ir.Value, ir.Value | None]:
        raw = builder.load(builder.gep(column.values, [row]), align=1)
        fits = None
        if (limits := ty.limits) is not None:
            first, last = limits
            above = builder.sub(raw, raw.type(first))
            fits = builder.icmp_unsigned("<=", above, raw.type(last - first))
            if there is not None:
                fits = builder.or_(fits, builder.not_(there))
        value = _in_microseconds(builder, raw, ty.unit)
        if isinstance(ty.value, ClockType):
            return self._clock(context, builder, ty, value, fits, there)
        return value, fits

    def _clock(
        self,
        context: Context,
        builder: Builder,
        ty: TemporalColumn,
        utc: ir.Value,
        fits: ir.Value | None,
        there: ir.Value | None,
    ) -> tuple[ir.Value, ir.Value]:
        """Return an instant with its zone, and whether the year that its clock shows is one of Python's."""
        wall, fold = shown_at(builder, ty.value.place, utc)
        within = _is_within(builder, wall)
        if there is not None:
            within = builder.or_(within, builder.not_(there))
        fits = within if fits is None else builder.and_(fits, within)
        return clock_value(context, builder, ty.value, [wall, utc, fold, _I64(1)]), fits

    def convert(
        self, context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: TemporalColumn
    ) -> tuple[ir.Value, ir.Value | None]:
        ticks, outside = _ticks(builder, value, ty), None
        if isinstance(given, ClockType):
            outside = _is_elsewhere(builder, value, given, ty)
        if not ty.unit:
            return builder.trunc(ticks, ir.IntType(32)), outside
        if ty.unit != _NANOSECONDS:
            return _floor_thousandth(builder, ticks) if ty.unit == _MILLISECONDS else ticks, outside
        if ty.value is not time_of_day:
            most = _I64((1 << 63) // 1000)
            long = builder.icmp_unsigned(">", builder.add(ticks, most), _I64(2 * most.constant))
            outside = long if outside is None else builder.or_(outside, long)
        return builder.mul(ticks, _I64(1000)), outside

    def zero(self, context: Context, ty: TemporalColumn) -> ir.Value:
        return ir.IntType(ty.bitwidth)(0)


def _in_microseconds(builder: Builder, raw: ir.Value, unit: str) -> ir.Value:
    """Return the value of a column in what the kernel computes with: microseconds, or days."""
    if not unit:
        return builder.sext(raw, _I64)
    if unit == _NANOSECONDS:
        return _floor_thousandth(builder, raw)
    return builder.mul(raw, _I64(1000)) if unit == _MILLISECONDS else raw


def _ticks(builder: Builder, value: ir.Value, ty: TemporalColumn) -> ir.Value:
    """Return what a column has of a result: of a clock what it shows, or the instant in UTC."""
    if not isinstance(value.type, ir.BaseStructType):
        return value
    return builder.extract_value(value, _UTC_MEMBER if isinstance(ty.value, ClockType) else 0)


_UTC_MEMBER, _AWARE_MEMBER = 1, 3


def _is_elsewhere(builder: Builder, value: ir.Value, given: ClockType, ty: TemporalColumn) -> ir.Value | None:
    """Whether a column has no place for an instant: for its offset, for none, or for its year in UTC."""
    aware = builder.icmp_signed("!=", builder.extract_value(value, _AWARE_MEMBER), _I64(0))
    if not isinstance(ty.value, ClockType):
        return aware if given.place == SOME else None
    outside = builder.not_(_is_within(builder, builder.extract_value(value, _UTC_MEMBER)))
    return builder.or_(outside, builder.not_(aware)) if given.place == SOME else outside


def _is_within(builder: Builder, microseconds: ir.Value) -> ir.Value:
    """Whether an instant is one of Python's."""
    first, days = FIRST_DAY * DAY, LAST_DAY + 1 - FIRST_DAY
    above = builder.sub(microseconds, _I64(first))
    return builder.icmp_unsigned("<", above, _I64(days * DAY))


def _floor_thousandth(builder: Builder, value: ir.Value) -> ir.Value:
    quotient = builder.sdiv(value, _I64(1000))
    rest = builder.sub(value, builder.mul(quotient, _I64(1000)))
    below = builder.icmp_signed("<", rest, _I64(0))
    return builder.sub(quotient, builder.zext(below, _I64))


register(TemporalColumn, _Temporal())
