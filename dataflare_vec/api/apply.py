"""`apply`, `run` and `step`: plugins over data of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import polars as pl

from dataflare_vec._util.names import named
from dataflare_vec._util.suggestions import Argument, Phrase
from dataflare_vec.api.natively import check_data, is_native, natively
from dataflare_vec.definition.binding import series_bindings
from dataflare_vec.distributed.engines import engine_of
from dataflare_vec.engine.planning.request import ask
from dataflare_vec.engine.planning.steps import Step
from dataflare_vec.exceptions import BindingError
from dataflare_vec.interop import assemble, is_pandas_series, is_stream, knowing_narwhals, text_of
from dataflare_vec.interop.readers import apply_to_reader
from dataflare_vec.interop.runner import apply_to, run_batch, run_data
from dataflare_vec.service.manager import managed

_TO_FRAME = "write `series.to_frame().pipe(dfv.apply, …)`"

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dataflare_vec._typing import OnError
    from dataflare_vec.config.settings import BatchConfig
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.definition.registry import Registry
    from dataflare_vec.definition.signatures import Frame, Table
    from dataflare_vec.distributed.calls import Over
    from dataflare_vec.distributed.engines import Engine
    from dataflare_vec.distributed.result import DistributedResult
    from dataflare_vec.engine.context.errorlog import ErrorLog
    from dataflare_vec.engine.execution.result import BatchResult
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import By
    from dataflare_vec.engine.state.expiry import Expire
    from dataflare_vec.service.manager import PluginManager

    #: A plugin or its name, or a pipeline: a list of these and of steps. In a call by `pipe` a type checker
    #: takes a list of them for one of objects.
    Plugins = str | Plugin | Step | Sequence[Any]


@overload
def apply(
    data: Frame,
    /,
    plugin: Plugins,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    on_error: OnError = "raise",
    manager: PluginManager | None = None,
    config: BatchConfig | None = None,
    errors: ErrorLog | None = None,
    by: By = None,
    expire: Expire = None,
    order_by: str | Sequence[str] | None = None,
    state: Any = None,
    replace: bool = False,
    native: bool | None = None,
    **bindings: Any,
) -> Frame: ...
@overload
def apply(
    data: Table,
    /,
    plugin: Plugins,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    on_error: OnError = "raise",
    manager: PluginManager | None = None,
    config: BatchConfig | None = None,
    errors: ErrorLog | None = None,
    by: By = None,
    expire: Expire = None,
    order_by: str | Sequence[str] | None = None,
    state: Any = None,
    replace: bool = False,
    native: bool | None = None,
    **bindings: Any,
) -> Table: ...
@overload  # of libraries that the type checker knows nothing of
def apply(data: Any, /, plugin: Plugins, **arguments: Any) -> Any: ...
@knowing_narwhals
def apply(
    data: Any,
    /,
    plugin: Plugins,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    on_error: OnError = "raise",
    manager: PluginManager | None = None,
    config: BatchConfig | None = None,
    errors: ErrorLog | None = None,
    by: By = None,
    expire: Expire = None,
    order_by: str | Sequence[str] | None = None,
    state: Any = None,
    replace: bool = False,
    native: bool | None = None,
    **bindings: Any,
) -> Any:
    """Apply a plugin, or a pipeline of them, to a frame: add columns, keep the rows that filters keep.

    Parameters
    ----------
    data
        A Polars DataFrame, LazyFrame or Series, a PyArrow Table, RecordBatch or RecordBatchReader, a
        pandas DataFrame or Series, a Narwhals frame around one of these, or any object with
        ``__arrow_c_stream__``. Or a frame of an engine for many machines: Ray Data, Spark, Dask or Daft.
        Columns that no plugin reads may be of any type and name.
    plugin
        Its name, or the plugin itself. Or a list of these, and of `step`: each chunk passes through all of
        them while it is in cache, and later ones see the columns of earlier ones.
    output
        Name of the output column; for several columns a list, or a dict from field to name.
    keep
        Keep the columns of the data; if False, only the new ones are returned. No effect on filters.
    on_error
        How to treat rows whose kernel raises: ``"raise"`` an error that names them, set their
        result to ``"null"``, or ``"drop"`` them. A failed row isn't passed to later plugins; under
        ``"null"`` their results are null too.
    manager
        The manager whose plugins, memory pool and metrics to use; by default that of the process.
    config
        Chunk size and threads of this call.
    errors
        A log that collects failed rows, also those of a lazy query once it has run.
    by
        Keys of a scan or a reduce, with one state per key: a column name, an expression, or a list of
        these, of any hashable dtype. A null is a key of its own; NaN equals NaN.
    expire
        After what the state of a key is dropped, so that the number of states stays bounded: a column of
        times and what may pass, as ``("ts", "30m")``, or ``100_000`` rows. A later row of that key begins
        anew, and of a reduce each such session is a row of the result. See the notes.
    order_by
        Of an engine's frame, whose rows have no order: the columns by which rows come to a scan one after
        the other, within each key. Frames in memory are sorted instead.
    state
        The state from which a scan or a reduce resumes: the ``state`` of an earlier `run`. For a pipeline,
        a dict by plugin name.
    replace
        Let an output replace a column of the same name, as with ``output="x", replace=True``: the kernel
        and earlier steps read the old values, later steps the new ones. In a pipeline it applies to each
        step; `step` has one of its own.
    native
        Of a LazyFrame: run its plugins as native expressions, without Python, so that the query needs Polars
        only. Each kernel is built once per machine, into the cache, for which there has to be a C compiler
        or ``dataflare_vec[build]``; what can't be built is an error, by name (see `build`). Polars then
        holds the columns that a scan or a reduce reads as a whole. None is what the manager's settings say,
        which False overrules; they leave scans and reduces to Python, which takes rows batch by batch.
    **bindings
        For a column parameter the name of a column (by default its own name), a Polars expression or a
        number; for a constant its value, or an expression for one value per row.

    Returns
    -------
    same kind as ``data``
        A LazyFrame stays lazy, a stream is read batch by batch as the result is (as a
        `pyarrow.RecordBatchReader`). The input isn't changed.

    Notes
    -----
    With ``expire=`` the clock is the latest time so far in the column, not that of the machine, so that runs
    can be repeated, and chunks and batches don't matter. A key expires when the clock goes on by more than
    the time given after the key's last row; a row that comes late counts as one of now, and at a null the
    clock stands still. Times are dates, datetimes, durations (with what may pass as a `timedelta` or a text
    of the units ns, us, ms, s, m, h, d and w) or integers (with an integer). A number of rows counts those
    of all keys: a key expires that none of the last ones has.

    A reduce gives a row for each session, in the order in which they have ended; those that haven't come last
    and are in the ``state``. A stream, an Arrow reader and a lazy query hand on sessions as they end.

    In pandas a label that isn't a string is read by its text, ``"0"`` for ``0`` and ``"('a', 1)"`` for one of
    several levels. New columns are of pandas' nullable dtypes or Arrow's if columns that are read are, else
    of NumPy's; one with nulls is nullable where NumPy's dtype knows none.

    Raises
    ------
    PluginError
        If plugin, columns, types or names don't match; raised before any work is done.
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
    manager = managed(manager)
    if not isinstance(data, pl.DataFrame):
        engine = engine_of(data)
        if engine is not None:
            if native is not None:
                check_data(native, data)
            if errors is not None:
                hint = "`dfv.run(…).errors` has the failed rows, `run(…, errors=folder)` writes them"
                msg = f"an error log isn't on the machines on which {engine.name} runs"
                raise BindingError(msg, argument="errors", hint=hint)
            options = {
                "output": output,
                "keep": keep,
                "on_error": on_error,
                "config": config,
                "by": by,
                "expire": expire,
                "state": state,
                "replace": replace,
                "bindings": bindings,
            }
            return _over(engine, data, manager, plugin, options, order_by).apply()
    _refuse_order(order_by)
    runtime = manager.runtime.logging_to(errors)
    if native is not None:
        check_data(native, data)
    is_series = isinstance(data, pl.Series) or (not isinstance(data, pl.DataFrame) and is_pandas_series(data))
    if is_series:
        plugin, bindings = _of_one_column(manager.registry, data, plugin, by, bindings)
    request = ask(
        manager.registry,
        runtime,
        plugin,
        output=output,
        keep=keep,
        on_error=on_error,
        config=config,
        by=by,
        expire=expire,
        state=state,
        replace=replace,
        bindings=bindings,
    )
    if not isinstance(data, pl.DataFrame):
        if is_series:
            return _apply_to_series(data, request)
        if isinstance(data, pl.LazyFrame):
            return _apply_to_query(data, request, native, manager)
        if is_stream(data):
            return apply_to_reader(data, request)
    return apply_to(data, request)


@overload
def run(
    data: pl.DataFrame,
    /,
    plugin: Plugins,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    on_error: OnError = "null",
    manager: PluginManager | None = None,
    config: BatchConfig | None = None,
    by: By = None,
    expire: Expire = None,
    state: Any = None,
    replace: bool = False,
    **bindings: Any,
) -> BatchResult: ...
@overload  # of libraries that the type checker knows nothing of
def run(data: Any, /, plugin: Plugins, **arguments: Any) -> Any: ...
@knowing_narwhals
def run(
    data: Any,
    /,
    plugin: Plugins,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    on_error: OnError = "null",
    manager: PluginManager | None = None,
    config: BatchConfig | None = None,
    by: By = None,
    expire: Expire = None,
    order_by: str | Sequence[str] | None = None,
    errors: str | Path | None = None,
    state: Any = None,
    replace: bool = False,
    **bindings: Any,
) -> Any:
    """Apply a plugin, or a pipeline of them, and return the frame with failed rows and counts.

    Parameters
    ----------
    data
        A frame that is in memory: Polars, PyArrow or pandas. Or one of Ray Data, Spark, Dask or Daft.
    plugin, output, keep, manager, config, by, expire, order_by, state, replace, **bindings
        As in `apply`.
    on_error
        As in `apply`, but by default ``"null"``: failed rows are in the result's ``errors``.
    errors
        Of an engine's frame: a folder for the failed rows, which all machines share, and which is empty or
        isn't there. They are in it when `run` returns, as Parquet files: each once, whatever was retried.

    Returns
    -------
    BatchResult
        The frame, the failed rows, counts, time and throughput. Of an engine's frame a `DistributedResult`,
        whose frames are lazy.

    Raises
    ------
    PluginError, RowError
        As in `apply`.
    UnsupportedDataError
        If the data is nothing that it can read.
    TypeError
        If it is a lazy query: `apply` keeps it lazy, and ``query.collect()`` is a frame.

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
    manager = managed(manager)
    if not isinstance(data, pl.DataFrame):
        engine = engine_of(data)
        if engine is not None:
            options = {
                "output": output,
                "keep": keep,
                "on_error": on_error,
                "config": config,
                "by": by,
                "expire": expire,
                "state": state,
                "replace": replace,
                "bindings": bindings,
            }
            return _run_over(engine, data, manager, plugin, options, order_by, errors)
    _refuse_order(order_by)
    if errors is not None:
        raise BindingError(
            Phrase("of `run` only frames of engines for many machines take ", Argument("errors")),
            argument="errors",
            hint="`result.errors` has the failed rows: write them as any frame",
        )
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
        by=by,
        expire=expire,
        state=state,
        replace=replace,
    )


def step(
    plugin: str | Plugin,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    by: By = None,
    expire: Expire = None,
    replace: bool = False,
    **bindings: Any,
) -> Step:
    """Return a plugin with its own bindings, for a pipeline.

    Parameters
    ----------
    plugin, output, by, expire, replace, **bindings
        As in `apply`.
    keep
        If False, its columns are available to later steps but not part of the result.

    Returns
    -------
    Step
        For the list that `apply` is given; whether its bindings fit is looked at there.

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
    return Step(plugin, output, keep, bindings, by, replace, expire)


def _refuse_order(order_by: object) -> None:
    if order_by is not None:
        raise BindingError(
            Phrase("only frames of engines for many machines take ", Argument("order_by")),
            argument="order_by",
            hint="sort the frame first",
        )


def _over(engine: Engine, *arguments: Any) -> Over:
    from dataflare_vec.distributed.calls import over

    return over(engine, *arguments)


def _run_over(
    engine: Engine,
    data: Any,
    manager: PluginManager,
    plugin: Plugins,
    options: Mapping[str, Any],
    order_by: str | Sequence[str] | None,
    errors: str | Path | None,
) -> DistributedResult:
    from dataflare_vec.distributed.error_files import check_error_files, write_failed_rows
    from dataflare_vec.distributed.result import DistributedResult

    folder = None if errors is None else check_error_files(errors, options["on_error"])
    over = _over(engine, data, manager, plugin, options, order_by)
    frame = over.apply()
    if folder is None:
        return DistributedResult(frame, over)
    counts, files = write_failed_rows(over, folder)
    return DistributedResult(frame, over, files, counts)


# -- other kinds ------------------------------------------------------------------------------------------


def _apply_to_query(
    frame: pl.LazyFrame, request: Request, native: bool | None, manager: PluginManager
) -> pl.LazyFrame:
    if is_native(native, manager):
        from dataflare_vec.polars_plugin.queries import apply_natively

        asked = native is True
        made = natively(request, lambda: apply_natively(frame, request, may_hold_all=asked), required=asked)
        if made is not None:
            return made
    from dataflare_vec.interop.queries import apply_to_query  # most calls are over frames

    return apply_to_query(frame, request)


def _of_one_column(
    registry: Registry, series: Any, plugin: Plugins, by: By, bindings: Mapping[str, Any]
) -> tuple[Plugin, dict[str, Any]]:
    """Return the plugin that is called with a Series, and its bindings with that as its column."""
    if by is not None:
        raise BindingError(argument="by", problem="`by` needs a frame, got a Series", hint=_TO_FRAME)
    if isinstance(plugin, (list, tuple, Step)):
        raise BindingError(problem="a pipeline needs a frame, got a Series", hint=_TO_FRAME)
    found = registry.resolve(plugin)
    return found, series_bindings(found, text_of(series.to_frame().columns[0]), bindings)


def _apply_to_series(series: Any, request: Request) -> Any:
    found = request.steps[0].plugin
    frame = series.to_frame()
    outcome = run_data(frame, request._replace(keep=False))
    if not isinstance(series, pl.Series):
        if found.is_filter:
            return series if outcome.remaining is None else series[outcome.remaining.to_numpy()]
        result = assemble(frame, outcome, keep=False)
        return result.iloc[:, 0] if result.shape[1] == 1 else result
    if found.is_filter:
        return series if outcome.remaining is None else series.filter(outcome.remaining)
    if len(outcome.series) == 1:
        return outcome.series[0]
    return named(outcome.series).to_struct(found.name)
