"""Expression plugins: chunk by chunk where rows are separate, on the whole frame where they aren't."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import Column
from dataflare_vec.engine.threads import over_ranges
from dataflare_vec.errors import KernelResultError, PluginDefinitionError

if TYPE_CHECKING:
    from dataflare_vec.binding import Binding, Constant
    from dataflare_vec.config import BatchConfig


def build_expression(binding: Binding) -> pl.Expr:
    """Return the plugin's expression over the data's columns."""
    target = binding.plugin.function
    sources = [_source(item) for item in binding.items]
    if not isinstance(target, pl.Expr):
        expression = target(*sources)
        if not isinstance(expression, pl.Expr):
            msg = (
                f"expression plugin `{binding.plugin.name}` must return a Polars expression, got "
                f"{type(expression).__name__}"
            )
            raise PluginDefinitionError(msg)
        return expression
    renamed = {
        item.parameter.name: source
        for item, source in zip(binding.items, sources, strict=True)
        if not _is_own_name(item)
    }
    return _substitute(target, renamed) if renamed else target


def _is_own_name(item: Column | Constant) -> bool:
    return isinstance(item, Column) and isinstance(item.source, str) and item.source == item.parameter.name


def _source(item: Any) -> Any:
    if not isinstance(item, Column):
        return item.value
    return pl.col(item.source) if isinstance(item.source, str) else item.source


def _substitute(expression: pl.Expr, renamed: dict[str, Any]) -> pl.Expr:
    """Return ``expression`` with columns replaced, by way of its serialised tree."""
    tree = json.loads(expression.meta.serialize(format="json"))
    replacements = {
        name: json.loads(
            (value if isinstance(value, pl.Expr) else pl.lit(value)).meta.serialize(format="json")
        )
        for name, value in renamed.items()
    }

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            if len(node) == 1 and node.get("Column") in replacements:
                return replacements[node["Column"]]
            return {key: walk(value) for key, value in node.items()}
        return [walk(item) for item in node] if isinstance(node, list) else node

    return pl.Expr.deserialize(json.dumps(walk(tree)).encode(), format="json")


def is_row_separable(expression: pl.Expr) -> bool:
    """Whether each row of the result depends on that row alone, as far as Polars can tell.

    Polars' own `is_row_separable` looks at the outermost operation: it says yes to
    ``col("a") - col("a").mean()`` (Polars 2.1). So each operation inside is asked too, and has to keep the
    number of rows. An exception means no, and so does a Series inside, whose rows belong to the whole.
    """
    return (
        bool(expression.meta.root_names())
        and "Series" not in expression.meta.serialize(format="json")
        and _each_separable(expression)
    )


def _each_separable(expression: pl.Expr) -> bool:
    meta = expression.meta
    try:
        if meta.is_literal():
            return True
        own = meta.is_row_separable() and meta.is_length_preserving()
        return own and all(_each_separable(part) for part in meta.pop())
    except Exception:  # whatever Polars raises, it doesn't say yes
        return False


def expression_dtype(binding: Binding, empty: pl.DataFrame) -> Any:
    """Return the dtype of the plugin's result for data like ``empty``."""
    expression = build_expression(binding)
    return _select_schema(binding.plugin.name, expression, empty.lazy())


def _select_schema(name: str, expression: pl.Expr, frame: pl.LazyFrame) -> Any:
    try:
        return frame.select(expression).collect_schema().dtypes()[0]
    except pl.exceptions.PolarsError as error:
        raise KernelResultError(_explain(name, error)) from error


def _explain(name: str, error: Exception) -> str:
    return f"expression plugin `{name}`: {error}"


def evaluate(name: str, expression: pl.Expr, frame: pl.DataFrame, config: BatchConfig) -> pl.Series:
    """Return the expression's values, one for each row of ``frame``."""
    height = frame.height
    try:
        if height > config.chunk_rows and is_row_separable(expression):
            values = _by_chunks(expression, frame, config)
        else:
            values = frame.select(expression).to_series()
    except pl.exceptions.PolarsError as error:
        raise KernelResultError(_explain(name, error)) from error
    if len(values) == height:
        return values
    if len(values) == 1:  # an aggregate or a literal, for each row as in `with_columns`
        return values.new_from_index(0, height)
    msg = (
        f"expression plugin `{name}` gives {len(values)} rows for {height}; a plugin gives one value for "
        "each row"
    )
    raise KernelResultError(msg)


def _by_chunks(expression: pl.Expr, frame: pl.DataFrame, config: BatchConfig) -> pl.Series:
    chunks: dict[int, pl.Series] = {}
    lock = threading.Lock()
    roots = frame.select(list(dict.fromkeys(expression.meta.root_names())))

    def work(start: int, stop: int) -> None:
        values = roots[start:stop].select(expression).to_series()
        with lock:
            chunks[start] = values

    over_ranges(work, frame.height, config.chunk_rows, config.threads)
    return pl.concat([chunks[start] for start in sorted(chunks)])
