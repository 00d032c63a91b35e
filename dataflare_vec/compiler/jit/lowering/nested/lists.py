"""A row of a List or Array column is a NumPy array on Arrow's memory: contiguous, read-only, no copy."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import polars as pl
from llvmlite import ir
from numba.core import types
from numba.np.arrayobj import make_array, populate_array

from dataflare_vec.arrow.layouts import FixedSizeLists, Layout, Lists
from dataflare_vec.compiler.jit.abi.elements import Element, register

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.abi.buffers import Buffers
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I64 = ir.IntType(64)
_BYTES = ir.PointerType(ir.IntType(8))


class ListColumn(types.Type):  # type: ignore[misc]
    """A column of rows of numbers.

    Parameters
    ----------
    dtype
        Type of a number.
    shape
        Of a row; of one item of it if ``ragged``.
    ragged
        Whether rows differ in how many items they have.
    """

    def __init__(self, dtype: types.Type, shape: tuple[int, ...], *, ragged: bool) -> None:
        self.dtype = dtype
        self.shape = shape
        self.ragged = ragged
        super().__init__(name=f"rows({dtype}, {shape}, ragged={ragged})")

    @property
    def array(self) -> types.Array:
        """Type of a row."""
        return types.Array(self.dtype, len(self.shape) + self.ragged, "C", readonly=True)

    @property
    def width(self) -> int:
        """Bytes of a number."""
        return 1 if self.dtype == types.boolean else int(self.dtype.bitwidth) // 8


def list_column(dtype: Any, number: Any) -> ListColumn | None:
    """Return the type of a List or Array column; None if it holds something else than numbers.

    Parameters
    ----------
    number
        Returns the Numba type of a dtype of numbers; None for others.
    """
    ragged = isinstance(dtype, pl.List)
    inner = dtype.inner if ragged else dtype
    shape = []
    while isinstance(inner, pl.Array):
        shape.append(inner.size)
        inner = inner.inner
    found = number(inner)
    return None if found is None else ListColumn(found, tuple(shape), ragged=ragged)


class _Lists(Element):
    def kernel_type(self, ty: ListColumn) -> types.Type:
        return ty.array

    def layout(self, ty: ListColumn) -> Layout:
        kind = Lists if ty.ragged else FixedSizeLists
        return kind(ty.shape, ty.width, bit_packed=ty.dtype == types.boolean)

    def argument_types(self, context: Context, ty: ListColumn) -> list[ir.Type]:
        items = context.get_data_type(ty.dtype).as_pointer()
        if ty.ragged:
            return [_I64.as_pointer(), items, _BYTES, _I64]
        return [items, _I64, _BYTES, _I64]

    def load(
        self, context: Context, builder: Builder, ty: ListColumn, column: Buffers, row: ir.Value
    ) -> ir.Value:
        size = prod(ty.shape)
        shape = [_I64(length) for length in ty.shape]
        if ty.ragged:
            begin, end = (
                builder.load(builder.gep(column.values, [builder.add(row, _I64(i))]), align=1) for i in (0, 1)
            )
            data = builder.gep(column.extra, [builder.mul(begin, _I64(size))])
            shape = [builder.sub(end, begin), *shape]
        else:
            data = builder.gep(column.values, [builder.mul(row, _I64(size))])
        inner = ty.shape if ty.ragged else ty.shape[1:]
        strides = [_I64(ty.width * prod(inner[i:])) for i in range(len(shape))]
        array = make_array(ty.array)(context, builder)
        populate_array(array, data, shape, strides, ty.width, None)
        return array._getvalue()


register(ListColumn, _Lists())
