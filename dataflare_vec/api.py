"""`apply`, `run`, `expr` and `step`: plugins over data of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import series_bindings
from dataflare_vec.engine.lazy import apply_lazily, as_expression
from dataflare_vec.engine.plan import Plan
from dataflare_vec.engine.scope import Scope
from dataflare_vec.engine.steps import Step, bind_steps
from dataflare_vec.errors import BindingError
from dataflare_vec.frames import assemble, is_stream, knowing_narwhals
from dataflare_vec.manager import default_manager
from dataflare_vec.running import check_on_error, run_batch, run_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dataflare_vec.config import BatchConfig
    from dataflare_vec.definition import Plugin
    from dataflare_vec.engine.errorlog import ErrorLog
    from dataflare_vec.engine.result import BatchResult
    from dataflare_vec.engine.runtime import Runtime
    from dataflare_vec.engine.steps import BoundStep
    from dataflare_vec.manager import PluginManager

    #: A plugin or its name, or a pipeline: a list of these and of steps.
    Plugins = str | Plugin | Sequence[str | Plugin | Step]


@knowing_narwhals
def apply(
    data: Any,
    plugin: Plugins,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    on_error: str = "raise",
    manager: PluginManager | None = None,
    config: BatchConfig | None = None,
    errors: ErrorLog | None = None,
    **bindings: Any,
) -> Any:
    """Apply a plugin, or a pipeline of them, to a frame: add columns, keep the rows that filters keep.

    Parameters
    ----------
    data
        A Polars DataFrame, LazyFrame or Series, a PyArrow Table, RecordBatch or RecordBatchReader, a
        pandas DataFrame, a Narwhals frame around one of these, or any object with ``__arrow_c_stream__``.
    plugin
        Its name, or the plugin itself. Or a list of these, and of `step`: each chunk passes through all of
        them while it is in cache, and later ones see the columns of earlier ones.
    output
        Name of the output column; for several a list, or a dict from field to name.
    keep
        Keep the data's own columns; with False only the new ones come back. For filters without effect.
    on_error
        What becomes of rows whose kernel raises: ``"raise"`` an error that names them, make their
        result ``"null"``, or ``"drop"`` them. A failed row isn't passed to later plugins; under
        ``"null"`` their results are null too.
    manager
        Whose plugins, memory pool and metrics to use; by default those of the process.
    config
        Chunk size and threads of this call.
    errors
        A log that collects the rows that fail, also those of a lazy query, once it is run.
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

    A pipeline:

    >>> @dfv.filter
    ... def near(km, most=1000.0):
    ...     return km < most
    >>> df.pipe(dfv.apply, [dfv.step("haversine", output="km", **paris), "near"], most=100).height
    0
    """
    manager = manager or default_manager()
    runtime = manager.runtime.logging_to(errors)
    check_on_error(on_error)
    if isinstance(data, pl.Series):
        return _apply_to_series(data, plugin, manager, runtime, output, on_error, config, bindings)
    steps = bind_steps(manager.registry, plugin, output, bindings)
    if not isinstance(data, pl.DataFrame):
        if isinstance(data, pl.LazyFrame):
            return apply_lazily(data, steps, runtime, keep=keep, on_error=on_error)
        if is_stream(data):
            return _apply_to_stream(data, steps, runtime, keep, on_error, config)
    outcome = run_data(data, steps, runtime, keep, on_error, config)
    return assemble(data, outcome, keep=keep)


@knowing_narwhals
def run(
    data: Any,
    plugin: Plugins,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    on_error: str = "null",
    manager: PluginManager | None = None,
    config: BatchConfig | None = None,
    **bindings: Any,
) -> BatchResult:
    """Apply a plugin, or a pipeline of them, and say what became of the rows.

    Parameters
    ----------
    data
        A frame that is in memory: Polars, PyArrow or pandas.
    plugin, output, keep, manager, config, **bindings
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
    manager = manager or default_manager()
    return run_batch(
        data,
        plugin,
        manager.registry,
        manager.runtime,
        output=output,
        keep=keep,
        on_error=on_error,
        config=config,
        bindings=bindings,
    )


def step(
    plugin: str | Plugin,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    **bindings: Any,
) -> Step:
    """Return a plugin with its own bindings, for a pipeline.

    Parameters
    ----------
    plugin, output, **bindings
        As in `apply`.
    keep
        With False its columns are there for later steps, and don't come back.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def half(x):
    ...     return x / 2
    >>> steps = [dfv.step("half", keep=False), dfv.step("half", x="half", output="quarter")]
    >>> pl.DataFrame({"x": [4.0]}).pipe(dfv.apply, steps).rows()
    [(4.0, 1.0)]
    """
    return Step(plugin, output, keep, bindings)


def expr(
    plugin: str | Plugin,
    *columns: str | pl.Expr,
    on_error: str = "raise",
    manager: PluginManager | None = None,
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
    manager
        As in `apply`.
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
    manager = manager or default_manager()
    found = manager.registry.resolve(plugin)
    positional = [p.name for p in found.parameters if p.is_column]
    if len(columns) > len(positional):
        msg = f"plugin `{found.name}` reads {len(positional)} columns, got {len(columns)}"
        raise BindingError(msg)
    bindings = {**dict(zip(positional, columns)), **bindings}  # noqa: B905  # fewer may be given
    if on_error == "drop":
        msg = 'an expression can\'t drop rows; use `on_error="null"`, or `apply`'
        raise ValueError(msg)
    check_on_error(on_error)
    (bound,) = bind_steps(manager.registry, found, None, bindings)
    return as_expression(bound, None, manager.runtime, on_error).alias(found.name)


# -- other kinds ------------------------------------------------------------------------------------------


def _apply_to_series(
    series: pl.Series,
    plugin: Plugins,
    manager: PluginManager,
    runtime: Runtime,
    output: Any,
    on_error: str,
    config: BatchConfig | None,
    bindings: Mapping[str, Any],
) -> pl.Series:
    if isinstance(plugin, (list, tuple, Step)):
        msg = "a pipeline needs a frame, got a Series; write `series.to_frame().pipe(dfv.apply, …)`"
        raise BindingError(msg)
    found = manager.registry.resolve(plugin)
    bound = series_bindings(found, series.name, bindings)
    steps = bind_steps(manager.registry, found, output, bound)
    outcome = run_data(series.to_frame(), steps, runtime, False, on_error, config)  # noqa: FBT003
    if found.is_filter:
        return series if outcome.keep is None else series.filter(outcome.keep)
    if len(outcome.series) == 1:
        return outcome.series[0]
    return pl.DataFrame(outcome.series).to_struct(found.name)


def _apply_to_stream(
    data: Any,
    steps: Sequence[BoundStep],
    runtime: Runtime,
    keep: bool,  # noqa: FBT001
    on_error: str,
    config: BatchConfig | None,
) -> Any:
    import pyarrow as pa

    reader = data if isinstance(data, pa.RecordBatchReader) else None
    if reader is None:
        reader = pa.RecordBatchReader.from_stream(data)

    def transform(part: Any) -> Any:
        outcome = run_data(part, steps, runtime, keep, on_error, config)
        return assemble(part, outcome, keep=keep)

    empty = reader.schema.empty_table()
    schema = transform(empty).schema
    frame = pl.from_arrow(empty)
    assert isinstance(frame, pl.DataFrame)
    if any(stage.whole for stage in Plan(steps, Scope.of_frame(frame), keep_data=keep).stages):
        # It needs all rows at once, whoever hands them over one batch at a time.
        return transform(reader.read_all()).to_reader()

    def batches() -> Iterator[Any]:
        for batch in reader:
            yield transform(batch).cast(schema)

    return pa.RecordBatchReader.from_batches(schema, batches())
