"""The fast path: stages over rows that one call of compiled code computes, or one for each of them.

A call on a few thousand rows is mostly the Python round it. What a run of many chunks has to keep ready (a
selection, failed rows, chunks to hand out) takes longer to make than the rows take to compute. Longer frames,
of milliseconds, compiled code shares out among threads by itself.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec.compiler.native import watch as watch  # provides it to `interrupts`
from dataflare_vec.engine.execution.admission import admitted
from dataflare_vec.engine.execution.resume import open_states
from dataflare_vec.engine.stages.chain import Chain
from dataflare_vec.engine.stages.direct_scan import DirectScan
from dataflare_vec.engine.tuner import WholeFrames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.engine.execution.resume import OpenStates
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.stages.direct import Direct, Times
    from dataflare_vec.engine.stages.direct_reduce import DirectReduce
    from dataflare_vec.engine.stages.scope import ColumnScope
    from dataflare_vec.engine.tuner import Cut, TracedTuner

    #: New columns, which rows of the data remain if not all, and what said how they are cut.
    Computed = tuple[list[pl.Series], pl.Series | None, TracedTuner | None]

    #: What a reduce carries after all rows, how many of these filters took out, and the tuner.
    Reduced = tuple[OpenStates, int, TracedTuner | None]

_log = get_logger(__name__)

#: Rows that are never cut into chunks.
FEW_ROWS = 1024

#: Rows whose column has memory of its own, up to a MiB, which allocators keep at hand: of several columns so
#: many rows in all. Fewer if each byte is to be counted.
OWN_ROWS = 1 << 17

#: Rows that a pipeline whose loops aren't fused takes as a whole: what one kernel writes is still in cache
#: when the next one reads it.
PIPELINE_ROWS = 1 << 14


def compute(
    plan: Plan, scope: ColumnScope, rows: int, request: Request, states: OpenStates | None = None
) -> Computed | None:
    """Return the new columns of a plan, the mask of filters, and the tuner, if all rows are taken at once.

    The columns are of all rows, those too that filters don't keep, unless the plan's `Direct` gives the rows
    kept. None if it needs a `Run`: that is a plan of other stages, or more rows.

    Parameters
    ----------
    states
        What scans carry: in the end that after all rows. They are any if nothing is returned, or it raises.

    Raises
    ------
    SomeFailed
        If some row did; then it needs a `Run`, too.
    """
    direct, runtime = plan.direct, request.runtime
    if direct is None or plan.reduces is not None or runtime.is_closed:
        return None  # a `Run` says that the pool is closed
    if states is not None:
        for stage in plan.stages:
            stage.take_up(states, rows)
    if not rows:  # streams ask so for the types of what comes out
        runtime.count(plan.stages, [], {})
        series = [pl.Series(name, [], dtype=dtype) for name, dtype in plan.new.items()]
        return series, pl.Series(dtype=pl.Boolean) if direct.selects else None, None
    found = _all_rows(direct, plan, scope, rows, request, states)
    if found is None:
        return None
    series, times, taking = found
    tuner = _noted(plan, rows, request, times, taking)
    return (series[1:], series[0], tuner) if direct.selects else (series, None, tuner)


class _Taking(NamedTuple):
    """What said how rows are taken, and how."""

    whole: WholeFrames
    cut: Cut


def _all_rows(
    direct: Direct,
    plan: Plan,
    scope: ColumnScope,
    rows: int,
    request: Request,
    states: OpenStates | None,
) -> tuple[list[pl.Series], tuple[Times, ...], _Taking | None] | None:
    """Return what comes of all rows at once, what it took, and how they were taken; None if they aren't."""
    runtime, taking, has_own = request.runtime, None, True
    if plan.is_pipeline:
        is_alone = direct.is_fused or request.settings.threads == 1
        if rows > (OWN_ROWS if is_alone else PIPELINE_ROWS):
            return None
    if rows > FEW_ROWS:
        has_own = direct.is_filter or (rows * len(direct.writes) <= OWN_ROWS and not runtime.has_limit)
        if _log.isEnabledFor(logging.DEBUG) or (direct.is_fused and not has_own):
            return None
        if not direct.is_fused or request.settings.threads > 1:
            taking = _take(plan, rows, request, may_share=direct.may_share)
            if taking is None:
                return None
    cut = None if taking is None else taking.cut
    known = scope.columns  # the plan has looked at their dtypes
    compute: Any = direct.compute
    if states and isinstance(direct, (Chain, DirectScan)):
        compute = partial(compute, states=states)
    if has_own and not direct.needs_pool(rows):
        # A pool would need PyArrow, and save nothing where the allocator has memory of that size at hand.
        computed = compute(known, rows, None, cut)
    else:
        with admitted(plan.stages, rows, runtime) as mine:
            computed = compute(known, rows, mine.pool, cut)
    return None if computed is None else (*computed, taking)


def _take(plan: Plan, rows: int, request: Request, *, may_share: bool) -> _Taking | None:
    """Return how rows are taken, if they can be at once."""
    whole = _whole(plan, request)
    cut = whole.take(rows, may_share=may_share)
    return None if cut is None else _Taking(whole, cut)


def _noted(
    plan: Plan, rows: int, request: Request, times: Sequence[Times], taking: _Taking | None
) -> TracedTuner | None:
    """Tell metrics and tuner what stages took; return the tuner, if it was asked."""
    together = own = 0.0
    for stage, (count, seconds, busy) in zip(plan.stages, times, strict=True):
        together += seconds
        own += busy
        if stage.plugin is not None:
            request.runtime.note(stage.plugin, count, busy)
    if taking is None:
        return None
    taking.whole.record(rows, taking.cut, together, own)
    return taking.whole.tuner


def reduce(plan: Plan, scope: ColumnScope, rows: int, request: Request) -> Reduced | None:
    """Return the state of all rows for a plan that ends with a reduce, rows filtered, and the tuner.

    None if it needs a `Run`: as it goes on from a state, or chunks are to be shorter.

    Raises
    ------
    SomeFailed
        If some row did.
    """
    direct, runtime = plan.direct_reduce, request.runtime
    if direct is None or not rows or runtime.is_closed or request.state is not None:
        return None
    if plan.direct is not None:
        return _reduce_after(plan.direct, direct, plan, scope, rows, request)
    if direct.keys:
        return _reduce_by_key(direct, plan, scope, rows, request)
    return _reduce_partitions(direct, plan, scope, rows, request)


def _reduce_after(
    before: Direct, direct: DirectReduce, plan: Plan, scope: ColumnScope, rows: int, request: Request
) -> Reduced | None:
    """Reduce what other stages make of the rows, which all belong to one partition."""
    if rows > direct.partition_rows:
        return None
    states = open_states(plan, None)
    found = _all_rows(before, plan, scope, rows, request, states)
    if found is None:
        return None
    series, times, taking = found
    mask = series.pop(0) if before.selects else None
    columns = dict(scope.columns)
    if mask is not None:
        columns = {name: column.filter(mask) for name, column in columns.items()}
        rows_left = int(mask.sum())
        if not before.gives_kept:
            series = [one.filter(mask) for one in series]
    else:
        rows_left = rows
    columns.update(zip(before.writes, series, strict=True))
    reduced: Times | None = (0, 0.0, 0.0)
    if rows_left:
        reduced = direct.compute(columns, rows_left, states[direct.state_name], 1)
    if reduced is None:
        return None
    return states, rows - rows_left, _noted(plan, rows, request, [*times, reduced], taking)


def _reduce_by_key(
    direct: DirectReduce, plan: Plan, scope: ColumnScope, rows: int, request: Request
) -> Reduced | None:
    """Reduce rows that are short enough to be one chunk."""
    taking = None
    if rows > FEW_ROWS:
        taking = None if _log.isEnabledFor(logging.DEBUG) else _take(plan, rows, request, may_share=False)
        if taking is None:
            return None
    states = open_states(plan, None)
    times = direct.compute(scope.columns, rows, states[direct.state_name], 1)
    return None if times is None else (states, 0, _noted(plan, rows, request, [times], taking))


def _reduce_partitions(
    direct: DirectReduce, plan: Plan, scope: ColumnScope, rows: int, request: Request
) -> Reduced | None:
    """Reduce rows in partitions of a fixed size: a tuner chooses only how many threads there are."""
    runtime = request.runtime
    tuner, threads = None, 1
    if rows > FEW_ROWS:
        if _log.isEnabledFor(logging.DEBUG):
            return None
        tuner = _whole(plan, request).tuner
        part = min(rows, direct.partition_rows)
        if tuner.largest < part:
            return None
        if not plan.stages[0].is_sequential:
            with tuner.lock:
                threads = tuner.threads_for(rows, request.settings.threads)
    states = open_states(plan, None)
    times = direct.compute(scope.columns, rows, states[direct.state_name], threads)
    if times is None:
        return None
    _, seconds, busy = times
    plugin = plan.stages[0].plugin
    assert plugin is not None
    runtime.note(plugin, rows, busy)
    if tuner is not None:
        with tuner.lock:
            tuner.next_size(rows, threads)
            tuner.record(part, busy * part / rows)
            tuner.record_frame(rows, threads, seconds)
    return states, 0, tuner


def _whole(plan: Plan, request: Request) -> WholeFrames:
    """Return what decides about whole frames of a plan; looked up once for a configuration."""
    tuners, config = request.runtime.tuners, request.settings
    kept = plan.whole
    if kept is None or kept[0] is not tuners or kept[1] is not config:
        whole = WholeFrames(request.runtime.tuner(plan.stages, config), config.threads)
        kept = plan.whole = (tuners, config, whole)
    return kept[2]
