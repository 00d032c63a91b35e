"""A plan over one Polars frame: columns out, rows remaining, rows failed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import groupby
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec._util.names import unnamed
from dataflare_vec.engine.execution import fast_path
from dataflare_vec.engine.execution.admission import admitted
from dataflare_vec.engine.execution.resume import before_rows, open_states
from dataflare_vec.engine.execution.run import Run
from dataflare_vec.engine.execution.threads import over_chunks
from dataflare_vec.engine.planning.kept import plan_for
from dataflare_vec.engine.planning.plan import column_dtypes
from dataflare_vec.engine.stages.direct import SomeFailed
from dataflare_vec.engine.stages.expression import spread
from dataflare_vec.engine.stages.failures import GO_ON, ROW, Failures, explain
from dataflare_vec.exceptions import RowError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from dataflare_vec.engine.execution.resume import OpenStates
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.stages.protocols import Stage
    from dataflare_vec.engine.stages.scope import ColumnScope
    from dataflare_vec.engine.tuner import TracedTuner

    Planner = Callable[[Request, ColumnScope], Plan]

_log = get_logger(__name__)

#: Failed rows that an error message names.
_SHOWN_ROWS = 5


class InPlace(NamedTuple):
    """That rows keep their places, whatever becomes of them; what isn't computed is null."""

    selected: pl.Series | None = None  # which rows are to be computed at all; None for all


@dataclass(slots=True)
class Outcome:
    """What a plan made of a frame.

    Attributes
    ----------
    series
        The new columns, named; of the rows that remain.
    remaining
        Which rows of the data stay: a Boolean Series, or None for all.
    failures
        The stages on which rows failed, with those rows.
    rows, filtered
        Rows that came in, and those that filters took out (failed ones not counted).
    tuner
        What chose the chunk sizes; None if nothing was cut.
    reduced
        Whether the columns stand for all rows together, or for keys, and not for the rows of the data.
    states
        What stages have carried.
    reads
        The columns of the data that were read, where that isn't a Polars frame.
    owns_columns
        Whether nothing else refers to the memory of the new columns.
    selected
        Of rows that keep their places: which of them went through all stages; None for all.
    """

    series: list[pl.Series]
    remaining: pl.Series | None
    failures: list[Failures]
    rows: int
    filtered: int
    tuner: TracedTuner | None = None
    reduced: bool = False
    states: OpenStates | None = None
    reads: Collection[str] = ()
    owns_columns: bool = False
    selected: pl.Series | None = None

    @property
    def failed(self) -> int:
        """How many rows failed."""
        return sum(one.count for one in self.failures)


def run_steps(
    request: Request,
    scope: ColumnScope,
    frame: pl.DataFrame,
    planner: Planner = plan_for,
    in_place: InPlace | None = None,
) -> Outcome:
    """Plan the steps of a request and run them over a frame, under the eyes of the runtime's states.

    Parameters
    ----------
    planner
        What makes the plan, or knows it: a `RepeatedPlan` for one batch of many.
    in_place
        Keep all rows, those too that filters don't want; for steps none of which needs all rows at once.

    Raises
    ------
    RowError
        If rows failed and ``on_error="raise"``.
    PluginError
        If something doesn't fit, or a plugin is disabled.
    """
    states = request.runtime.states
    if states is None:
        return _execute(planner(request, scope), scope, frame, request, in_place)
    names = request.names
    states.begin(names)
    try:
        plan = planner(request, scope)
        for name in names:
            states.see(name, plan.dtypes[name], of_record=request.of_record)
        outcome = _execute(plan, scope, frame, request, in_place)
    except BaseException as error:
        failed = states.end(names, error)
        for step in request.steps:
            if step.plugin.name == failed:
                states.see_failure(failed, column_dtypes(step, scope))
        raise
    states.end(names)
    return outcome


def _execute(
    plan: Plan, scope: ColumnScope, frame: pl.DataFrame, request: Request, in_place: InPlace | None
) -> Outcome:
    is_scan = plan.stateful and plan.reduces is None
    states = open_states(plan, request.state) if is_scan or request.state is not None else None
    some_fail = False
    selects = in_place is not None and in_place.selected is not None
    put_back = before_rows(states, plan, request.state) if states else None
    try:
        computed = None
        if not selects and (put_back is not None or not states):
            computed = fast_path.compute(plan, scope, frame.height, request, states)
        if computed is not None:
            series, remaining, tuner = computed
            gives_kept = plan.direct is not None and plan.direct.gives_kept
            if remaining is not None and gives_kept is (in_place is not None):
                series = [spread(one, remaining) if gives_kept else one.filter(remaining) for one in series]
            filtered = 0 if remaining is None else frame.height - int(remaining.sum())
            return Outcome(
                series,
                remaining,
                [],
                frame.height,
                filtered,
                tuner,
                states=states,
                owns_columns=plan.owns_columns,
                selected=remaining,
            )
        reduced = None if in_place is not None else fast_path.reduce(plan, scope, frame.height, request)
    except SomeFailed:
        some_fail, reduced = True, None
    if reduced is not None:
        return _reduced(plan, frame.height, request, *reduced)
    states = open_states(plan, None) if states is None else put_back() if put_back is not None else states
    with admitted(plan.stages, frame.height, request.runtime) as mine:
        execution = _Execution(plan, scope, frame, request._replace(runtime=mine), states)
        if in_place is not None:
            return execution.in_place(in_place, some_fail=some_fail)
        if not plan.needs_all_rows:
            execution.by_chunks(plan.stages, some_fail=some_fail)
            return execution.finish()
        for _, group in groupby(plan.stages, lambda stage: stage.index if stage.needs_all_rows else -1):
            stages = list(group)
            if execution.started:
                execution.move_on()
            if stages[0].needs_all_rows:
                execution.run_on_all_rows(stages[0])
            else:
                execution.by_chunks(stages)
        return execution.finish()


def _reduced(
    plan: Plan, rows: int, request: Request, states: OpenStates, filtered: int, tuner: TracedTuner | None
) -> Outcome:
    """Return what comes of the state of all rows."""
    assert plan.reduces is not None
    series = plan.reduces.result(states, request.runtime.pool, request.on_error)
    return Outcome(
        series,
        None,
        [],
        rows,
        filtered,
        tuner,
        reduced=True,
        states=states,
        owns_columns=plan.owns_columns,
    )


class _Execution:
    """The state between two segments of a plan: stages by chunks, or one that has to see all rows."""

    def __init__(
        self, plan: Plan, scope: ColumnScope, frame: pl.DataFrame, request: Request, states: OpenStates
    ) -> None:
        self._states = states
        self.started = False
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
        self._last_remaining: pl.Series | None = None  # the same, of the rows before the last segment
        self._selected: pl.Series | None = None  # which of those that are still there haven't failed

    def by_chunks(self, stages: Sequence[Stage], *, some_fail: bool = False) -> None:
        """Run stages chunk by chunk; it may be known that some rows fail."""
        config, runtime = self._config, self._runtime
        input_rows = None if self._remaining is None else self._remaining.arg_true()
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
        """Run all stages chunk by chunk, and say what became of the rows, which keep their places."""
        self._in_place, self._selected = True, places.selected
        self.by_chunks(self._plan.stages, some_fail=some_fail)
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

    def run_on_all_rows(self, stage: Stage) -> None:
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
        self.started = True
        self._new.update(results)
        self._last_remaining = remaining
        if self._in_place:
            self._remaining = remaining
        elif remaining is not None:
            self._new = {name: series.filter(remaining) for name, series in self._new.items()}
            selected = None if selected is None else selected.filter(remaining)
            if self._remaining is None:
                self._remaining = remaining
            else:
                still = self._remaining.arg_true().filter(remaining)
                none = pl.Series([False]).new_from_index(0, self._rows)
                self._remaining = none.scatter(still, True)
        self._selected = selected

    def move_on(self) -> None:
        """Make the frame that the next segment sees."""
        frame = self._frame if self._last_remaining is None else self._frame.filter(self._last_remaining)
        self._frame = frame = frame.with_columns(*self._new.values())
        self._column, self._rows_now = frame.get_column, frame.height

    def _finish_rows(self) -> None:
        if self._failures and self._on_error == "raise":
            raise _row_error(self._failures, self._rows)
        for stage in self._plan.stages:
            stage.close()

    def finish(self) -> Outcome:
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
        filtered = 0
        if self._remaining is not None:
            there = int(self._remaining.sum())
            shown_failed = 0 if self._selected is None else there - int(self._selected.sum())
            filtered = self._rows - there - (failed - shown_failed)
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


def _row_error(failures: Sequence[Failures], height: int) -> RowError:
    """Return the error that names the stage of the lowest failed row, and the first rows."""
    firsts = [(one.first(_SHOWN_ROWS), one) for one in failures]
    sample, first = min(firsts, key=lambda pair: pair[0][ROW][0])
    count = sum(one.count for one in failures)
    rows = sorted(row for shown, _ in firsts for row in shown[ROW])[:_SHOWN_ROWS]
    cause = next(explain(first.stage, sample.head(1)))
    name = first.stage.binding.plugin.name
    return RowError(plugin=name, count=count, total=height, rows=rows, cause=cause, hint=GO_ON)
