"""Rows of a Polars query a slice at a time, by the bytes that those before had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflare_vec.interop.query_rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

#: Rows of a first slice, of which nobody knows the bytes, and how many times as many the next one may have.
FIRST, _GROWTH = 256, 4


def slices_of(
    query: pl.LazyFrame, start: int, rows: int, size: int, nbytes: int, first: int = FIRST
) -> Iterator[pl.DataFrame]:
    """Yield some of its rows: of so many that they take about ``nbytes``, by those before, at a time."""
    stop, wanted = start + rows, first
    while start < stop:
        wanted = min(wanted, stop - start)
        found = 0.0
        for frame in rows_of(query.slice(start, wanted), size):
            found += frame.estimated_size()
            yield frame
        start += wanted
        wanted = max(1, min(_GROWTH * wanted, int(wanted * nbytes / max(found, 1))))
