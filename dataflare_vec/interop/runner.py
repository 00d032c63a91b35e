"""Steps over data of any kind that is in memory, and what became of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.engine.execution.execute import run_steps
from dataflare_vec.engine.execution.result import BatchResult
from dataflare_vec.engine.planning.kept import plan_for
from dataflare_vec.engine.planning.request import ask
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.interop import assemble, column_names, is_pandas_series, is_stream, to_polars

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from typing_extensions import Unpack

    from dataflare_vec.definition.registry import Registry
    from dataflare_vec.engine.context.runtime import Runtime
    from dataflare_vec.engine.execution.execute import Planner
    from dataflare_vec.engine.execution.outcome import InPlace, Outcome
    from dataflare_vec.engine.planning.request import CallOptions, Request
    from dataflare_vec.engine.planning.steps import BoundStep


def run_data(
    data: Any, request: Request, planner: Planner = plan_for, in_place: InPlace | None = None
) -> Outcome:
    """Run the steps of a request over a frame of any kind that is in memory, when it is its turn.

    Parameters
    ----------
    planner, in_place
        As of `run_steps`.
    """
    states = request.runtime.states
    if states is not None:
        if states.of_records and not request.of_record:
            states.see_frame(request.names)
        if states.is_limited:
            with states.turn():
                return _run(data, request, planner, in_place)
    return _run(data, request, planner, in_place)


def _run(data: Any, request: Request, planner: Planner, in_place: InPlace | None) -> Outcome:
    scope, frame, reads = scope_of(data, request.steps)
    outcome = run_steps(request, scope, frame, planner, in_place)
    outcome.reads = reads
    return outcome


def scope_of(data: Any, steps: Sequence[BoundStep]) -> tuple[ColumnScope, pl.DataFrame, Collection[str]]:
    """Return the columns that steps can read of a frame of any kind, and those that they do, for Polars.

    Of a frame that isn't Polars' only the latter are converted, and named; plugins, and names that are given,
    are checked against all of them.
    """
    if isinstance(data, pl.DataFrame):
        scope, frame, readers = ColumnScope(data), data, {}
    else:
        names = column_names(data)
        readers = readers_of(steps, names)
        frame = to_polars(data, readers)
        scope = ColumnScope(frame, names)
    scope.holds_all = True
    return scope, frame, readers


def apply_to(data: Any, request: Request) -> Any:
    """Return what a request makes of a frame that is in memory, of the same kind."""
    return assemble(data, run_data(data, request), keep=request.keep)


def readers_of(steps: Sequence[BoundStep], names: Sequence[str]) -> dict[str, str]:
    """Return those of the data's columns that steps read, each with the first plugin that does."""
    readers: dict[str, str] = {}
    reads = [(step.plugin.name, step.column_names) for step in steps]
    for name in names:
        for plugin, some in reads:
            if some is None or name in some:
                readers.setdefault(name, plugin)
                break
    return readers


def run_batch(
    data: Any, plugin: Any, registry: Registry, runtime: Runtime, **options: Unpack[CallOptions]
) -> BatchResult:
    """Run a plugin or a pipeline over a frame, and say what became of its rows: see `dataflare_vec.run`."""
    started = time.perf_counter()
    request = ask(registry, runtime, plugin, **options)
    in_memory = isinstance(data, pl.DataFrame) or not (is_stream(data) or is_pandas_series(data))
    if not in_memory or isinstance(data, (pl.LazyFrame, pl.Series)):
        msg = f"`run` needs an in-memory frame, got {type(data).__name__}; use `apply`, or collect it"
        raise TypeError(msg)
    outcome = run_data(data, request)
    frame = assemble(data, outcome, keep=request.keep)
    return BatchResult(
        frame=frame,
        processed_count=outcome.rows,
        success_count=outcome.rows + outcome.added - outcome.failed,
        error_count=outcome.failed,
        filtered_count=outcome.filtered,
        added_count=outcome.added,
        processing_time=time.perf_counter() - started,
        max_error_details=request.settings.max_error_details,
        failures=outcome.failures,
        tuner=outcome.tuner,
        states=outcome.states,
        state_count=0 if outcome.states is None else outcome.states.count,
        expired_count=0 if outcome.states is None else outcome.states.expired,
    )
