"""What the stages of a pipeline have in common, and the chunk that they are run on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.engine.columns import InputColumn, OutputColumn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.definition import Plugin
    from dataflare_vec.engine.run import Run
    from dataflare_vec.layouts import Layout

#: A column and the row of the frame that its first row stands for.
Placed = tuple[InputColumn | OutputColumn, int]


class Stage(ABC):
    """One step of a pipeline, ready to be run on chunk after chunk, by several threads.

    Attributes
    ----------
    plugin : Plugin or None
        None for an expression that a parameter is bound to.
    index : int
        Its place in the pipeline.
    reads : sequence of str
        Names of the columns it reads.
    writes : dict
        Names and dtypes of the columns it adds.
    kept : bool
        Whether those come back, or are only for later stages.
    whole : bool
        Whether it has to see all rows at once.
    is_filter : bool
        Whether it selects rows instead of adding columns.
    in_order : bool
        Whether a chunk has to wait for the one before it.
    is_sequential : bool
        Whether it is in order so strictly that a second thread would only wait.
    """

    plugin: Plugin | None
    index: int = 0
    reads: Sequence[str]
    writes: Mapping[str, Any]
    kept: bool
    whole: bool = False
    is_filter: bool = False
    in_order: bool = False
    is_sequential: bool = False

    @abstractmethod
    def run(self, chunk: Chunk) -> None:
        """Compute the chunk's rows."""


class Chunk:
    """A range of rows on its way through the stages, with the columns that exist only for it."""

    __slots__ = ("_columns", "local", "run", "start", "stop")

    def __init__(self, run: Run, start: int, stop: int) -> None:
        self.run = run
        self.start = start
        self.stop = stop
        self.local: dict[str, pl.Series | Placed] = {}
        self._columns: dict[tuple[str, Layout], InputColumn] = {}  # of those that are Series

    def column(self, name: str, layout: Layout) -> Placed:
        """Return a column for a compiled loop."""
        local = self.local.get(name)
        if local is None:
            return self.run.columns[name, layout], 0
        if not isinstance(local, pl.Series) and local[0].layout == layout:
            return local
        column = self._columns.get((name, layout))
        if column is None:
            # A list isn't read as it is written.
            series = local if isinstance(local, pl.Series) else self.series(name)
            column = self._columns[name, layout] = InputColumn(series.rechunk(), layout)
        return column, self.start

    def series(self, name: str) -> pl.Series:
        """Return the chunk's rows of a column."""
        local = self.local.get(name)
        if isinstance(local, pl.Series):
            return local
        if local is not None:
            column, shift = local
            return column.slice(self.start - shift, self.stop - shift)
        return self.run.series(name, self.start, self.stop)

    def selection(self, stage: Stage) -> pl.Series | None:
        """Return which rows a stage is to compute; None for all."""
        return self.run.selection(stage.index, self.start, self.stop)

    def hold(self, name: str, values: pl.Series | Placed) -> None:
        """Have later stages read a column of this chunk, also where an earlier one was called so."""
        if name in self.local:
            self._columns = {key: column for key, column in self._columns.items() if key[0] != name}
        self.local[name] = values

    def put(self, stage: Stage, name: str, values: pl.Series) -> None:
        """Add a column that was computed for this chunk."""
        self.hold(name, values)
        if stage.kept:
            self.run.collect(name, self.start, values)
