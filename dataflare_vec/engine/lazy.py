"""Plugins inside a Polars query: expressions that Polars' own engines call, batch by batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import Column
from dataflare_vec.definition import Form
from dataflare_vec.engine.execute import run_steps
from dataflare_vec.engine.expressions import build_expression
from dataflare_vec.engine.plan import Plan
from dataflare_vec.engine.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.engine.runtime import Runtime
    from dataflare_vec.engine.steps import BoundStep


def as_expression(step: BoundStep, dtype: Any, runtime: Runtime, on_error: str) -> pl.Expr:
    """Return the plugin as an expression: of its column, a struct of its columns, or its mask.

    Parameters
    ----------
    dtype
        Of the result; None lets Polars find it with a trial of two rows.
    """
    plugin = step.plugin
    if plugin.form is Form.EXPRESSION:
        return build_expression(step.binding)
    # Inside, the columns go by the names of their parameters, whatever expressions they come from.
    names = [item.parameter.name for item in step.binding.columns]
    items = tuple(
        Column(item.parameter, item.parameter.name) if isinstance(item, Column) else item
        for item in step.binding.items
    )
    columns = tuple(item for item in items if isinstance(item, Column))
    inner = replace(step, binding=replace(step.binding, items=items, columns=columns), output=None, keep=True)
    # Polars calls from its own threads, several at once.
    config = replace(runtime.config, enable_parallel=False)

    def compute(series: Sequence[pl.Series]) -> pl.Series:
        height = max(len(s) for s in series)
        frame = pl.DataFrame(
            [
                (s if len(s) == height else s.new_from_index(0, height)).alias(name)
                for s, name in zip(series, names, strict=True)
            ]
        )
        scope = Scope.of_frame(frame)
        outcome = run_steps([inner], scope, frame, runtime, keep_data=False, on_error=on_error, config=config)
        if plugin.is_filter:
            assert outcome.keep is not None
            return outcome.keep.alias(plugin.name)
        if len(outcome.series) == 1:
            return outcome.series[0].alias(plugin.name)
        return pl.DataFrame(outcome.series).to_struct(plugin.name)

    sources = [
        pl.col(item.source) if isinstance(item.source, str) else item.source for item in step.binding.columns
    ]
    return pl.map_batches(sources, compute, dtype, is_elementwise=True)


def apply_lazily(
    frame: pl.LazyFrame, steps: Sequence[BoundStep], runtime: Runtime, *, keep: bool, on_error: str
) -> pl.LazyFrame:
    """Add plugins to a query. Its schema is known without running it."""
    if on_error == "drop":
        msg = 'a lazy query can\'t drop failed rows; use `on_error="null"` and filter'
        raise ValueError(msg)
    plan = Plan(steps, Scope.of_schema(frame.collect_schema()), keep_data=keep)
    stages = [stage for stage in plan.stages if stage.plugin is not None]
    temporary: list[str] = []
    for step, stage in zip(steps, stages, strict=True):
        if stage.is_filter:
            frame = frame.filter(as_expression(step, pl.Boolean, runtime, on_error))
            continue
        names, dtypes = list(stage.writes), list(stage.writes.values())
        if len(names) == 1:
            column = as_expression(step, dtypes[0], runtime, on_error).alias(names[0])
        else:
            scope = Scope.of_schema(frame.collect_schema())
            inner = Plan([replace(step, output=None)], scope, keep_data=False)
            struct = pl.Struct(dict(zip(inner.new, dtypes, strict=True)))
            column = as_expression(step, struct, runtime, on_error)
            column = column.struct.rename_fields(names).struct.unnest()
        frame = frame.with_columns(column)
        if not step.keep:
            temporary += names
    if not keep and plan.new:
        return frame.select(list(plan.new))
    return frame.drop(temporary) if temporary else frame
