"""Plugins as DuckDB functions: ``dfv.duckdb.register(connection, "haversine")``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.foreign_errors import first_line
from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.config.extras import require
from dataflare_vec.definition.annotations import is_named_tuple, likely_dtype
from dataflare_vec.definition.python_values import struct_fields
from dataflare_vec.engine.execution.expressions import answering, check_answers
from dataflare_vec.engine.planning.kept import RepeatedPlan
from dataflare_vec.engine.planning.request import Request
from dataflare_vec.engine.planning.steps import bind_steps
from dataflare_vec.engine.stages.failures import in_batch
from dataflare_vec.exceptions import ArgumentError, BindingError
from dataflare_vec.interop.arrow import to_arrow
from dataflare_vec.interop.runner import run_data
from dataflare_vec.interop.sound import check
from dataflare_vec.service.manager import managed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec._typing import OnError
    from dataflare_vec.definition.plugin import Parameter, Plugin
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.steps import BoundStep
    from dataflare_vec.service.manager import PluginManager

#: DuckDB's types where it has one that Arrow's wouldn't lead to.
_NAMES: dict[Any, str] = {pl.Int128: "HUGEINT", pl.Time: "TIME"}
#: Bytes of an INTERVAL in Arrow: months, days, nanoseconds.
_INTERVAL = (("months", "i4"), ("days", "i4"), ("nanoseconds", "i8"))
_DAY = 86_400_000_000


def register(
    connection: Any,
    plugin: str | Plugin,
    *,
    name: str | None = None,
    types: Mapping[str, Any] | None = None,
    on_error: OnError = "raise",
    manager: PluginManager | None = None,
    **bindings: Any,
) -> None:
    """Make a plugin a function of a DuckDB connection.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where it is registered.
    plugin
        The plugin or its name. Its column parameters become the function's, in their order. A filter
        gives a BOOLEAN, a kernel with several outputs a STRUCT.
    name
        Of the function; by default the plugin's.
    types
        Polars dtypes by parameter. By default what a parameter is annotated as, and Float64 (DOUBLE) for
        one that isn't annotated; DuckDB casts what it is called with, and a DECIMAL rounds it. Int128 is
        HUGEINT, Duration is INTERVAL (one with months, whose length isn't known, ends the query).
    on_error
        ``"raise"`` ends the query, ``"null"`` makes the result of a failed row null.
    manager
        As in `dataflare_vec.apply`.
    **bindings
        Constants by parameter; a column parameter that gets a number is none of the function's.

    Raises
    ------
    PluginError
        If the plugin doesn't fit the types, or can't be computed for some rows at a time.
    MissingDependencyError
        If DuckDB isn't installed.

    Notes
    -----
    DuckDB calls it for 2,048 rows at a time, which costs some 100 ns a row. Where a table is large,
    ``dfv.stream(connection.sql("…"), plugin)`` is faster.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import duckdb
    >>> with duckdb.connect() as connection:
    ...     dfv.duckdb.register(connection, "haversine", radius=3958.8)
    ...     connection.execute("select round(haversine(52.5, 13.4, 48.9, 2.4))").fetchone()
    (541.0,)
    """
    require("duckdb", "`duckdb.register`")
    manager = managed(manager)
    if not hasattr(connection, "create_function"):
        msg = f"`connection` must be a DuckDB connection, got {type(connection).__name__}"
        raise TypeError(msg)
    if on_error not in ("raise", "null"):
        hint = "a function can't drop rows"
        raise ArgumentError(argument="on_error", expected='"raise" or "null"', got=repr(on_error), hint=hint)
    found = manager.registry.resolve(plugin)
    if found.is_exploder:
        msg = "it gives several rows for one, and a DuckDB function can't"
        hint = "register a row kernel that returns the list, and use `unnest` of it"
        raise BindingError(msg, plugin=found.name, hint=hint)
    left = _parameters(found, bindings)
    schema = _schema(found, left, types or {})
    (step,) = bind_steps(manager.registry, found, None, bindings)
    _check_columns(step, left)
    step = answering(step)  # of a null a filter says neither true nor false, as SQL has it
    # DuckDB has threads of its own.
    config = replace(manager.runtime.config, enable_parallel=False)
    request = Request([step], manager.runtime, keep=False, on_error=on_error, config=config)
    plan = RepeatedPlan(_refuse_all_rows)
    result = _compute(pl.DataFrame(schema=schema), request, plan)
    if found.is_filter:
        check_answers(found, [result])

    def function(*arrays: Any) -> Any:
        columns = zip(schema.items(), arrays, strict=True)
        frame = pl.DataFrame([_to_series(found, one, dtype, array) for (one, dtype), array in columns])
        with in_batch(frame.height, "DuckDB"):
            return _to_arrow(_compute(frame, request, plan))

    # DuckDB counts the parameters.
    parameters = [inspect.Parameter(p.name, inspect.Parameter.POSITIONAL_ONLY) for p in left]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    connection.create_function(
        name or found.name,
        function,
        [_duckdb_type(connection, found, f"parameter `{one}`", dtype) for one, dtype in schema.items()],
        _duckdb_type(connection, found, "its result", result.dtype),
        type="arrow",
        null_handling="special",  # nulls reach the kernel's loop, which knows what to do with them
    )


def _parameters(plugin: Plugin, bindings: Mapping[str, Any]) -> list[Parameter]:
    """Return the parameters of a plugin that become the function's."""
    if plugin.stateful is not None:
        msg = "it carries a state from row to row, and DuckDB calls a function on rows in any order"
        raise BindingError(msg, plugin=plugin.name, hint="use `dfv.apply` on its result")
    return [p for p in plugin.parameters if p.is_column and p.name not in bindings]


def _check_columns(step: BoundStep, left: Sequence[Parameter]) -> None:
    """Raise if a column is read that is none of the function's parameters, or if there are none."""
    for item in step.binding.columns:
        if item.parameter not in left:
            raise BindingError(
                problem=f"`{item.parameter.name}` must be bound to a number, got a column",
                plugin=step.plugin.name,
                parameter=item.parameter.name,
                expected="a number",
                got="a column",
            )
    if not left:
        msg = "all its columns are bound to numbers"
        raise BindingError(msg, plugin=step.plugin.name, hint="a function needs at least one")


def _schema(plugin: Plugin, parameters: Sequence[Parameter], types: Mapping[str, Any]) -> dict[str, Any]:
    """Return the dtypes of the function's parameters: as said, as annotated, or DOUBLE."""
    if not isinstance(types, Mapping):
        expected = "a dict from parameter to Polars dtype"
        raise BindingError(plugin=plugin.name, argument="types", expected=expected, got=repr(types))
    names = [parameter.name for parameter in parameters]
    schema = {}
    for given, dtype in types.items():
        if given not in names:
            msg = f"`types` has `{given}`, which is not a column it reads"
            raise BindingError(
                msg,
                plugin=plugin.name,
                parameter=given,
                argument="types",
                hint=near_matches(str(given), names),
            )
        if dtype is pl.Decimal or not _is_dtype(dtype):
            what = "with precision and scale" if dtype is pl.Decimal else "a Polars dtype"
            raise BindingError(
                problem=f"`types` of `{given}` must be {what}, as `pl.Decimal(18, 2)`, got {dtype!r}",
                plugin=plugin.name,
                parameter=given,
                argument="types",
                expected=what,
                got=repr(dtype),
            )
    for parameter in parameters:
        dtype = types.get(parameter.name)
        if dtype is None:
            dtype = _annotated(parameter.expects)
        if dtype is None:
            name = parameter.name
            raise BindingError(
                problem=f"what `{name}` is annotated with doesn't say all of its type",
                plugin=plugin.name,
                parameter=name,
                hint=f'pass `types={{"{name}": …}}`, as `pl.Decimal(18, 2)` or `pl.Struct({{…}})`',
            )
        schema[parameter.name] = dtype
    return dict(pl.Schema(schema))


def _is_dtype(given: Any) -> bool:
    return isinstance(given, pl.DataType) or (isinstance(given, type) and issubclass(given, pl.DataType))


def _annotated(expects: Any) -> Any:
    """Return the dtype of a parameter that is annotated so; None if that doesn't tell it."""
    if is_named_tuple(expects):
        fields = {field.name: _annotated(field.expects) for field in struct_fields(None, expects)}
        return None if None in fields.values() else pl.Struct(fields)
    return likely_dtype(expects or float)


def _duckdb_type(connection: Any, plugin: Plugin, what: str, dtype: Any) -> Any:
    """Return DuckDB's type for a dtype."""
    if type(dtype) in _NAMES:
        return _NAMES[type(dtype)]
    import pyarrow as pa
    from duckdb import NotImplementedException

    try:
        empty = pa.table({"x": pl.Series([], dtype=dtype).to_arrow()})
        return connection.from_arrow(empty).types[0]
    except (pl.exceptions.PolarsError, pa.ArrowException, NotImplementedException) as error:
        msg = f"{what} is {dtype}, for which DuckDB has no type ({first_line(error)})"
        raise BindingError(msg, plugin=plugin.name) from error


def _refuse_all_rows(plan: Plan) -> None:
    if plan.needs_all_rows:
        msg = "it needs all rows at once, which a DuckDB function doesn't get"
        raise BindingError(msg, plugin=next(iter(plan.dtypes)))


def _compute(frame: pl.DataFrame, request: Request, plan: RepeatedPlan) -> pl.Series:
    outcome = run_data(frame, request, plan)
    if len(outcome.series) == 1:
        return outcome.series[0]
    return pl.DataFrame(outcome.series).to_struct()


def _to_series(plugin: Plugin, name: str, dtype: Any, array: Any) -> pl.Series:
    """Return what DuckDB hands over for a parameter as a column of its dtype."""
    import pyarrow as pa

    if pa.types.is_interval(array.type):
        return _spans(plugin.name, name, array).cast(dtype).alias(name)
    check(array, name, {name: plugin.name})  # DuckDB looks at text of a table of Arrow after the function
    try:
        return pl.Series(name, array).cast(dtype)
    except pl.exceptions.PolarsError as error:
        msg = f"parameter `{name}` can't be read as {dtype}: {first_line(error)}"
        raise BindingError(msg, plugin=plugin.name, parameter=name) from error


def _spans(plugin: str, parameter: str, array: Any) -> pl.Series:
    """Return intervals as durations; a day has 24 hours, and a month no length that is known."""
    import numpy as np
    import pyarrow as pa

    array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.nulls(0, array.type)
    raw = np.frombuffer(array.buffers()[1], np.dtype(list(_INTERVAL)))[array.offset :][: len(array)]
    parts = pl.DataFrame({name: raw[name] for name, _ in _INTERVAL})
    there = pl.Series(array.is_valid())
    days, microseconds = pl.col("days").cast(pl.Int128), pl.col("nanoseconds") // 1000
    spans = parts.select(months="months", span=days * _DAY + microseconds).with_columns(there=there)
    if spans.select((pl.col("there") & (pl.col("months") != 0)).any()).item():
        msg = f"parameter `{parameter}`: an interval with months or years has no fixed length"
        raise BindingError(msg, plugin=plugin, parameter=parameter, hint="use days")
    try:
        spans = spans.select(pl.when("there").then(pl.col("span").cast(pl.Int64)))
    except pl.exceptions.PolarsError as error:
        msg = f"parameter `{parameter}`: an interval doesn't fit 64 bits of microseconds"
        raise BindingError(msg, plugin=plugin, parameter=parameter) from error
    return spans.to_series().cast(pl.Duration("us"))


def _to_arrow(series: pl.Series) -> Any:
    import pyarrow as pa

    array = to_arrow(series)
    return array.cast(pa.time64("us")) if series.dtype == pl.Time else array
