"""Strings and bytes: a view of 16 bytes each; values of more than 12 bytes lie in data buffers."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.arrow.layouts.base import Layout

if TYPE_CHECKING:
    from dataflare_vec.arrow.layouts.base import Arguments

VIEW_BYTES = 16
#: Bytes of a value that lie in the view itself.
INLINE_BYTES = 12

#: Without it Polars would convert to Arrow's older layout, and copy.
AS_VIEWS = pl.CompatLevel.newest()
#: A guess, for how many rows fit in a cache: a view and half as many bytes of text.
ROW_BYTES = 24


class ViewArray:
    """An Arrow array of views, with a table of the addresses of its data buffers."""

    __slots__ = ("array", "table", "type")

    def __init__(self, views: Any) -> None:
        self.array = views
        self.type = views.type
        # Never empty: a loop may read the first entry for a value that lies in its view.
        self.table = array("q", [buffer.address for buffer in views.buffers()[2:]] or [0])

    def __len__(self) -> int:
        return len(self.array)

    @property
    def views_address(self) -> int:
        """Where its first view lies."""
        views = self.array.buffers()[1]
        return views.address + self.array.offset * VIEW_BYTES if views is not None else 0


@dataclass(frozen=True, slots=True)
class Views(Layout):
    """Polars' layout of strings and bytes, which is Arrow's; the second argument is the table's address."""

    @property
    def strides(self) -> Arguments:
        """By how much each argument changes from row to row."""
        return (VIEW_BYTES, 0, 0, 1)

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes."""
        return ROW_BYTES

    def to_arrow(self, series: pl.Series) -> ViewArray:
        """Return a Series of one chunk as an Arrow array, without a copy."""
        return ViewArray(series.to_arrow(compat_level=AS_VIEWS))

    def arguments(self, array: Any, *, nulls: bool) -> Arguments:
        """Return the arguments of an array."""
        validity = array.array.buffers()[0]
        return (
            array.views_address,
            array.table.buffer_info()[0],
            validity.address if nulls and validity is not None else 0,
            array.array.offset,
        )
