"""The fast path for a few rows: one row kernel, one chunk, nothing that another thread could see.

A call on a few rows is mostly the Python round it. What a run of many chunks has to keep ready (a selection,
failed rows, tuners) takes longer to make than the rows take to compute.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.arrow.c_data import FORMATS
from dataflare_vec.arrow.columns import InputColumn
from dataflare_vec.compiler.native import watch as watch  # provides it to `interrupts`
from dataflare_vec.engine.stages.builders import SmallColumnBuilder
from dataflare_vec.engine.stages.protocols import Placement

if TYPE_CHECKING:
    from dataflare_vec.engine.context.runtime import Runtime
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.stages.protocols import Direct
    from dataflare_vec.engine.stages.scope import ColumnScope

#: Rows that are never cut into chunks.
FEW_ROWS = 1024

_NO_SELECTION = (0, 0)


def compute(plan: Plan, scope: ColumnScope, rows: int, runtime: Runtime) -> list[pl.Series] | None:
    """Return the new columns of a plan over few rows; None if it needs a `Run`.

    That is a plan of several steps or with a filter, or one of whose rows failed.
    """
    stage = plan.direct
    if stage is None:
        return None
    if runtime.is_closed:  # a `Run` says so
        return None
    if not rows:  # streams ask so for the types of what comes out
        runtime.count(plan.stages, [], {})
        return [pl.Series(name, [], dtype=dtype) for name, dtype in stage.writes.items()]
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
    if all(type(field.stored) in FORMATS for field in prepared.outputs):
        targets = [SmallColumnBuilder(field, rows, nulls=nulls) for field in prepared.outputs]
        return _compute(plan, stage, rows, runtime, Placement(columns, targets, 0, nulls))
    with runtime.pool.claim(None) as memory:
        targets = stage.allocate(memory, rows, nulls=nulls)
        return _compute(plan, stage, rows, runtime, Placement(columns, targets, 0, nulls))


def _compute(
    plan: Plan, stage: Direct, rows: int, runtime: Runtime, placement: Placement
) -> list[pl.Series] | None:
    loop = stage.prepared.kernel.loop(nulls=placement.nulls)  # compiled now, not in the time that is measured
    began = perf_counter()
    argument_buffer = stage.argument_buffer(placement, 0, _NO_SELECTION)
    failed = loop(argument_buffer.buffer_info()[0], rows)
    placement.check()
    if failed:
        return None
    elapsed = perf_counter() - began
    runtime.count(plan.stages, [(0, rows, elapsed)], {})
    return [target.to_series(name) for name, target in zip(stage.writes, placement.targets, strict=True)]
