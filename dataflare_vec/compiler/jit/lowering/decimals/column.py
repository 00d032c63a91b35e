"""Decimal and Int128 columns of parameters and results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from llvmlite import ir
from numba.core import types

from dataflare_vec.arrow.layouts import FixedWidth, Layout
from dataflare_vec.compiler.jit.abi.elements import Element, register
from dataflare_vec.compiler.jit.types.wide_integers import (
    I128,
    PRECISION,
    DecimalType,
    WideIntType,
    outside,
    widened,
)
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I64 = ir.IntType(64)


class DecimalColumn(types.Type):  # type: ignore[misc]
    """A column of results with ``precision`` digits, ``scale`` of them behind the point."""

    def __init__(self, precision: int, scale: int) -> None:
        self.precision = precision
        self.scale = scale
        super().__init__(name=f"decimals({precision}, {scale})")


class WideIntColumn(types.Type):  # type: ignore[misc]
    """A column of results that are integers of 128 bits."""

    def __init__(self) -> None:
        super().__init__(name="int128s")


def decimal_result(value: DecimalType, declared: Any) -> tuple[types.Type, Any]:
    """Return type and dtype of a column of results.

    Raises
    ------
    KernelResultError
        If it is declared as something that doesn't hold them; the message says why.
    """
    if isinstance(value, WideIntType):
        if declared not in (None, pl.Int128):
            msg = f"it returns Int128, but `returns` declares {declared}"
            raise KernelResultError(msg, hint="cast the column afterwards")
        return WideIntColumn(), pl.Int128()
    dtype = pl.Decimal(PRECISION, value.scale) if declared is None else declared
    if not isinstance(dtype, pl.Decimal):
        msg = f"it returns a decimal, but `returns` declares {dtype}"
        raise KernelResultError(msg, hint="convert in the kernel, as `float(x)`")
    if dtype.scale < value.scale:
        msg = f"it returns {value.scale} digits behind the point, but `returns` declares {dtype}"
        raise KernelResultError(msg, hint=f"round in the kernel, as `round(x, {dtype.scale})`")
    return DecimalColumn(dtype.precision or PRECISION, dtype.scale), dtype


class _Decimal(Element):
    def layout(self, ty: types.Type) -> Layout:
        return FixedWidth(16)

    def argument_types(self, context: Context, ty: types.Type) -> list[ir.Type]:
        return [I128.as_pointer(), _I64, ir.IntType(8).as_pointer(), _I64]

    def zero(self, context: Context, ty: types.Type) -> ir.Value:
        return I128(0)


class _Result(_Decimal):
    def convert(
        self, context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: DecimalColumn
    ) -> tuple[ir.Value, ir.Value | None]:
        limit = 10 ** (ty.precision - ty.scale + given.scale)
        beyond = outside(builder, value, limit) if limit < 10**PRECISION else None
        return builder.mul(value, I128(10 ** (ty.scale - given.scale))), beyond


class _WideResult(_Decimal):
    def convert(
        self, context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: types.Type
    ) -> tuple[ir.Value, ir.Value | None]:
        return widened(builder, value, given), None


register(DecimalType, _Decimal())
register(WideIntType, _Decimal())
register(WideIntColumn, _WideResult())
register(DecimalColumn, _Result())
