"""`apply`, `run` and `expr`: a plugin over data of any kind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import bind_series
from dataflare_vec.config import BatchConfig, MemoryPoolConfig
from dataflare_vec.engine.expressions import build_expression
from dataflare_vec.engine.result import BatchResult, errors_frame
from dataflare_vec.engine.run import Call, execute
from dataflare_vec.errors import BindingError
from dataflare_vec.frames import assemble, column_names, is_stream, to_polars
from dataflare_vec.memory import MemoryPool
from dataflare_vec.plugin import Form
from dataflare_vec.registry import default_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dataflare_vec.plugin import Plugin

#: Output columns of every run come from it.
pool = MemoryPool(MemoryPoolConfig(backend="default"))
_DEFAULT = BatchConfig()
# Inside Polars' streaming engine its own threads call us: one thread each.
_ONE_THREAD = BatchConfig(enable_parallel=False)


def apply(
    data: Any,
    plugin: str | Plugin,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    on_error: str = "raise",
    config: BatchConfig | None = None,
    **bindings: Any,
) -> Any:
    """Apply a plugin to a frame: add its columns, or keep the rows it keeps.

    Parameters
    ----------
    data
        A Polars DataFrame, LazyFrame or Series, a PyArrow Table, RecordBatch or RecordBatchReader, a
        pandas DataFrame, or any object with ``__arrow_c_stream__``.
    plugin
        Its name, or the plugin itself.
    output
        Name of the output column; for several a list, or a dict from field to name.
    keep
        Keep the data's own columns; with False only the new ones come back. For filters without effect.
    on_error
        What becomes of rows whose kernel raises: ``"raise"`` an error that names them, make their
        result ``"null"``, or ``"drop"`` them.
    config
        Chunk size and threads of this call.
    **bindings
        For a column parameter the name of a column (by default its own name), a Polars expression or a
        number; for a constant its value, or an expression to have one value for each row.

    Returns
    -------
    same kind as ``data``
        A LazyFrame stays lazy, a stream is read batch by batch as the result is (as a
        `pyarrow.RecordBatchReader`). The input isn't changed.

    Raises
    ------
    PluginError
        If plugin, columns, types or names don't fit; before any work is done.
    RowError
        If rows failed, under ``on_error="raise"``.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> df = pl.DataFrame({"lat": [52.5], "lon": [13.4]})
    >>> paris = {"lat1": "lat", "lon1": "lon", "lat2": 48.9, "lon2": 2.4}
    >>> km = df.pipe(dfv.apply, "haversine", output="km", **paris)
    >>> round(km["km"][0])
    874
    """
    found = plugin if isinstance(plugin, str) is False else default_registry.get(plugin)  # type: ignore[arg-type]
    found = default_registry.resolve(found)
    if isinstance(data, pl.Series):
        return _apply_to_series(data, found, output, on_error, config, bindings)
    call = Call.make(found, bindings, output=output, keep=keep, on_error=on_error)
    if isinstance(data, pl.DataFrame):
        outcome = execute(call, data, pool, config or _DEFAULT)
        return assemble(data, outcome, keep=keep)
    if isinstance(data, pl.LazyFrame):
        return apply_lazily(data, call)
    if is_stream(data):
        return _apply_to_stream(data, call, config or _DEFAULT)
    outcome = _execute_foreign(data, call, config or _DEFAULT)
    return assemble(data, outcome, keep=keep)


def run(
    data: Any,
    plugin: str | Plugin,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    on_error: str = "null",
    config: BatchConfig | None = None,
    **bindings: Any,
) -> BatchResult:
    """Apply a plugin and say what became of the rows.

    Parameters
    ----------
    data
        A frame that is in memory: Polars, PyArrow or pandas.
    plugin, output, keep, config, **bindings
        As in `apply`.
    on_error
        As in `apply`, but by default ``"null"``: failed rows are in the result's ``errors``.

    Returns
    -------
    BatchResult
        The frame, the failed rows, counts, time and throughput.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def share(part, whole):
    ...     return part // whole
    >>> result = dfv.run(pl.DataFrame({"part": [6, 1], "whole": [3, 0]}), "share")
    >>> result.frame["share"].to_list(), result.error_count
    ([2, None], 1)
    >>> result.errors.select("row", "error").rows()
    [(1, 'ZeroDivisionError')]
    """
    found = default_registry.resolve(plugin)
    started = time.perf_counter()
    call = Call.make(found, bindings, output=output, keep=keep, on_error=on_error)
    if isinstance(data, (pl.LazyFrame, pl.Series)) or is_stream(data) and not isinstance(data, pl.DataFrame):
        msg = f"`run` needs a frame that is in memory, got {type(data).__name__}; use `apply`, or collect it"
        raise TypeError(msg)
    if isinstance(data, pl.DataFrame):
        outcome = execute(call, data, pool, config or _DEFAULT)
    else:
        outcome = _execute_foreign(data, call, config or _DEFAULT)
    frame = assemble(data, outcome, keep=keep)
    elapsed = time.perf_counter() - started
    rows, failed = len(data), len(outcome.failed.rows)
    return BatchResult(
        frame=frame,
        errors=errors_frame(found.name, outcome.failed),
        processed_count=rows,
        success_count=rows - failed,
        error_count=failed,
        filtered_count=outcome.filtered,
        processing_time=elapsed,
    )


def expr(
    plugin: str | Plugin,
    *columns: str | pl.Expr,
    on_error: str = "raise",
    **bindings: Any,
) -> pl.Expr:
    """Return a plugin as a Polars expression.

    Parameters
    ----------
    plugin
        Its name, or the plugin itself.
    *columns
        Columns for its column parameters, in their order.
    on_error
        ``"raise"`` or ``"null"``; an expression can't drop rows.
    **bindings
        Further parameters by name, as in `apply`.

    Returns
    -------
    polars.Expr
        Named like the plugin. A kernel with several outputs gives a Struct; a filter gives its Boolean.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def hypotenuse(a, b):
    ...     return (a * a + b * b) ** 0.5
    >>> df = pl.DataFrame({"x": [3.0], "y": [4.0]})
    >>> df.select(dfv.expr("hypotenuse", "x", "y")).item()
    5.0
    """
    found = default_registry.resolve(plugin)
    positional = [p.name for p in found.parameters if p.is_column]
    if len(columns) > len(positional):
        msg = f"plugin `{found.name}` reads {len(positional)} columns, got {len(columns)}"
        raise BindingError(msg)
    bindings = {**dict(zip(positional, columns)), **bindings}  # noqa: B905  # fewer may be given
    if on_error == "drop":
        msg = 'an expression can\'t drop rows; use `on_error="null"`, or `apply`'
        raise ValueError(msg)
    call = Call.make(found, bindings, keep=False, on_error=on_error)
    return _as_expression(call, None).alias(found.name)


# -- lazily -----------------------------------------------------------------------------------------------


def _as_expression(call: Call, dtype: Any) -> pl.Expr:
    """The plugin as an expression that yields its column, a struct of its columns, or its mask."""
    plugin, binding = call.plugin, call.binding
    if plugin.form is Form.EXPRESSION:
        return build_expression(binding)
    inner = Call.make(
        plugin,
        {item.parameter.name: item.parameter.name for item in binding.columns}
        | {i.parameter.name: i.value for i in binding.items if i not in binding.columns},  # type: ignore[union-attr]
        keep=False,
        on_error=call.on_error,
    )
    # A constant that was bound to an expression is a column by now.
    inner = Call(plugin, _all_columns_by_name(call), None, keep=False, on_error=call.on_error)
    names = [item.parameter.name for item in binding.columns]

    def compute(series: Sequence[pl.Series]) -> pl.Series:
        height = max((len(s) for s in series), default=0)
        columns = [
            s.alias(name) if len(s) == height else s.new_from_index(0, height).alias(name)
            for s, name in zip(series, names, strict=True)
        ]
        outcome = execute(inner, pl.DataFrame(columns), pool, _ONE_THREAD)
        if plugin.is_filter:
            assert outcome.keep is not None
            return outcome.keep.alias(plugin.name)
        if len(outcome.series) == 1:
            return outcome.series[0].alias(plugin.name)
        return pl.DataFrame(outcome.series).to_struct(plugin.name)

    sources = [
        pl.col(item.source) if isinstance(item.source, str) else item.source
        for item in binding.columns
    ]
    return pl.map_batches(sources, compute, dtype, is_elementwise=True)


def _all_columns_by_name(call: Call) -> Any:
    from dataclasses import replace

    from dataflare_vec.binding import Column

    items = tuple(
        Column(item.parameter, item.parameter.name) if isinstance(item, Column) else item
        for item in call.binding.items
    )
    columns = tuple(item for item in items if isinstance(item, Column))
    return replace(call.binding, items=items, columns=columns)


def apply_lazily(frame: pl.LazyFrame, call: Call) -> pl.LazyFrame:
    """Add a plugin to a query; its schema is known without running it."""
    schema = frame.collect_schema()
    new = call.schema(schema)
    plugin = call.plugin
    if plugin.is_filter:
        return frame.filter(_as_expression(call, pl.Boolean))
    names = list(new)
    if call.on_error == "drop":
        msg = 'a lazy query can\'t drop failed rows; use `on_error="null"` and filter'
        raise ValueError(msg)
    if len(names) == 1:
        new_columns = _as_expression(call, new[names[0]]).alias(names[0])
        return frame.with_columns(new_columns) if call.keep else frame.select(new_columns)
    inner = [f"{plugin.name}_{i}" for i in range(len(names))]
    fields = call.binding and _inner_names(call, schema)
    struct = _as_expression(call, pl.Struct(dict(zip(fields, new.values(), strict=True))))
    del inner
    unnested = struct.struct.rename_fields(names).struct.unnest()
    return frame.with_columns(unnested) if call.keep else frame.select(unnested)


def _inner_names(call: Call, schema: Mapping[str, Any]) -> list[str]:
    return list(Call(call.plugin, call.binding, None, keep=False).schema(schema))


# -- other kinds ------------------------------------------------------------------------------------------


def _apply_to_series(
    series: pl.Series,
    plugin: Plugin,
    output: Any,
    on_error: str,
    config: BatchConfig | None,
    bindings: Mapping[str, Any],
) -> pl.Series:
    binding = bind_series(plugin, series.name, bindings)
    call = Call.make(plugin, {}, output=output, keep=False, on_error=on_error)
    call = Call(plugin, binding, output, keep=False, on_error=on_error)
    outcome = execute(call, series.to_frame(), pool, config or _DEFAULT)
    if plugin.is_filter:
        result = series
    elif len(outcome.series) == 1:
        result = outcome.series[0]
    else:
        result = pl.DataFrame(outcome.series).to_struct(plugin.name)
    return result if outcome.keep is None else result.filter(outcome.keep)


def _execute_foreign(data: Any, call: Call, config: BatchConfig) -> Any:
    if not hasattr(data, "columns") and not hasattr(data, "schema"):
        to_polars(data, [])  # raises
    taken = column_names(data)
    call.binding.check_columns(taken)
    wanted = call.binding.column_names
    frame = to_polars(data, [name for name in taken if name in wanted])
    if call.keep and not call.plugin.is_filter:
        # Names are checked against all columns, not only those that went to Polars.
        schema = dict(frame.schema)
        schema.update({name: pl.Null() for name in taken if name not in schema})
        call.schema(schema)
    return execute(call, frame, pool, config)


def _apply_to_stream(data: Any, call: Call, config: BatchConfig) -> Any:
    import pyarrow as pa

    reader = data if isinstance(data, pa.RecordBatchReader) else None
    if reader is None:
        reader = pa.RecordBatchReader.from_stream(data)
    empty = reader.schema.empty_table()
    separable = call.plugin.form is not Form.EXPRESSION or _is_separable(call)
    if not separable:
        # It needs all rows at once, whoever hands them over one batch at a time.
        table = reader.read_all()
        return assemble(table, _execute_foreign(table, call, config), keep=call.keep).to_reader()
    schema = assemble(empty, _execute_foreign(empty, call, config), keep=call.keep).schema

    def batches() -> Iterator[Any]:
        for batch in reader:
            result = assemble(batch, _execute_foreign(batch, call, config), keep=call.keep)
            yield result.cast(schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _is_separable(call: Call) -> bool:
    from dataflare_vec.engine.expressions import is_row_separable

    return is_row_separable(build_expression(call.binding))
