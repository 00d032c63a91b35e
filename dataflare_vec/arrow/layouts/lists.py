"""List and Array columns of numbers: a row is a stretch of one buffer that holds the items of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.arrow.layouts.base import Layout
from dataflare_vec.arrow.layouts.nested_nulls import fill_with_null

if TYPE_CHECKING:
    from dataflare_vec.arrow.layouts.base import Arguments

_OFFSET_BYTES = 8
# A guess, for how many rows of a List fit in a cache.
_ITEMS = 16


@dataclass(frozen=True, slots=True)
class FixedSizeLists(Layout):
    """Rows of the same ``shape``; the second argument isn't used.

    ``width`` is the bytes of an item. ``bit_packed`` says that items are booleans, which Arrow stores as
    bits: they are copied to a byte each, because NumPy has no arrays of bits.
    """

    shape: tuple[int, ...]
    width: int
    bit_packed: bool = False

    @property
    def strides(self) -> Arguments:
        """By how much each argument changes from row to row."""
        return (self.row_bytes if prod(self.shape) else 0, 0, 0, 1)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return max(prod(self.shape) * self.width, 1)

    def settle(self, series: pl.Series) -> pl.Series:
        """Return a Series in which rows that hold a null are null."""
        return fill_with_null(series)

    def to_arrow(self, series: pl.Series) -> Any:
        """Return a Series of one chunk as an Arrow array, without a copy."""
        return _bytes(series).to_arrow() if self.bit_packed else series.to_arrow()

    def arguments(self, array: Any, *, nulls: bool) -> Arguments:
        """Return the arguments of an Arrow array."""
        validity = array.buffers()[0]
        items, first = array, array.offset
        for size in self.shape:
            items = items.values
            first = first * size + items.offset
        values = items.buffers()[1]
        return (
            values.address + first * self.width if values is not None else 0,
            0,
            validity.address if nulls and validity is not None else 0,
            array.offset,
        )


@dataclass(frozen=True, slots=True)
class Lists(Layout):
    """Rows of any length: values are the 64-bit offsets, the second argument is the address of the items.

    ``shape`` is that of one item, ``()`` for a number; ``width`` the bytes of a number in it.
    """

    shape: tuple[int, ...]
    width: int
    bit_packed: bool = False

    @property
    def strides(self) -> Arguments:
        """By how much each argument changes from row to row."""
        return (_OFFSET_BYTES, 0, 0, 1)

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes."""
        return _OFFSET_BYTES + _ITEMS * max(prod(self.shape), 1) * self.width

    def settle(self, series: pl.Series) -> pl.Series:
        """Return a Series in which rows that hold a null are null."""
        return fill_with_null(series)

    def to_arrow(self, series: pl.Series) -> Any:
        """Return a Series of one chunk as an Arrow array, without a copy."""
        return _bytes(series).to_arrow() if self.bit_packed else series.to_arrow()

    def arguments(self, array: Any, *, nulls: bool) -> Arguments:
        """Return the arguments of an Arrow array."""
        validity, offsets = array.buffers()[:2]
        items = array.values
        first = items.offset
        for size in self.shape:
            items = items.values
            first = first * size + items.offset
        values = items.buffers()[1]
        return (
            offsets.address + array.offset * _OFFSET_BYTES if offsets is not None else 0,
            values.address + first * self.width if values is not None else 0,
            validity.address if nulls and validity is not None else 0,
            array.offset,
        )


def _bytes(series: pl.Series) -> pl.Series:
    """Return booleans inside of lists as bytes."""
    return series.cast(_with_bytes(series.dtype))


def _with_bytes(dtype: Any) -> Any:
    if isinstance(dtype, pl.List):
        return pl.List(_with_bytes(dtype.inner))
    if isinstance(dtype, pl.Array):
        return pl.Array(_with_bytes(dtype.inner), dtype.size)
    return pl.UInt8()
