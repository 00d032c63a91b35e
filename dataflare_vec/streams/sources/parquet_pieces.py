"""Parquet files in pieces of so many bytes, when decoded: whole row groups, parts of them, or their pages."""

from __future__ import annotations

import io
import tempfile
from collections import defaultdict
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec._util.prefetch import one_ahead
from dataflare_vec.interop.query_rows import rows_of
from dataflare_vec.streams.parquet.row_groups import ColumnChunk, FileLayout, Pages, RowGroup, Span
from dataflare_vec.streams.sources.queries import slices_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: How often the same pages may be decoded, before it is better to write down what is in them.
_AGAIN = 6
#: How many times as many bytes as a piece columns may take that are decoded together.
_TOGETHER = 2

#: A column and its pages.
Paged = tuple[ColumnChunk, Pages]


class Pieces:
    """The rows of a Parquet file, in order.

    Parameters
    ----------
    layout
        Of the file.
    nbytes
        What a piece may take, decoded, unless a row is larger.
    """

    def __init__(self, layout: FileLayout, nbytes: int) -> None:
        self._nbytes = nbytes
        self._query = pl.scan_parquet(layout.path, glob=False)
        self._layout = layout

    def frames(self, size: int) -> Iterator[pl.DataFrame]:
        """Yield them in frames of at most ``size`` rows; while a piece is taken, the next one is decoded."""
        return one_ahead(self._pieces(size))

    def _pieces(self, size: int) -> Iterator[Iterator[pl.DataFrame]]:
        start = rows = 0
        nbytes = 0.0
        for group in self._layout.groups():
            if not group.rows:
                continue
            is_small = group.decoded <= self._nbytes and group.is_known
            if rows and (not is_small or nbytes + group.decoded > self._nbytes):
                yield self._slice(start, rows, size)
                start, rows, nbytes = start + rows, 0, 0
            if is_small:
                rows, nbytes = rows + group.rows, nbytes + group.decoded
            else:
                yield self._parts(group, size)
                start += group.rows
        if rows:
            yield self._slice(start, rows, size)

    def _slice(self, start: int, rows: int, size: int) -> Iterator[pl.DataFrame]:
        found = 0
        for frame in rows_of(self._query.slice(start, rows), size):
            yield frame
            found += frame.height
        if found != rows:
            msg = f"expected {rows} rows from row {start} on, found {found}"
            raise ValueError(msg)

    def _parts(self, group: RowGroup, size: int) -> Iterator[pl.DataFrame]:
        """Yield a row group that is too large to be decoded at a time."""
        if group.compressed <= self._nbytes:
            yield from self._slices(group, size)
            return
        columns = [(column, self._layout.pages(group, column)) for column in group.columns]
        again = sum(max(page.decoded for page in pages.pages) for _, pages in columns) / self._nbytes
        if again > _AGAIN and len(columns) > 1:
            yield from self._transposed(group, columns, size)
            return
        for at, end in pairwise(self._borders(group, columns)):
            yield from self._from_pages(group, columns, at, end).iter_slices(size)

    def _slices(self, group: RowGroup, size: int) -> Iterator[pl.DataFrame]:
        """Yield one of which Polars may read all bytes, but not decode all values."""
        if not group.is_known:
            yield from slices_of(self._query, group.start, group.rows, size, self._nbytes)
            return
        rows = max(1, int(self._nbytes * group.rows / group.decoded))
        for at in range(0, group.rows, rows):
            yield from self._slice(group.start + at, min(rows, group.rows - at), size)

    # -- pages ----------------------------------------------------------------------------------------------

    def _borders(self, group: RowGroup, columns: Sequence[Paged]) -> Iterator[int]:
        """Yield the rows of a row group at which pieces begin, and its end."""
        import numpy as np

        rows, nbytes = _growth(columns)
        at = 0
        while at < group.rows:
            yield at
            end = np.interp(np.interp(at, rows, nbytes) + self._nbytes, nbytes, rows)
            at = max(at + 1, int(end))
        yield at

    def _from_pages(self, group: RowGroup, columns: Sequence[Paged], at: int, end: int) -> pl.DataFrame:
        """Return some rows, of which Polars gets no more than the pages that they are in."""
        by_rows: dict[tuple[int, int], list[dict[str, Span]]] = {}
        for column, pages in columns:
            span = pages.span(column, at, end)
            parts = by_rows.setdefault((span.first, span.end), [{}])
            if parts[-1] and sum(other.size for other in parts[-1].values()) + span.size > self._nbytes:
                parts.append({})
            parts[-1][column.name] = span
        frames = [
            pl.scan_parquet(self._layout.part(group, spans))
            .select(list(spans))
            .slice(at - first, end - at)
            .collect()
            for (first, _), parts in by_rows.items()
            for spans in parts
        ]
        frame = pl.concat(frames, how="horizontal").select([column.name for column, _ in columns])
        if frame.height != end - at:
            msg = f"its pages should have {end - at} rows from row {at} on, but have {frame.height}"
            raise ValueError(msg)
        return frame

    # -- many columns ---------------------------------------------------------------------------------------

    def _transposed(self, group: RowGroup, columns: Sequence[Paged], size: int) -> Iterator[pl.DataFrame]:
        """Yield a row group of very many columns, some of which at a time are decoded into a file.

        The pieces lie in it one by one, and are read, not mapped: what is mapped counts as memory.
        """
        borders = list(self._borders(group, columns))
        places: list[list[tuple[int, int]]] = [[] for _ in borders[1:]]
        with tempfile.TemporaryFile(prefix="dataflare_vec-") as file:
            for some in self._together(columns):
                for place, frame in zip(places, self._between(group, some, borders), strict=True):
                    content = io.BytesIO()
                    frame.write_ipc(content)
                    place.append((file.tell(), file.write(content.getbuffer())))
            for place in places:
                frames = []
                for at, length in place:
                    file.seek(at)
                    frames.append(pl.read_ipc(file.read(length)))
                yield from pl.concat(frames, how="horizontal").iter_slices(size)

    def _together(self, columns: Sequence[Paged]) -> Iterator[list[Paged]]:
        """Yield columns that can be decoded together, or one that is larger."""
        some: list[Paged] = []
        total = 0.0
        for column, pages in columns:
            if some and total + column.decoded > _TOGETHER * self._nbytes:
                yield some
                some, total = [], 0.0
            some.append((column, pages))
            total += column.decoded
        yield some

    def _between(
        self, group: RowGroup, columns: Sequence[Paged], borders: Sequence[int]
    ) -> Iterator[pl.DataFrame]:
        """Yield some columns in frames between borders."""
        nbytes = _TOGETHER * self._nbytes
        if sum(column.decoded for column, _ in columns) <= nbytes:
            names = [column.name for column, _ in columns]
            query = self._query.slice(group.start, group.rows).select(names)
            frame = query.collect()
            if frame.height != group.rows:
                msg = f"expected {group.rows} rows from row {group.start} on, found {frame.height}"
                raise ValueError(msg)
            for at, end in pairwise(borders):
                yield frame.slice(at, end - at)
            return
        import numpy as np

        before = np.interp(borders, *_growth(columns))
        first = 0
        while first + 1 < len(borders):
            last = max(first + 1, int(np.searchsorted(before, before[first] + nbytes, "right")) - 1)
            frame = self._from_pages(group, columns, borders[first], borders[last])
            for at, end in pairwise(borders[first : last + 1]):
                yield frame.slice(at - borders[first], end - at)
            first = last


def _growth(columns: Sequence[Paged]) -> tuple[list[int], list[float]]:
    """Return the rows at which pages begin, and the end, with the bytes of the rows before each, about."""
    changes: dict[int, float] = defaultdict(float)
    for page in (page for _, pages in columns for page in pages.pages):
        changes[page.first] += page.decoded / page.rows
        changes[page.end] -= page.decoded / page.rows
    rows = sorted(changes)
    rates = list(accumulate(changes[row] for row in rows))
    steps = (max(rate, 0) * (end - at) for rate, (at, end) in zip(rates, pairwise(rows), strict=False))
    return rows, list(accumulate(steps, initial=0.0))
