"""Date, Datetime, Duration and Time columns of parameters and results that are `datetime`'s, not integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from llvmlite import ir
from numba.core import types

from dataflare_vec.arrow.layouts import FixedWidth, Layout
from dataflare_vec.compiler.jit.abi.elements import CheckedElement, register
from dataflare_vec.compiler.jit.lowering.temporal.civil import DAY, FIRST_DAY, LAST_DAY
from dataflare_vec.compiler.jit.types.temporal import BY_CLASS, TemporalType, date, instant, span, time_of_day
from dataflare_vec.definition.python_values import MOST_MICROSECONDS as MOST
from dataflare_vec.exceptions import ColumnTypeError

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
        if self.value is instant:
            return FIRST_DAY * DAY // divisor, ((LAST_DAY + 1) * DAY - 1) // divisor
        return -(MOST // divisor), MOST // divisor


def temporal_column(dtype: Any, expects: type | None) -> TemporalColumn:
    """Return the type of a column for a parameter annotated with one of `datetime`'s classes.

    Raises
    ------
    ColumnTypeError
        If the column is of another kind, or has a time zone whose clock a kernel can't read: what is
        expected, and why it isn't so.
    """
    value = BY_CLASS[expects]
    kinds = {date: pl.Date, instant: pl.Datetime, span: pl.Duration, time_of_day: pl.Time}
    if dtype.base_type() is not kinds[value]:
        expected = kinds[value].__name__
        msg = f"it is annotated `{value}`"
        raise ColumnTypeError(msg, expected=expected)
    zone = getattr(dtype, "time_zone", None)
    if zone not in (None, "UTC"):
        msg = (
            f"a kernel doesn't know the clock of {zone}: give it the local one with "
            '`.dt.replace_time_zone(None)`, or `.dt.convert_time_zone("UTC")`'
        )
        expected = "a Datetime without time zone or in UTC"
        raise ColumnTypeError(msg, expected=expected)
    return TemporalColumn(value, _unit(dtype))


def _unit(dtype: Any) -> str:
    base = dtype.base_type()
    if base is pl.Date:
        return ""
    return "ns" if base is pl.Time else str(dtype.time_unit)


def result_column(value: TemporalType, declared: Any) -> tuple[TemporalColumn, Any] | None:
    """Return type and dtype of a column of results; None if it is declared as something else."""
    usual = {date: pl.Date(), instant: pl.Datetime("us"), span: pl.Duration("us"), time_of_day: pl.Time()}
    dtype = usual[value] if declared is None else declared
    if dtype.base_type() is not usual[value].base_type():
        return None
    return TemporalColumn(value, _unit(dtype)), dtype


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
        if not ty.unit:
            return builder.sext(raw, _I64), fits
        if ty.unit == _NANOSECONDS:
            return _floor_thousandth(builder, raw), fits
        return builder.mul(raw, _I64(1000)) if ty.unit == _MILLISECONDS else raw, fits

    def convert(
        self, context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: TemporalColumn
    ) -> ir.Value:
        if not ty.unit:
            return builder.trunc(value, ir.IntType(32))
        if ty.unit == _NANOSECONDS:
            return builder.mul(value, _I64(1000))
        return _floor_thousandth(builder, value) if ty.unit == _MILLISECONDS else value

    def outside(
        self, context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: TemporalColumn
    ) -> ir.Value | None:
        if ty.unit != _NANOSECONDS or ty.value is time_of_day:
            return None
        most = _I64((1 << 63) // 1000)
        return builder.icmp_unsigned(">", builder.add(value, most), _I64(2 * most.constant))

    def zero(self, context: Context, ty: TemporalColumn) -> ir.Value:
        return ir.IntType(ty.bitwidth)(0)


def _floor_thousandth(builder: Builder, value: ir.Value) -> ir.Value:
    quotient = builder.sdiv(value, _I64(1000))
    rest = builder.sub(value, builder.mul(quotient, _I64(1000)))
    below = builder.icmp_signed("<", rest, _I64(0))
    return builder.sub(quotient, builder.zext(below, _I64))


register(TemporalColumn, _Temporal())
