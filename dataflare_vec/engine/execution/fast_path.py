"""The fast path: one row kernel over rows that aren't cut, with nothing that another thread could see.

A call on a few thousand rows is mostly the Python round it. What a run of many chunks has to keep ready (a
selection, failed rows, chunks to hand out) takes longer to make than the rows take to compute.
"""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec.arrow.c_data import FORMATS
from dataflare_vec.arrow.columns import InputColumn
from dataflare_vec.compiler.native import watch as watch  # provides it to `interrupts`
from dataflare_vec.engine.execution.admission import admitted
from dataflare_vec.engine.stages.builders import SmallColumnBuilder
from dataflare_vec.engine.stages.protocols import Placement

if TYPE_CHECKING:
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.stages.protocols import Direct
    from dataflare_vec.engine.stages.scope import ColumnScope
    from dataflare_vec.engine.tuner import TracedTuner

_log = get_logger(__name__)

#: Rows that are never cut into chunks.
FEW_ROWS = 1024

_NO_SELECTION = (0, 0)


class SomeFailed(Exception):  # no error yet: a `Run` says which rows, and what becomes of them
    """Some row failed."""


def compute(
    plan: Plan, scope: ColumnScope, rows: int, request: Request
) -> tuple[list[pl.Series], TracedTuner | None] | None:
    """Return the new columns of a plan over rows that are one chunk, and the tuner that said so.

    None if it needs a `Run`: that is a plan of several steps or with a filter, or more rows than a chunk has.

    Raises
    ------
    SomeFailed
        If some row did; then it needs a `Run`, too.
    """
    stage, runtime = plan.direct, request.runtime
    if stage is None:
        return None
    if runtime.is_closed:  # a `Run` says so
        return None
    if not rows:  # streams ask so for the types of what comes out
        runtime.count(plan.stages, [], {})
        return [pl.Series(name, [], dtype=dtype) for name, dtype in stage.writes.items()], None
    tuner = None
    if rows > FEW_ROWS:
        tuner = runtime.tuner(plan.stages, request.settings)
        with tuner.lock:
            most = tuner.next_size(rows, request.settings.threads)
        if rows > most or _log.isEnabledFor(logging.DEBUG):
            return None
    prepared, column_of = stage.prepared, scope.column
    columns = [
        (InputColumn(column_of(name), layout), 0)
        for name, layout in zip(stage.reads, prepared.layouts, strict=True)
    ]
    nulls = False
    for column, _ in columns:
        if len(column.starts) > 1:
            return None
        nulls = nulls or column.has_nulls
    targets: Any
    if tuner is None and all(type(field.stored) in FORMATS for field in prepared.outputs):
        targets = [SmallColumnBuilder(field, rows, nulls=nulls) for field in prepared.outputs]
        elapsed = _compute(stage, rows, Placement(columns, targets, 0, nulls))
    else:
        with admitted(plan.stages, rows, runtime) as mine:
            targets = stage.allocate(mine.pool, rows, nulls=nulls)
            elapsed = _compute(stage, rows, Placement(columns, targets, 0, nulls))
    if tuner is not None:
        with tuner.lock:
            tuner.record(rows, elapsed)
    runtime.count(plan.stages, [(0, rows, elapsed)], {})
    return [target.to_series(name) for name, target in zip(stage.writes, targets, strict=True)], tuner


def _compute(stage: Direct, rows: int, placement: Placement) -> float:
    """Call the loop; return the seconds that it took."""
    loop = stage.prepared.kernel.loop(nulls=placement.nulls)  # compiled now, not in the time that is measured
    began = perf_counter()
    argument_buffer = stage.argument_buffer(placement, 0, _NO_SELECTION)
    failed = loop(argument_buffer.buffer_info()[0], rows)
    placement.check()
    if failed:
        raise SomeFailed
    return perf_counter() - began
