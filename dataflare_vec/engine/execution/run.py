"""One run: stages over the rows of a frame, chunk by chunk, on several threads."""

from __future__ import annotations

import threading
from time import perf_counter
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec.arrow.columns import Bitmap, InputColumn
from dataflare_vec.engine.stages.failures import Failures
from dataflare_vec.engine.stages.fused import FusedPipeline
from dataflare_vec.engine.stages.protocols import Chunk
from dataflare_vec.engine.stages.sequencer import Sequencer, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dataflare_vec._typing import OnError
    from dataflare_vec.arrow.columns import ColumnBuilder
    from dataflare_vec.arrow.layouts import Layout
    from dataflare_vec.engine.stages.protocols import Placed, Replayable, Stage
    from dataflare_vec.engine.state.store import StateStore
    from dataflare_vec.memory import MemoryPool


class Run:
    """What the stages of a pipeline share while they run over one frame.

    A row that a filter didn't want, or that failed, is no longer *selected*: later stages don't compute it,
    and its results are null. Rows keep their places until the run is over.

    Parameters
    ----------
    stages
        Stages that can be run chunk by chunk, at least one.
    rows
        How many there are.
    column
        Returns a column of the data.
    pool
        Where outputs come from.
    max_error_details
        Of how many failed rows of a stage the values are kept.
    selected
        Which rows are to be computed at all; None for all.
    input_rows
        Which rows of the input the frame's rows are, if they aren't the same.
    states
        What stages carry from row to row, by the names that they have in the plan.

    Attributes
    ----------
    pool, lock, sequencer, states, rows, written, placed, outputs, failures
        See `Surroundings`.
    version : int
        Changes with what loops have to be told: bitmaps that came into being, stages that see a selection.
    times : list of tuple
        Index of the stage, rows and seconds, for each chunk.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        rows: int,
        column: Callable[[str], pl.Series],
        pool: MemoryPool,
        max_error_details: int,
        *,
        selected: pl.Series | None = None,
        input_rows: pl.Series | None = None,
        states: Mapping[str, StateStore] | None = None,
    ) -> None:
        self.pool = pool
        self.states = states or {}
        self.sequencer = Sequencer()
        self.lock = threading.Lock()
        self.rows = rows
        self.column = column
        self.written: set[str] = set()
        self.placed: dict[int, list[Placed]] = {}
        self.outputs: dict[int, list[ColumnBuilder]] = {}
        self.failures: dict[int, Failures] = {}
        self.times: list[tuple[int, int, float]] = []
        self.version = 0
        self._max_error_details = max_error_details
        self._input_rows = input_rows
        self._columns: dict[tuple[str, Layout], InputColumn] = {}
        self._collected: dict[str, dict[int, pl.Series]] = {}
        self._selection: Bitmap | None = None
        self._selecting_from = stages[-1].index + 1  # the first stage that may see unselected rows
        if selected is not None:
            self._select_from(stages[0].index).put(0, selected)
        self._stages: list[Stage] = []
        for stage in stages:
            self._stages.append(stage.open(self))
            if stage.is_filter:
                self._select_from(stage.index + 1)
            self.written.update(stage.writes)
        fusable = [part for stage in self._stages if (part := stage.fusable()) is not None]
        contiguous = all(len(column.starts) == 1 for column in self._columns.values())
        self._fusable = fusable if contiguous and len(fusable) == len(stages) else None
        self._fused: dict[int, FusedPipeline] = {}  # by thread

    def expect(self, stage: Replayable) -> None:
        """Keep a record of the rows that a stage fails on."""
        self.failures[stage.index] = Failures(stage, self._max_error_details, self._input_rows)

    def input(self, name: str, layout: Layout) -> InputColumn:
        """Return a column of the data for compiled loops, the same for all that read it so."""
        column = self._columns.get((name, layout))
        if column is None:
            column = self._columns[name, layout] = InputColumn(self.column(name), layout)
        return column

    def alone(self, stage: Stage, column: pl.Series) -> list[pl.Series] | None:
        """Return what a stage that reads one column makes of another; None if it fails for some row.

        Of a filter that is which rows it keeps.
        """
        run = Run([stage], len(column), lambda _: column, self.pool, 0)
        run.compute(0, run.rows)
        if any(failures.count for failures in run.failures.values()):
            return None
        if not stage.is_filter:
            return run.results(stage)
        selected = run.selected()
        return [] if selected is None else [selected]

    def compute(self, start: int, stop: int) -> None:
        """Pass a range of rows through all stages, while it is in cache."""
        try:
            self._compute(start, stop)
        except Stopped:
            return  # the thread that failed says why
        except BaseException:
            self.sequencer.stop()
            raise

    def _compute(self, start: int, stop: int) -> None:
        done = start
        if self._fusable is not None and not any(failures.often for failures in self.failures.values()):
            me = threading.get_ident()
            fused = self._fused.get(me)
            if fused is None or fused.version != self.version:
                fused = self._fused[me] = FusedPipeline(self, self._fusable, start)
            done = fused.run(self, start, stop)
        if done < stop:
            self._stage_by_stage(done, stop)

    def _stage_by_stage(self, start: int, stop: int) -> None:
        chunk = Chunk(self, start, stop)
        began = perf_counter()
        for stage in self._stages:
            rows = self.count_selected(stage.index, start, stop)
            stage.run(chunk)
            ended = perf_counter()
            self.times.append((stage.index, rows, ended - began - self.sequencer.pop_waited()))
            began = ended

    def series(self, name: str, start: int, stop: int) -> pl.Series:
        """Return some rows of a column of the data."""
        return self.column(name)[start:stop]

    def collect(self, name: str, start: int, values: pl.Series) -> None:
        """Keep what a stage computed for a chunk."""
        with self.lock:
            self._collected.setdefault(name, {})[start] = values

    def results(self, stage: Stage) -> list[pl.Series]:
        """Return the columns of a stage, after all chunks are done."""
        if stage.index in self.outputs:
            targets = self.outputs[stage.index]
            return [target.to_series(name) for name, target in zip(stage.writes, targets, strict=True)]
        results = []
        for name, dtype in stage.writes.items():
            chunks = self._collected.get(name, {})
            series = [chunks[start] for start in sorted(chunks)]
            results.append(pl.concat(series).alias(name) if series else pl.Series(name, dtype=dtype))
        return results

    # -- which rows are still wanted ------------------------------------------------------------------------

    def is_selecting(self, index: int) -> bool:
        """Whether a stage may see rows that it isn't to compute."""
        return index >= self._selecting_from

    def count_selected(self, index: int, start: int, stop: int) -> int:
        """Return how many rows a stage is to compute."""
        selection = self.selection(index, start, stop)
        return stop - start if selection is None else int(selection.sum())

    def selection(self, index: int, start: int, stop: int) -> pl.Series | None:
        """Return which rows a stage is to compute; None for all."""
        if self._selection is None or not self.is_selecting(index):
            return None
        return self._selection.slice(start, stop)

    def selection_arguments(self, row: int) -> tuple[int, int]:
        """Return address and bit offset of the selection, for a loop that starts at ``row``."""
        return (0, 0) if self._selection is None else (self._selection.address, row)

    def select(self, stage: Stage, start: int, mask: pl.Series) -> None:
        """Take rows out of the selection: those for which ``mask`` isn't true."""
        with self.lock:
            selection = self._select_from(stage.index + 1)
        selected = selection.slice(start, start + len(mask))
        selection.put(start, mask.fill_null(value=False) & selected)

    def _select_from(self, index: int) -> Bitmap:
        if self._selection is None:
            self._selection = Bitmap(self.pool, self.rows, ones=True)
        if index < self._selecting_from:
            self._selecting_from = index
            self.version += 1
        return self._selection

    def need_validity(self, targets: Sequence[ColumnBuilder]) -> None:
        """Have validity bitmaps for the outputs of a stage."""
        if not all(target.has_nulls for target in targets):
            with self.lock:
                self.version += 1
                for target in targets:
                    target.need_validity()

    def expect_failures(self, stage: Stage, targets: Sequence[ColumnBuilder]) -> Bitmap:
        """Have all that an error-recording loop writes to; return the bitmap of failed rows."""
        with self.lock:
            failures = self.failures[stage.index]
            if failures.bitmap is None:
                failures.bitmap = Bitmap(self.pool, self.rows, ones=False)
                self.version += 1
            self._select_from(stage.index + 1)
            for target in targets:
                target.need_validity()
            return failures.bitmap

    # -- when all chunks are done ---------------------------------------------------------------------------

    def selected(self) -> pl.Series | None:
        """Return which rows went through all stages; None for all."""
        return None if self._selection is None else self._selection.slice(0, self.rows)

    def remaining(self, on_error: OnError) -> pl.Series | None:
        """Return which rows there are in the result; None for all.

        A failed row stays under ``on_error="null"``, unless there is a filter at its stage or after: its null
        isn't true.
        """
        selected = self.selected()
        filters = [stage.index for stage in self._stages if stage.is_filter]
        if selected is None or (on_error == "null" and not filters):
            return None
        if on_error == "null":
            for index, failures in self.failures.items():
                if failures.bitmap is not None and index > filters[-1]:
                    selected = selected | failures.bitmap.slice(0, self.rows)
        return selected
