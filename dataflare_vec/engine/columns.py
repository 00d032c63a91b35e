"""Polars Series as addresses of Arrow buffers, and buffers as Series: without a copy either way."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.memory import MemoryPool


#: The four slots of a column in a loop's block: address and bit offset of the values, address and bit offset
#: of the validity bitmap. Bit offsets of values are for booleans only; no validity is address 0.
Slots = tuple[int, int, int, int]


def advance(slots: Slots, rows: int, width: int) -> Slots:
    """Return the slots of the same column ``rows`` rows further on; a ``width`` of 0 is bits."""
    values, values_bit, validity, validity_bit = slots
    if width:
        return values + rows * width, 0, validity, validity_bit + rows
    return values, values_bit + rows, validity, validity_bit + rows


class InputColumn:
    """One column of the input: where each of its contiguous pieces lies.

    A call on a few rows spends most of its time here, so the usual column of one piece goes straight through.
    """

    __slots__ = ("_arrays", "_first", "_pieces", "_width", "has_nulls", "starts")

    def __init__(self, series: pl.Series, width: int) -> None:
        nulls = self.has_nulls = series.null_count() > 0
        self._width = width
        if series.n_chunks() == 1:
            array = self._arrays = series.to_arrow()
            self._first = _slots_of(array, width, nulls)
            self._pieces: list[Slots] | None = None
            self.starts: tuple[int, ...] = (0,)
            return
        arrays = self._arrays = [chunk.to_arrow() for chunk in series.get_chunks()]
        pieces = self._pieces = [_slots_of(array, width, nulls) for array in arrays]
        self._first = pieces[0]
        self.starts = tuple(accumulate([len(array) for array in arrays[:-1]], initial=0))

    def at(self, row: int) -> Slots:
        """Return the slots for a range of rows that starts at ``row``."""
        if self._pieces is None:
            return advance(self._first, row, self._width) if row else self._first
        i = bisect_right(self.starts, row) - 1
        return advance(self._pieces[i], row - self.starts[i], self._width)


def _slots_of(array: Any, width: int, nulls: bool) -> Slots:  # noqa: FBT001
    validity, values = array.buffers()
    offset = array.offset
    return (
        values.address + offset * width if values is not None else 0,
        0 if width else offset,
        validity.address if nulls and validity is not None else 0,
        offset,
    )


def pieces_of(columns: Sequence[InputColumn], start: int, stop: int) -> list[tuple[int, int]]:
    """Cut ``start:stop`` so that each column is contiguous in each part."""
    cuts = {start, stop}
    for column in columns:
        if len(column.starts) > 1:
            cuts.update(cut for cut in column.starts if start < cut < stop)
    return list(pairwise(sorted(cuts))) if len(cuts) > 2 else [(start, stop)]


class OutputColumn:
    """One column of the output: allocated once from the pool, written in disjoint ranges."""

    __slots__ = ("_arrow_type", "_rows", "_validity", "_values", "_width", "dtype", "slots")

    def __init__(
        self, pool: MemoryPool, arrow_type: Any, dtype: Any, rows: int, *, width: int, nulls: bool
    ) -> None:
        bitmap_bytes = (rows + 7) // 8
        self._arrow_type = arrow_type
        self._rows = rows
        self.dtype = dtype
        self._values = pool.get_buffer(rows * width if width else bitmap_bytes)
        self._validity = pool.get_buffer(bitmap_bytes) if nulls else None
        validity = self._validity.address if self._validity is not None else 0
        self._width = width
        self.slots: Slots = (self._values.address, 0, validity, 0)

    def at(self, row: int) -> Slots:
        """Return the slots for a range of rows that starts at ``row``."""
        return advance(self.slots, row, self._width) if row else self.slots

    def to_series(self, name: str) -> pl.Series:
        """Return the column; the pool gets its memory back when the last reader lets go."""
        import pyarrow as pa

        validity = self._validity.to_arrow() if self._validity is not None else None
        array = pa.Array.from_buffers(self._arrow_type, self._rows, [validity, self._values.to_arrow()])
        series = pl.Series(name, array)
        return series if self.dtype is None else series.cast(self.dtype)
