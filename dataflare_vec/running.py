"""Steps over data of any kind that is in memory, and what became of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._typing import ON_ERROR
from dataflare_vec.config import BatchConfig, check_flag
from dataflare_vec.engine.execute import run_steps
from dataflare_vec.engine.result import BatchResult
from dataflare_vec.engine.scope import Scope
from dataflare_vec.engine.steps import bind_steps
from dataflare_vec.exceptions import ArgumentError
from dataflare_vec.frames import assemble, column_names, is_pandas_series, is_stream, to_polars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.engine.execute import Outcome
    from dataflare_vec.engine.runtime import Runtime
    from dataflare_vec.engine.steps import BoundStep, By
    from dataflare_vec.registry import Registry


def check_options(on_error: object, *, keep: object = True, config: object = None) -> None:
    """Raise if an option of a call is of a type, or has a value, that means nothing.

    Raises
    ------
    ValueError, TypeError
        Saying what it may be.
    """
    if on_error not in ON_ERROR:
        expected = '"raise", "null" or "drop"'
        raise ArgumentError(argument="on_error", expected=expected, got=repr(on_error))
    if keep is not True:  # most are: a call takes microseconds
        check_flag("keep", keep)
    if config is not None and not isinstance(config, BatchConfig):
        msg = f"`config` must be a BatchConfig, got {config!r}"
        raise TypeError(msg)


def run_data(
    data: Any,
    steps: Sequence[BoundStep],
    runtime: Runtime,
    keep: bool,  # noqa: FBT001
    on_error: str,
    config: BatchConfig | None,
    *,
    of_record: bool = False,
    state: Any = None,
) -> Outcome:
    """Run steps over a frame of any kind that is in memory, when it is its turn."""
    states = runtime.states
    if states is not None and states.of_records and not of_record:
        states.see_frame([step.plugin.name for step in steps])
    if states is None or not states.is_limited:
        return _run(data, steps, runtime, keep, on_error, config, of_record, state)
    with states.turn():
        return _run(data, steps, runtime, keep, on_error, config, of_record, state)


def _run(
    data: Any,
    steps: Sequence[BoundStep],
    runtime: Runtime,
    keep: bool,  # noqa: FBT001
    on_error: str,
    config: BatchConfig | None,
    of_record: bool,  # noqa: FBT001
    state: Any,
) -> Outcome:
    readers: Mapping[str, str] = {}
    if isinstance(data, pl.DataFrame):
        scope, frame = Scope.of_frame(data), data
    else:
        # Only columns that are read go to Polars; names are checked against all of them.
        names = column_names(data)
        readers = readers_of(steps, names)
        frame = to_polars(data, readers)
        scope = Scope(names, frame)
    scope.holds_all = True
    outcome = run_steps(
        steps,
        scope,
        frame,
        runtime,
        keep_data=keep,
        on_error=on_error,
        config=config,
        of_record=of_record,
        state=state,
    )
    if readers:
        outcome.reads = tuple(readers)
    return outcome


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
    data: Any,
    plugin: Any,
    registry: Registry,
    runtime: Runtime,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None,
    keep: bool,
    on_error: str,
    config: BatchConfig | None,
    bindings: Mapping[str, Any],
    by: By = None,
    state: Any = None,
    replace: bool = False,
) -> BatchResult:
    """Run a plugin or a pipeline over a frame, and say what became of its rows: see `dataflare_vec.run`."""
    started = time.perf_counter()
    check_options(on_error, keep=keep, config=config)
    in_memory = isinstance(data, pl.DataFrame) or not (is_stream(data) or is_pandas_series(data))
    if not in_memory or isinstance(data, (pl.LazyFrame, pl.Series)):
        msg = f"`run` needs a frame that is in memory, got {type(data).__name__}; use `apply`, or collect it"
        raise TypeError(msg)
    steps = bind_steps(registry, plugin, output, bindings, by, replace=replace)
    outcome = run_data(data, steps, runtime, keep, on_error, config, state=state)
    frame = assemble(data, outcome, keep=keep)
    return BatchResult(
        frame=frame,
        processed_count=outcome.rows,
        success_count=outcome.rows - outcome.failed,
        error_count=outcome.failed,
        filtered_count=outcome.filtered,
        processing_time=time.perf_counter() - started,
        max_error_details=(config or runtime.config).max_error_details,
        failures=outcome.failures,
        tuner=outcome.tuner,
        states=outcome.states,
    )
