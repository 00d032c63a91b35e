"""The fast path: one row kernel or filter over rows that are one chunk, without what other threads could see.

A call on a few thousand rows is mostly the Python round it. What a run of many chunks has to keep ready (a
selection, failed rows, chunks to hand out) takes longer to make than the rows take to compute.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec.compiler.native import watch as watch  # provides it to `interrupts`
from dataflare_vec.engine.execution.admission import admitted
from dataflare_vec.engine.tuner import WholeFrames

if TYPE_CHECKING:
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.stages.direct import DirectCall
    from dataflare_vec.engine.stages.scope import ColumnScope
    from dataflare_vec.engine.tuner import TracedTuner

_log = get_logger(__name__)

#: Rows that are never cut into chunks.
FEW_ROWS = 1024

#: Rows whose columns have memory of their own; fewer if each byte is to be counted.
OWN_ROWS = 1 << 14


class Computed(NamedTuple):
    """What became of rows that are one chunk: see `Outcome`."""

    series: list[pl.Series]
    remaining: pl.Series | None
    tuner: TracedTuner | None


def compute(plan: Plan, scope: ColumnScope, rows: int, request: Request) -> Computed | None:
    """Return the new columns of a plan over rows that are one chunk, or which rows a filter keeps.

    None if it needs a `Run`: that is a plan of several steps, or more rows than a chunk has.

    Raises
    ------
    SomeFailed
        If some row did; then it needs a `Run`, too.
    """
    call, runtime = plan.direct, request.runtime
    if call is None or runtime.is_closed:  # a `Run` says that it is
        return None
    if not rows:  # streams ask so for the types of what comes out
        runtime.count(plan.stages, [], {})
        series = [pl.Series(name, [], dtype=dtype) for name, dtype in call.writes.items()]
        return Computed(series, pl.Series(dtype=pl.Boolean) if call.is_filter else None, None)
    whole = None
    if rows > FEW_ROWS:
        whole = _whole(plan, call, request)
        if not whole.take(rows) or _log.isEnabledFor(logging.DEBUG):
            return None
    known = scope.columns  # the plan has looked at their dtypes
    columns = [known[name] for name in call.reads]
    is_small = whole is None or call.is_filter or (rows <= OWN_ROWS and not runtime.has_limit)
    if is_small and not call.needs_pool:
        # A pool would need PyArrow, and save nothing where the allocator has memory of that size at hand.
        computed = call.compute(columns, rows, None)
    else:
        with admitted(plan.stages, rows, runtime) as mine:
            computed = call.compute(columns, rows, mine.pool)
    if computed is None:
        return None
    series, elapsed = computed
    runtime.note(request.steps[0].plugin, rows, elapsed)
    tuner = None
    if whole is not None:
        whole.record(rows, elapsed)
        tuner = whole.tuner
    return Computed([], series[0], tuner) if call.is_filter else Computed(series, None, tuner)


def _whole(plan: Plan, call: DirectCall, request: Request) -> WholeFrames:
    """Return what decides about whole frames of a plan; looked up once for a configuration."""
    tuners, config = request.runtime.tuners, request.settings
    kept = call.whole
    if kept is None or kept[0] is not tuners or kept[1] is not config:
        whole = WholeFrames(request.runtime.tuner(plan.stages, config), config.threads)
        kept = call.whole = (tuners, config, whole)
    return kept[2]
