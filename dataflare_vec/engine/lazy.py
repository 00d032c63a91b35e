"""Plugins inside a Polars query: expressions that Polars' own engines call, batch by batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import Column
from dataflare_vec.config import BatchConfig
from dataflare_vec.definition import Form
from dataflare_vec.engine.expressions import build_expression
from dataflare_vec.engine.run import execute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.engine.run import Call
    from dataflare_vec.memory import MemoryPool

# Polars calls from its own threads, several at once.
_ONE_THREAD = BatchConfig(enable_parallel=False)


def as_expression(call: Call, dtype: Any, pool: MemoryPool) -> pl.Expr:
    """Return the plugin as an expression: of its column, a struct of its columns, or its mask.

    Parameters
    ----------
    dtype
        Of the result; None lets Polars find it with a trial of two rows.
    """
    plugin = call.plugin
    if plugin.form is Form.EXPRESSION:
        return build_expression(call.binding)
    # Inside, the columns go by the names of their parameters, whatever expressions they come from.
    names = [item.parameter.name for item in call.binding.columns]
    items = tuple(
        Column(item.parameter, item.parameter.name) if isinstance(item, Column) else item
        for item in call.binding.items
    )
    columns = tuple(item for item in items if isinstance(item, Column))
    binding = replace(call.binding, items=items, columns=columns)
    inner = replace(call, binding=binding, output=None, keep=False)

    def compute(series: Sequence[pl.Series]) -> pl.Series:
        height = max(len(s) for s in series)
        frame = pl.DataFrame(
            [
                (s if len(s) == height else s.new_from_index(0, height)).alias(name)
                for s, name in zip(series, names, strict=True)
            ]
        )
        outcome = execute(inner, frame, pool, _ONE_THREAD)
        if outcome.keep is not None:
            return outcome.keep.alias(plugin.name)
        if len(outcome.series) == 1:
            return outcome.series[0].alias(plugin.name)
        return pl.DataFrame(outcome.series).to_struct(plugin.name)

    sources = [
        pl.col(item.source) if isinstance(item.source, str) else item.source for item in call.binding.columns
    ]
    return pl.map_batches(sources, compute, dtype, is_elementwise=True)


def apply_lazily(frame: pl.LazyFrame, call: Call, pool: MemoryPool) -> pl.LazyFrame:
    """Add a plugin to a query. Its schema is known without running it."""
    if call.on_error == "drop":
        msg = 'a lazy query can\'t drop failed rows; use `on_error="null"` and filter'
        raise ValueError(msg)
    schema = frame.collect_schema()
    new = call.schema(schema)
    if call.plugin.is_filter:
        return frame.filter(as_expression(call, pl.Boolean, pool))
    names = list(new)
    if len(names) == 1:
        column = as_expression(call, new[names[0]], pool).alias(names[0])
    else:
        fields = list(replace(call, output=None, keep=False).schema(schema))
        struct = pl.Struct(dict(zip(fields, new.values(), strict=True)))
        column = as_expression(call, struct, pool).struct.rename_fields(names).struct.unnest()
    return frame.with_columns(column) if call.keep else frame.select(column)
