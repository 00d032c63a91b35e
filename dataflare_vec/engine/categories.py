"""A kernel whose one column is Categorical or Enum: run once for each category, results gathered by code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec.engine.stage import Stage
from dataflare_vec.layouts import Categories

if TYPE_CHECKING:
    from dataflare_vec.engine.rows import RowStage
    from dataflare_vec.engine.stage import Chunk

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
        self.kept = stage.kept
        self.is_filter = stage.is_filter
        self._results = results

    def run(self, chunk: Chunk) -> None:
        """Gather the chunk's rows."""
        codes = chunk.series(self.reads[0]).to_physical().cast(pl.UInt32).fill_null(len(self._results[0]) - 1)
        selected = chunk.selection(self)
        for name, result in zip(self.writes or [""], self._results, strict=True):
            values = result.gather(codes)
            if self.is_filter:
                chunk.run.select(self, chunk.start, values)
                continue
            if selected is not None:
                values = pl.select(pl.when(selected).then(values)).to_series()
            chunk.put(self, name, values)


def gathering(stage: RowStage, series: pl.Series) -> pl.Series | None:
    """Return the categories that a kernel is to be run for, once each, in the order of codes, and null.

    None if it isn't to be: it reads another column, or codes, or there are too many categories.
    """
    dtype = series.dtype
    if stage.in_order or len(stage.reads) > 1 or not isinstance(stage.prepared.layouts[0], Categories):
        return None
    codes = series.to_physical()
    if isinstance(dtype, pl.Enum):
        count = len(dtype.categories)
    else:
        highest = codes.max()
        count = 0 if highest is None else int(highest) + 1  # type: ignore[arg-type]
    if not 0 < count * _ROWS_EACH <= len(series):
        return None
    known = pl.int_range(count, eager=True).cast(codes.dtype)
    return known.cat.to(dtype).extend_constant(None, 1)
