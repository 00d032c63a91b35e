"""The stages of a plan over one frame, segment by segment: by chunks, or one that has to see all rows."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec._util.names import unnamed
from dataflare_vec.definition.interpreter import plain_numbers
from dataflare_vec.engine.execution.outcome import InPlace, Outcome
from dataflare_vec.engine.execution.run import Run
from dataflare_vec.engine.execution.threads import over_chunks
from dataflare_vec.engine.stages.explosion import exploded
from dataflare_vec.engine.stages.failures import GO_ON, ROW, Failures, explain
from dataflare_vec.exceptions import RowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dataflare_vec.engine.execution.resume import OpenStates
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.stages.protocols import Explosion, Stage
    from dataflare_vec.engine.stages.scope import ColumnScope
    from dataflare_vec.engine.tuner import TracedTuner

    Planner = Callable[[Request, ColumnScope], Plan]

_log = get_logger(__name__)

#: Failed rows that an error message names.
_SHOWN_ROWS = 5


class Execution:
    """The state between two segments of a plan: stages by chunks, or one that has to see all rows."""

    def __init__(
        self, plan: Plan, scope: ColumnScope, frame: pl.DataFrame, request: Request, states: OpenStates
    ) -> None:
        self._states = states
        self._started = False
        self._in_place = False
        self._plan = plan
        self._rows = frame.height
        self._frame = frame
        self._column = scope.column
        self._rows_now = frame.height
        self._runtime = request.runtime
        self._on_error = request.on_error
        self._config = request.settings
        self._new: dict[str, pl.Series] = {}
        self._failures: list[Failures] = []
        self._tuner: TracedTuner | None = None
        self._remaining: pl.Series | None = None  # which rows of the input are still there
        self._source: pl.Series | None = None  # of which of these each row is, once there are others
        self._added = 0
        self._last_remaining: pl.Series | None = None  # what remains of the rows before the last segment
        self._last_source: pl.Series | None = None  # of which of those each row is
        self._selected: pl.Series | None = None  # which of those that are still there haven't failed

    def by_segments(self, *, some_fail: bool) -> Outcome:
        """Run all stages, and say what became of the rows; it may be known that some fail."""
        for stages in _segments(self._plan.stages):
            self._run(stages, some_fail=some_fail)
        return self._finish()

    def _run(self, stages: Sequence[Stage], *, some_fail: bool) -> None:
        """Run a segment over what there is after those before it."""
        if self._started:
            self._move_on()
        if stages[0].needs_all_rows:
            self._run_on_all_rows(stages[0])
        else:
            self._by_chunks(stages, some_fail=some_fail)
        self._started = True
        explosion = stages[-1].explosion
        if explosion is not None:
            self._explode(explosion)

    def _by_chunks(self, stages: Sequence[Stage], *, some_fail: bool) -> None:
        """Run stages chunk by chunk; it may be known that some rows fail."""
        config, runtime = self._config, self._runtime
        input_rows = self._source
        if input_rows is None and self._remaining is not None:
            input_rows = self._remaining.arg_true()
        run = Run(
            stages,
            self._rows_now,
            self._column,
            runtime.pool,
            config.max_error_details,
            selected=self._selected,
            input_rows=input_rows,
            states=self._states,
        )
        for failures in run.failures.values():
            failures.often = some_fail
        for stage in stages:
            stage.take_up(self._states, run.rows)
        threads, began = 0, perf_counter()
        if run.rows:
            tuner = self._tuner = runtime.tuner(stages, config)
            try:
                threads = 1 if all(stage.is_sequential for stage in stages) else config.threads
                with tuner.lock:
                    threads = tuner.threads_for(run.rows, threads)
                threads = over_chunks(runtime.part(run.compute), run.rows, tuner, threads)
            except RowError as error:  # of a column kernel: it says nothing about single rows
                runtime.count(stages, run.times, run.failures)
                if runtime.metrics is not None and error.plugin is not None:
                    runtime.metrics.fail(error.plugin, error.count)
                raise
            if _log.isEnabledFor(logging.DEBUG):
                _log_chunks(stages, run, tuner)
        self._failures += [one for one in run.failures.values() if one.count]
        results = {s.name: s for stage in stages if stage.in_result for s in run.results(stage)}
        self._settle(results, run.remaining(self._on_error), run.selected())
        runtime.count(stages, run.times, run.failures)
        if threads:  # with what comes after the chunks: other threads may still want the interpreter's lock
            with tuner.lock:
                tuner.record_frame(run.rows, threads, perf_counter() - began)

    def in_place(self, places: InPlace, *, some_fail: bool) -> Outcome:
        """Run all stages, and say what became of the rows, which keep their places if each stays one."""
        self._selected = places.selected
        if self._plan.explodes:
            return self.by_segments(some_fail=some_fail)
        self._in_place = True
        self._by_chunks(self._plan.stages, some_fail=some_fail)
        self._finish_rows()
        reduced = self._plan.reduces is not None  # of many batches: what comes of them is asked for later
        series = [] if reduced else [self._new[name] for name in self._plan.new]
        left = self._rows if self._remaining is None else int(self._remaining.sum())
        return Outcome(
            series,
            self._remaining,
            self._failures,
            self._rows,
            self._rows - left,
            self._tuner,
            reduced,
            self._states,
            selected=self._selected,
        )

    def _run_on_all_rows(self, stage: Stage) -> None:
        """Run a stage on all rows at once."""
        began = perf_counter()
        selected = self._selected
        values = stage.evaluate(self._frame)
        if stage.is_filter:
            values = unnamed(values).fill_null(value=False)
            remaining = values if selected is None else values & selected
            self._settle({}, remaining, selected)
        else:
            if selected is not None:
                values = pl.select(pl.when(selected).then(values)).to_series()
            self._settle({name: values.alias(name) for name in stage.writes}, None, selected)
        elapsed = perf_counter() - began
        self._runtime.count([stage], [(stage.index, self._frame.height, elapsed)], {})

    def _settle(
        self, results: dict[str, pl.Series], remaining: pl.Series | None, selected: pl.Series | None
    ) -> None:
        self._new.update(results)
        self._last_remaining, self._last_source = remaining, None
        if self._in_place:
            self._remaining = remaining
        elif remaining is not None:
            self._new = {name: series.filter(remaining) for name, series in self._new.items()}
            selected = None if selected is None else selected.filter(remaining)
            if self._source is not None:
                self._source = self._source.filter(remaining)
            elif self._remaining is None:
                self._remaining = remaining
            else:
                still = self._remaining.arg_true().filter(remaining)
                none = pl.Series([False]).new_from_index(0, self._rows)
                self._remaining = none.scatter(still, True)
        self._selected = selected

    def _explode(self, explosion: Explosion) -> None:
        """Make rows of the lists that the last stage has written."""
        rows, items = exploded(explosion, self._new, self._selected)
        before = len(self._new[next(iter(explosion.columns))])
        new = {name: column for name, column in self._new.items() if name not in explosion.columns}
        # A name that is there already is replaced, at its place.
        self._new = {name: column.gather(rows) for name, column in new.items() if name not in items}
        self._new.update(items)
        self._added += len(rows) - before
        self._last_source = rows
        if self._source is None and self._remaining is not None:
            self._source, self._remaining = self._remaining.arg_true(), None
        self._source = rows if self._source is None else self._source.gather(rows)
        self._selected = None if self._selected is None else self._selected.gather(rows)

    def _move_on(self) -> None:
        """Make the frame that the next segment sees."""
        frame = self._frame if self._last_remaining is None else self._frame.filter(self._last_remaining)
        if self._last_source is not None:
            frame = frame[self._last_source]
        self._frame = frame = frame.with_columns(*self._new.values())
        self._column, self._rows_now = frame.get_column, frame.height

    def _finish_rows(self) -> None:
        if self._failures and self._on_error == "raise":
            # After an explode there may be more failed rows than rows of the data.
            raise _row_error(self._failures, None if self._plan.explodes else self._rows)
        for stage in self._plan.stages:
            stage.close()

    def _finish(self) -> Outcome:
        """Say what became of the rows."""
        self._finish_rows()
        reduces = self._plan.reduces
        if reduces is None:
            series = [self._new[name] for name in self._plan.new]
        elif self._states.more_follows:
            series = []  # `finish` may well fail on the state of some of the rows
        else:
            series = reduces.result(self._states, self._runtime.pool, self._on_error)
        failed = sum(one.count for one in self._failures)
        filtered, there = 0, None
        if self._source is not None:
            there = len(self._source)
        elif self._remaining is not None:
            there = int(self._remaining.sum())
        if there is not None:
            shown_failed = 0 if self._selected is None else there - int(self._selected.sum())
            filtered = self._rows + self._added - there - (failed - shown_failed)
        return Outcome(
            series,
            self._remaining,
            self._failures,
            self._rows,
            filtered,
            self._tuner,
            reduces is not None,
            self._states,
            owns_columns=self._plan.owns_columns,
            selected=self._selected,
            source=self._source,
            added=self._added,
        )


def _log_chunks(stages: Sequence[Stage], run: Run, tuner: TracedTuner) -> None:
    sizes = [rows for index, rows, _ in run.times if index == stages[0].index]
    busy = sum(elapsed for _, _, elapsed in run.times)
    names = " → ".join(f"`{stage.plugin.name}`" for stage in stages if stage.plugin is not None)
    _log.debug(
        "%s: %d rows in %d chunks of %d to %d rows, %.3f ms in all; best size %d rows (%s)",
        names,
        run.rows,
        len(sizes),
        min(sizes),
        max(sizes),
        busy * 1e3,
        tuner.best_size,
        type(tuner).__name__,
    )


def _row_error(failures: Sequence[Failures], height: int | None) -> RowError:
    """Return the error that names the stage of the lowest failed row, and the first rows."""
    firsts = [(one.first(_SHOWN_ROWS), one) for one in failures]
    sample, first = min(firsts, key=lambda pair: pair[0][ROW][0])
    count = sum(one.count for one in failures)
    rows = sorted({row for shown, _ in firsts for row in shown[ROW]})[:_SHOWN_ROWS]
    cause = next(explain(first.stage, sample.head(1)))
    name = first.stage.binding.plugin.name
    with plain_numbers():
        return RowError(plugin=name, count=count, total=height, rows=rows, cause=cause, hint=GO_ON)


def _segments(stages: Sequence[Stage]) -> Iterator[Sequence[Stage]]:
    """Yield stages that run together: one that needs all rows, or others, up to one that changes the rows."""
    segment: list[Stage] = []
    for stage in stages:
        if stage.needs_all_rows and segment:
            yield segment
            segment = []
        segment.append(stage)
        if stage.needs_all_rows or stage.explosion is not None:
            yield segment
            segment = []
    if segment:
        yield segment
