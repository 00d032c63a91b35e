"""Polars Series as addresses of Arrow buffers, and buffers as Series: without a copy either way."""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.arrow.layouts import Bits

if TYPE_CHECKING:
    from dataflare_vec.arrow.layouts import Arguments, Layout
    from dataflare_vec.memory import MemoryPool, PooledBuffer


#: Rows of a piece, on average, below which copying a column takes less time than looking at its pieces.
SHORT_PIECE = 1 << 14


def joined(series: pl.Series) -> pl.Series:
    """Return a column in one piece where its pieces are short; nested ones stay as they are."""
    pieces = series.n_chunks()
    if pieces > 1 and len(series) < pieces * SHORT_PIECE and not series.dtype.is_nested():
        return series.rechunk()
    return series


class InputColumn:
    """One column of the input: where each of its contiguous pieces lies.

    A call on a few rows spends most of its time here, so the usual column of one piece goes straight through.
    """

    __slots__ = ("_arrays", "_first", "_pieces", "has_nulls", "layout", "series", "starts")

    def __init__(self, series: pl.Series, layout: Layout) -> None:
        self.series = series = joined(series)
        series = layout.settle(series)
        nulls = self.has_nulls = series.null_count() > 0
        self.layout = layout
        if series.n_chunks() == 1:
            array = self._arrays = layout.to_arrow(series)
            self._first = layout.arguments(array, nulls=nulls)
            self._pieces: list[Arguments] | None = None
            self.starts: tuple[int, ...] = (0,)
            return
        arrays = self._arrays = [layout.to_arrow(chunk) for chunk in series.get_chunks()]
        pieces = self._pieces = [layout.arguments(array, nulls=nulls) for array in arrays]
        self._first = pieces[0]
        self.starts = tuple(accumulate([len(array) for array in arrays[:-1]], initial=0))

    def at(self, row: int) -> Arguments:
        """Return the arguments for a range of rows that starts at ``row``."""
        if self._pieces is None:
            return self.layout.advance(self._first, row) if row else self._first
        i = bisect_right(self.starts, row) - 1
        return self.layout.advance(self._pieces[i], row - self.starts[i])

    def slice(self, start: int, stop: int) -> pl.Series:
        """Return some of its rows."""
        return self.series[start:stop]


def shown_as(series: pl.Series, dtype: Any) -> pl.Series:
    """Return a column in the dtype that it is shown in, given as it was stored: ticks, codes or strings."""
    return series.cat.to(dtype) if isinstance(dtype, pl.Enum) else series.cast(dtype)


class Bitmap:
    """One bit for each row, in pooled memory; all 0 or all 1 at first."""

    __slots__ = ("_buffer", "address", "rows")

    def __init__(self, pool: MemoryPool, rows: int, *, ones: bool) -> None:
        self.rows = rows
        self._buffer = _bits(pool, rows)
        self.address = self._buffer.address
        ctypes.memset(self.address, 0xFF if ones else 0, self._buffer.size)

    def slice(self, start: int, stop: int) -> pl.Series:
        """Return the bits of some rows as booleans, without a copy."""
        import pyarrow as pa

        buffers = [None, self._buffer.to_arrow()]
        return pl.Series(pa.Array.from_buffers(pa.bool_(), stop - start, buffers, offset=start))

    def put(self, start: int, bits: pl.Series) -> None:
        """Overwrite bits from ``start`` (a multiple of 64) on with booleans that aren't null."""
        if not len(bits):
            return
        array = bits.rechunk().to_arrow()
        target, nbytes = self.address + start // 8, (len(bits) + 7) // 8
        source, shift = array.buffers()[1].address + array.offset // 8, array.offset % 8
        if not shift:
            ctypes.memmove(target, source, nbytes)
            return
        there = int.from_bytes(ctypes.string_at(source, (shift + len(bits) + 7) // 8), "little") >> shift
        ctypes.memmove(target, (there & ((1 << len(bits)) - 1)).to_bytes(nbytes, "little"), nbytes)


def _bits(pool: MemoryPool, rows: int) -> PooledBuffer:
    return pool.get_buffer((rows + 7) // 8)


class ColumnBuilder:
    """One column of the output: allocated once from the pool, written in disjoint ranges.

    It has a validity bitmap if a null was possible from the start, or once `need_validity` was called.
    """

    __slots__ = ("_pool", "_stored", "_validity", "_values", "arguments", "dtype", "layout", "rows")

    starts = (0,)

    def __init__(
        self, pool: MemoryPool, stored: Any, dtype: Any, rows: int, *, layout: Layout, nulls: bool
    ) -> None:
        self._pool = pool
        self._stored = stored
        self.rows = rows
        self.dtype = dtype
        self.layout = layout
        self._values = (
            _bits(pool, rows) if isinstance(layout, Bits) else pool.get_buffer(rows * layout.strides[0])
        )
        self._validity = _bits(pool, rows) if nulls else None
        validity = self._validity.address if self._validity is not None else 0
        self.arguments: Arguments = (self._values.address, 0, validity, 0)

    @property
    def has_nulls(self) -> bool:
        """Whether some of its rows may be null."""
        return self._validity is not None

    def need_validity(self) -> None:
        """Have a validity bitmap from now on; all rows so far are valid. Not to be called by two threads."""
        if self._validity is None:
            validity = _bits(self._pool, self.rows)
            ctypes.memset(validity.address, 0xFF, validity.size)
            self.arguments = (*self.arguments[:2], validity.address, 0)
            self._validity = validity

    def at(self, row: int) -> Arguments:
        """Return the arguments for a range of rows that starts at ``row``."""
        return self.layout.advance(self.arguments, row) if row else self.arguments

    def for_writing(self, row: int, *, restarts: bool = False) -> Arguments:
        """Return the arguments of a loop on this thread that writes from ``row`` on.

        Parameters
        ----------
        restarts
            Whether each call of the loop writes the same rows anew: nothing from the last call is needed.
        """
        return self.at(row)

    def check(self) -> None:
        """Raise what went wrong while loops wrote, if anything can."""

    def slice(self, start: int, stop: int, name: str = "") -> pl.Series:
        """Return some of its rows; the pool gets its memory back when the last reader lets go."""
        series = self._stored_slice(start, stop, name)
        return series if self.dtype is None else shown_as(series, self.dtype)

    def _stored_slice(self, start: int, stop: int, name: str) -> pl.Series:
        """Return some of its rows in the dtype in which they are stored."""
        import pyarrow as pa

        arrow_type = _arrow_type(self._stored)
        array = pa.Array.from_buffers(arrow_type, stop - start, self._buffers(), offset=start)
        return pl.Series(name, array)

    def _buffers(self) -> list[Any]:
        validity = self._validity.to_arrow() if self._validity is not None else None
        return [validity, self._values.to_arrow()]

    def to_series(self, name: str) -> pl.Series:
        """Return the whole column, named."""
        return self.slice(0, self.rows, name)


@cache
def _arrow_type(dtype: Any) -> Any:
    return pl.Series([], dtype=dtype).to_arrow(compat_level=pl.CompatLevel.newest()).type
