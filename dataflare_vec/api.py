"""`apply`, `run` and `expr`: a plugin over data of any kind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import series_bindings
from dataflare_vec.config import BatchConfig
from dataflare_vec.definition import Form
from dataflare_vec.engine.expressions import build_expression, is_row_separable
from dataflare_vec.engine.lazy import apply_lazily, as_expression
from dataflare_vec.engine.result import BatchResult, errors_frame
from dataflare_vec.engine.run import Call, execute
from dataflare_vec.errors import BindingError
from dataflare_vec.frames import assemble, column_names, is_stream, to_polars
from dataflare_vec.memory import default_pool
from dataflare_vec.registry import default_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dataflare_vec.definition import Plugin

_DEFAULT = BatchConfig()


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
    871
    """
    found = default_registry.resolve(plugin)
    if isinstance(data, pl.Series):
        return _apply_to_series(data, found, output, on_error, config, bindings)
    call = Call.make(found, bindings, output=output, keep=keep, on_error=on_error)
    if isinstance(data, pl.DataFrame):
        outcome = execute(call, data, default_pool(), config or _DEFAULT)
        return assemble(data, outcome, keep=keep)
    if isinstance(data, pl.LazyFrame):
        return apply_lazily(data, call, default_pool())
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
    in_memory = isinstance(data, pl.DataFrame) or not is_stream(data)
    if not in_memory or isinstance(data, (pl.LazyFrame, pl.Series)):
        msg = f"`run` needs a frame that is in memory, got {type(data).__name__}; use `apply`, or collect it"
        raise TypeError(msg)
    if isinstance(data, pl.DataFrame):
        outcome = execute(call, data, default_pool(), config or _DEFAULT)
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
    return as_expression(call, None, default_pool()).alias(found.name)


# -- other kinds ------------------------------------------------------------------------------------------


def _apply_to_series(
    series: pl.Series,
    plugin: Plugin,
    output: Any,
    on_error: str,
    config: BatchConfig | None,
    bindings: Mapping[str, Any],
) -> pl.Series:
    bound = series_bindings(plugin, series.name, bindings)
    call = Call.make(plugin, bound, output=output, keep=False, on_error=on_error)
    outcome = execute(call, series.to_frame(), default_pool(), config or _DEFAULT)
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
    return execute(call, frame, default_pool(), config)


def _apply_to_stream(data: Any, call: Call, config: BatchConfig) -> Any:
    import pyarrow as pa

    reader = data if isinstance(data, pa.RecordBatchReader) else None
    if reader is None:
        reader = pa.RecordBatchReader.from_stream(data)
    empty = reader.schema.empty_table()
    if call.plugin.form is Form.EXPRESSION and not is_row_separable(build_expression(call.binding)):
        # It needs all rows at once, whoever hands them over one batch at a time.
        table = reader.read_all()
        return assemble(table, _execute_foreign(table, call, config), keep=call.keep).to_reader()
    schema = assemble(empty, _execute_foreign(empty, call, config), keep=call.keep).schema

    def batches() -> Iterator[Any]:
        for batch in reader:
            result = assemble(batch, _execute_foreign(batch, call, config), keep=call.keep)
            yield result.cast(schema)

    return pa.RecordBatchReader.from_batches(schema, batches())
