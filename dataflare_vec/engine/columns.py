"""Polars Series as addresses of Arrow buffers, and buffers as Series: without a copy either way."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.memory import MemoryPool


class Buffers(NamedTuple):
    """Where one contiguous piece of a column lies.

    Attributes
    ----------
    values : int
        Address of the first element; of the bitmap for booleans.
    values_bit : int
        Bit offset of the first element (booleans only, else 0).
    validity : int
        Address of the validity bitmap, 0 if there are no nulls.
    validity_bit : int
        Bit offset of the first row in the validity bitmap.
    width : int
        Bytes of an element; 0 for booleans, which are bits.
    """

    values: int
    values_bit: int
    validity: int
    validity_bit: int
    width: int

    def at(self, row: int) -> tuple[int, int, int, int]:
        """Return the four slots of the block for a range that starts at ``row``."""
        if self.width:
            return (
                self.values + row * self.width,
                0,
                self.validity,
                self.validity_bit + row,
            )
        return self.values, self.values_bit + row, self.validity, self.validity_bit + row


class InputColumn:
    """One column of the input, as its contiguous pieces."""

    __slots__ = ("_keep_alive", "has_nulls", "pieces", "starts")

    def __init__(self, series: pl.Series, width: int) -> None:
        self.has_nulls = series.null_count() > 0
        self.starts: list[int] = []
        self.pieces: list[Buffers] = []
        self._keep_alive: list[Any] = []
        start = 0
        for chunk in [series] if series.n_chunks() == 1 else series.get_chunks():
            array = chunk.to_arrow()
            validity, values = array.buffers()
            offset = array.offset
            self.starts.append(start)
            self.pieces.append(
                Buffers(
                    values.address + offset * width if values is not None else 0,
                    0 if width else offset,
                    validity.address if validity is not None and self.has_nulls else 0,
                    offset,
                    width,
                )
            )
            self._keep_alive.append(array)
            start += len(array)

    def at(self, row: int) -> tuple[int, int, int, int]:
        """Return the four slots of the block for a range that starts at ``row``."""
        if row == 0:
            return self.pieces[0].at(0)
        i = bisect_right(self.starts, row) - 1
        return self.pieces[i].at(row - self.starts[i])


def pieces_of(columns: Sequence[InputColumn], start: int, stop: int) -> list[tuple[int, int]]:
    """Cut ``start:stop`` so that each column is contiguous in each part."""
    if all(len(column.starts) == 1 for column in columns):
        return [(start, stop)]
    cuts = {start, stop}
    for column in columns:
        if len(column.starts) > 1:
            cuts.update(cut for cut in column.starts if start < cut < stop)
    ordered = sorted(cuts)
    return list(pairwise(ordered))


class OutputColumn:
    """One column of the output: allocated once from the pool, written in disjoint ranges."""

    __slots__ = ("_arrow_type", "_rows", "_validity", "_values", "buffers", "dtype")

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
        self.buffers = Buffers(self._values.address, 0, validity, 0, width)

    def to_series(self, name: str) -> pl.Series:
        """Return the column; the pool gets its memory back when the last reader lets go."""
        import pyarrow as pa

        validity = self._validity.to_arrow() if self._validity is not None else None
        array = pa.Array.from_buffers(self._arrow_type, self._rows, [validity, self._values.to_arrow()])
        series = pl.Series(name, array)
        return series if self.dtype is None else series.cast(self.dtype)
