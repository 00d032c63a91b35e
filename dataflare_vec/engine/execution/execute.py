"""A plan over one Polars frame: columns out, rows remaining, rows failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflare_vec.engine.execution import fast_path
from dataflare_vec.engine.execution.admission import admitted
from dataflare_vec.engine.execution.outcome import InPlace, Outcome
from dataflare_vec.engine.execution.resume import before_rows, open_states
from dataflare_vec.engine.execution.segments import Execution
from dataflare_vec.engine.planning.kept import plan_for
from dataflare_vec.engine.planning.plan import column_dtypes
from dataflare_vec.engine.stages.direct import SomeFailed
from dataflare_vec.engine.stages.expression import spread

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from dataflare_vec.engine.execution.resume import OpenStates
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.stages.scope import ColumnScope
    from dataflare_vec.engine.tuner import TracedTuner

    Planner = Callable[[Request, ColumnScope], Plan]


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
        execution = Execution(plan, scope, frame, request._replace(runtime=mine), states)
        if in_place is not None:
            return execution.in_place(in_place, some_fail=some_fail)
        return execution.by_segments(some_fail=some_fail)


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
