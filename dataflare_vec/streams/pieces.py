"""Parquet files in pieces of so many bytes, when decoded: whole row groups, parts of them, or their pages."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec.streams.queries import GROWTH, rows_of, slices_of
from dataflare_vec.streams.row_groups import Column, Layout, Pages, RowGroup, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: How often the same pages may be decoded, before it is better to write down what is in them.
_AGAIN = 6


class Pieces:
    """The rows of a Parquet file, in order.

    Parameters
    ----------
    layout
        Of the file.
    nbytes
        What a piece may take, decoded, unless a row is larger.
    """

    def __init__(self, layout: Layout, nbytes: int) -> None:
        self._nbytes = nbytes
        self._query = pl.scan_parquet(layout.path, glob=False)
        self._layout = layout

    def frames(self, size: int) -> Iterator[pl.DataFrame]:
        """Yield them in frames of at most ``size`` rows."""
        start = rows = 0
        nbytes = 0.0
        for group in self._layout.groups:
            is_small = group.decoded <= self._nbytes and group.is_known
            if rows and (not is_small or nbytes + group.decoded > self._nbytes):
                yield from self._slice(start, rows, size)
                start, rows, nbytes = start + rows, 0, 0
            if is_small:
                rows, nbytes = rows + group.rows, nbytes + group.decoded
            else:
                yield from self._parts(group, size)
                start += group.rows
        if rows:
            yield from self._slice(start, rows, size)

    def _slice(self, start: int, rows: int, size: int) -> Iterator[pl.DataFrame]:
        found = 0
        for frame in rows_of(self._query.slice(start, rows), size):
            yield frame
            found += frame.height
        if found != rows:
            msg = f"of {rows} rows from row {start} on {found} were found"
            raise ValueError(msg)

    def _parts(self, group: RowGroup, size: int) -> Iterator[pl.DataFrame]:
        """Yield a row group that is too large to be decoded at a time."""
        if group.compressed <= self._nbytes:
            yield from self._slices(group, size)
            return
        pages = [self._layout.pages(group, column) for column in group.columns]
        again = sum(max(page.decoded for page in each.pages) for each in pages) / self._nbytes
        if again > _AGAIN and len(pages) > 1:
            yield from self._transposed(group, size)
            return
        at = 0
        while at < group.rows:
            end = self._end(group, pages, at)
            yield from self._from_pages(group, pages, at, end).iter_slices(size)
            at = end

    def _slices(self, group: RowGroup, size: int) -> Iterator[pl.DataFrame]:
        """Yield one of which Polars may read all bytes, but not decode all values."""
        if not group.is_known:
            yield from slices_of(self._query, group.start, group.rows, size, self._nbytes)
            return
        rows = max(1, int(self._nbytes * group.rows / group.decoded))
        for at in range(0, group.rows, rows):
            yield from self._slice(group.start + at, min(rows, group.rows - at), size)

    # -- pages ----------------------------------------------------------------------------------------------

    def _end(self, group: RowGroup, pages: Sequence[Pages], at: int) -> int:
        """Return where a piece ends that begins at a row."""
        rows = min(group.rows - at, max(1, int(GROWTH * self._nbytes * group.rows / group.decoded)))
        while rows > 1 and sum(each.decoded(at, at + rows) for each in pages) > self._nbytes:
            rows -= (rows + 3) // 4
        return at + rows

    def _from_pages(self, group: RowGroup, pages: Sequence[Pages], at: int, end: int) -> pl.DataFrame:
        """Return some rows, of which Polars gets no more than the pages that they are in."""
        by_rows: dict[tuple[int, int], list[dict[str, Span]]] = {}
        for column, each in zip(group.columns, pages, strict=True):
            span = each.span(column, at, end)
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
        frame = pl.concat(frames, how="horizontal").select([column.name for column in group.columns])
        if frame.height != end - at:
            msg = f"its pages should have {end - at} rows from row {at} on, but have {frame.height}"
            raise ValueError(msg)
        return frame

    # -- many columns ---------------------------------------------------------------------------------------

    def _transposed(self, group: RowGroup, size: int) -> Iterator[pl.DataFrame]:
        """Yield a row group of very many columns, some of which at a time are decoded into files."""
        rows = max(1, int(self._nbytes * group.rows / group.decoded))
        query = self._query.slice(group.start, group.rows)
        with tempfile.TemporaryDirectory(prefix="dataflare_vec-") as folder:
            files: list[Path] = []
            for names in _together(group.columns, 2 * self._nbytes):
                files.append(Path(folder, f"{len(files)}.arrow"))
                query.select(names).sink_ipc(files[-1], record_batch_size=rows)
            for at in range(0, group.rows, rows):
                parts = [pl.scan_ipc(file, glob=False).slice(at, rows).collect() for file in files]
                yield from pl.concat(parts, how="horizontal").iter_slices(size)


def _together(columns: Sequence[Column], nbytes: float) -> Iterator[list[str]]:
    """Yield names of columns that together take about so many bytes."""
    names: list[str] = []
    total = 0.0
    for column in columns:
        if names and total + column.decoded > nbytes:
            yield names
            names, total = [], 0.0
        names.append(column.name)
        total += column.decoded
    if names:
        yield names
