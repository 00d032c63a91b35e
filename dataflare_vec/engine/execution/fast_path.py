"""The fast path: row kernels or a filter over rows that one call of compiled code computes.

A call on a few thousand rows is mostly the Python round it. What a run of many chunks has to keep ready (a
selection, failed rows, chunks to hand out) takes longer to make than the rows take to compute. Longer frames,
of milliseconds, compiled code shares out among threads by itself.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec.compiler.native import watch as watch  # provides it to `interrupts`
from dataflare_vec.engine.execution.admission import admitted
from dataflare_vec.engine.execution.resume import open_states
from dataflare_vec.engine.tuner import WholeFrames

if TYPE_CHECKING:
    from dataflare_vec.engine.execution.resume import OpenStates
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.stages.scope import ColumnScope
    from dataflare_vec.engine.tuner import TracedTuner

    #: New columns, which rows of the data remain if not all, and what said how they are cut.
    Computed = tuple[list[pl.Series], pl.Series | None, TracedTuner | None]

    #: What a reduce carries after all rows, and the tuner if there was one.
    Reduced = tuple[OpenStates, TracedTuner | None]

_log = get_logger(__name__)

#: Rows that are never cut into chunks.
FEW_ROWS = 1024

#: Rows whose column has memory of its own, up to a MiB, which allocators keep at hand: of several columns so
#: many rows in all. Fewer if each byte is to be counted.
OWN_ROWS = 1 << 17

#: Rows that a pipeline whose loops aren't fused takes as a whole: what one kernel writes is still in cache
#: when the next one reads it.
PIPELINE_ROWS = 1 << 14


def compute(plan: Plan, scope: ColumnScope, rows: int, request: Request) -> Computed | None:
    """Return the new columns of a plan, the mask of filters, and the tuner, if all rows are taken at once.

    The columns are of all rows, those too that filters don't keep, unless the plan's `Direct` gives the rows
    kept. None if it needs a `Run`: that is a plan of other stages, or more rows.

    Raises
    ------
    SomeFailed
        If some row did; then it needs a `Run`, too.
    """
    direct, runtime = plan.direct, request.runtime
    if direct is None or runtime.is_closed:
        return None  # a `Run` says that the pool is closed
    if not rows:  # streams ask so for the types of what comes out
        runtime.count(plan.stages, [], {})
        series = [pl.Series(name, [], dtype=dtype) for name, dtype in plan.new.items()]
        return series, pl.Series(dtype=pl.Boolean) if direct.selects else None, None
    is_alone = direct.is_fused or request.settings.threads == 1
    if plan.is_pipeline and rows > (OWN_ROWS if is_alone else PIPELINE_ROWS):
        return None
    whole, cut, has_own = None, None, True
    if rows > FEW_ROWS:
        has_own = direct.is_filter or (rows * len(direct.writes) <= OWN_ROWS and not runtime.has_limit)
        if _log.isEnabledFor(logging.DEBUG) or (direct.is_fused and not has_own):
            return None
        if not direct.is_fused or request.settings.threads > 1:
            whole = _whole(plan, request)
            cut = whole.take(rows, may_share=direct.may_share)
            if cut is None:
                return None
    known = scope.columns  # the plan has looked at their dtypes
    if has_own and not direct.needs_pool(rows):
        # A pool would need PyArrow, and save nothing where the allocator has memory of that size at hand.
        computed = direct.compute(known, rows, None, cut)
    else:
        with admitted(plan.stages, rows, runtime) as mine:
            computed = direct.compute(known, rows, mine.pool, cut)
    if computed is None:
        return None
    series, times = computed
    for stage, (count, _, busy) in zip(plan.stages, times, strict=True):
        if stage.plugin is not None:
            runtime.note(stage.plugin, count, busy)
    tuner = None
    if whole is not None and cut is not None:
        _, seconds, busy = map(sum, zip(*times, strict=True))
        whole.record(rows, cut, seconds, busy)
        tuner = whole.tuner
    return (series[1:], series[0], tuner) if direct.selects else (series, None, tuner)


def reduce(plan: Plan, scope: ColumnScope, rows: int, request: Request) -> Reduced | None:
    """Return the state of all rows, and the tuner, for a reduce that is the only stage of a plan.

    Its rows are in partitions of a fixed size, so the tuner has nothing to choose but how many threads there
    are. None if it needs a `Run`: as it has keys, goes on from a state, or chunks are to be shorter.

    Raises
    ------
    SomeFailed
        If some row did.
    """
    direct, runtime = plan.direct_reduce, request.runtime
    if direct is None or not rows or runtime.is_closed or request.state is not None:
        return None
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
    (store,) = states.values()
    times = direct.compute(scope.columns, rows, store, threads)
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
    return states, tuner


def _whole(plan: Plan, request: Request) -> WholeFrames:
    """Return what decides about whole frames of a plan; looked up once for a configuration."""
    tuners, config = request.runtime.tuners, request.settings
    kept = plan.whole
    if kept is None or kept[0] is not tuners or kept[1] is not config:
        whole = WholeFrames(request.runtime.tuner(plan.stages, config), config.threads)
        kept = plan.whole = (tuners, config, whole)
    return kept[2]
