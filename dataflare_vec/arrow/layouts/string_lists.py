"""List columns of strings or bytes: offsets, and the views of the items of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.arrow.layouts.base import Layout
from dataflare_vec.arrow.layouts.nested_nulls import fill_with_null
from dataflare_vec.arrow.layouts.string_views import AS_VIEWS, ROW_BYTES, ViewArray

if TYPE_CHECKING:
    from dataflare_vec.arrow.layouts.base import Arguments

_OFFSET_BYTES = 8
# A guess, for how many rows fit in a cache.
_ITEMS = 4


class StringListArray:
    """An Arrow array of lists, with that of their items."""

    __slots__ = ("array", "items")

    def __init__(self, lists: Any) -> None:
        self.array = lists
        self.items = ViewArray(lists.values)

    def __len__(self) -> int:
        return len(self.array)


@dataclass(frozen=True, slots=True)
class StringLists(Layout):
    """Rows of strings: values are 64-bit offsets; behind the four are the items' views and table."""

    @property
    def strides(self) -> Arguments:
        """By how much each argument changes from row to row."""
        return (_OFFSET_BYTES, 0, 0, 1, 0, 0)

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes."""
        return _OFFSET_BYTES + _ITEMS * ROW_BYTES

    def settle(self, series: pl.Series) -> pl.Series:
        """Return a Series in which rows that hold a null are null; arrays of a fixed size as lists."""
        series = fill_with_null(series)
        return series.arr.to_list() if isinstance(series.dtype, pl.Array) else series

    def to_arrow(self, series: pl.Series) -> StringListArray:
        """Return a Series of one chunk as an Arrow array, without a copy."""
        return StringListArray(series.to_arrow(compat_level=AS_VIEWS))

    def arguments(self, array: StringListArray, *, nulls: bool) -> Arguments:
        """Return the arguments of an array."""
        validity, offsets = array.array.buffers()[:2]
        return (
            offsets.address + array.array.offset * _OFFSET_BYTES if offsets is not None else 0,
            0,
            validity.address if nulls and validity is not None else 0,
            array.array.offset,
            array.items.views_address,
            array.items.table.buffer_info()[0],
        )
