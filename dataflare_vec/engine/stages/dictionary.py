"""A kernel whose one column is Categorical or Enum: run once for each category, results gathered by code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec._util.names import unnamed
from dataflare_vec.arrow.layouts import Categories
from dataflare_vec.engine.stages.protocols import Stage
from dataflare_vec.engine.stages.row import RowStage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.compiler.specialise import Prepared
    from dataflare_vec.engine.stages.protocols import Chunk, Surroundings

# It takes at least so many rows for each category: some categories may not occur, and gathering isn't free.
_ROWS_EACH = 4


class GatherStage(Stage):
    """A row kernel whose results are known for each code.

    Parameters
    ----------
    stage
        The kernel's own stage.
    results
        Its columns (of a filter the mask), one row for each code and one for null.
    """

    def __init__(self, stage: RowStage, results: list[pl.Series]) -> None:
        self.plugin = stage.plugin
        self.index = stage.index
        self.reads = stage.reads
        self.writes = stage.writes
        self.in_result = stage.in_result
        self.is_filter = stage.is_filter
        self._results = results

    def run(self, chunk: Chunk) -> None:
        """Gather the chunk's rows."""
        codes = unnamed(chunk.series(self.reads[0])).to_physical().cast(pl.UInt32)
        codes = codes.fill_null(len(self._results[0]) - 1)
        selected = chunk.selection(self)
        for name, result in zip(self.writes or [""], self._results, strict=True):
            values = unnamed(result).gather(codes)
            if self.is_filter:
                chunk.run.select(self, chunk.start, values)
                continue
            if selected is not None:
                values = pl.select(pl.when(selected).then(values)).to_series()
            chunk.put(self, name, values)


class CategoryStage(RowStage):
    """A row kernel whose one column is Categorical or Enum, and is read as text."""

    @staticmethod
    def fits(prepared: Prepared, reads: Sequence[str]) -> bool:
        """Whether a kernel reads such a column, and no other."""
        return len(reads) == 1 and isinstance(prepared.layouts[0], Categories)

    def open(self, run: Surroundings) -> Stage:
        """Return a stage that gathers the kernel's results, computed here; itself if it has to see the rows.

        So it has to if the column isn't of the data, has few rows, or if the kernel fails for some category:
        that one may not occur, and failed rows are to be told.
        """
        if self.reads[0] not in run.written:
            categories = _categories(run.column(self.reads[0]))
            results = None if categories is None else run.alone(self.alone(), categories)
            if results is not None:
                return GatherStage(self, results)
        return super().open(run)


def _categories(series: pl.Series) -> pl.Series | None:
    """Return the categories of a column once each, in the order of codes, and null; None for too many."""
    dtype = series.dtype
    codes = unnamed(series).to_physical()
    if isinstance(dtype, pl.Enum):
        count = len(dtype.categories)
    else:
        highest = codes.max()
        count = 0 if highest is None else int(highest) + 1  # type: ignore[arg-type]
    if not 0 < count * _ROWS_EACH <= len(series):
        return None
    known = pl.int_range(count, eager=True).cast(codes.dtype)
    return known.cat.to(dtype).extend_constant(None, 1)
