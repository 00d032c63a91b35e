"""Plugins as functions of DuckDB: ``dfv.duckdb.register(connection, "haversine")``."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import Column
from dataflare_vec.engine.plan import Plan
from dataflare_vec.engine.scope import Scope
from dataflare_vec.engine.steps import bind_steps
from dataflare_vec.errors import BindingError
from dataflare_vec.hints import near_matches
from dataflare_vec.manager import managed
from dataflare_vec.running import run_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflare_vec.definition import Plugin
    from dataflare_vec.engine.steps import BoundStep
    from dataflare_vec.manager import PluginManager

_TYPES: dict[type | None, pl.DataType] = {
    int: pl.Int64(),
    bool: pl.Boolean(),
    float: pl.Float64(),
    str: pl.String(),
    None: pl.Float64(),
}


def register(
    connection: Any,
    plugin: str | Plugin,
    *,
    name: str | None = None,
    types: Mapping[str, Any] | None = None,
    on_error: str = "raise",
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
        one that isn't annotated; DuckDB casts what it is called with.
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
    manager = managed(manager)
    if on_error not in ("raise", "null"):
        msg = f'`on_error` must be "raise" or "null", got {on_error!r}; a function can\'t drop rows'
        raise ValueError(msg)
    found = manager.registry.resolve(plugin)
    if found.stateful is not None:
        msg = (
            f"plugin `{found.name}` carries a state from row to row, and DuckDB calls a function on rows in "
            "any order; use `dfv.apply` on its result"
        )
        raise BindingError(msg)
    columns = [parameter for parameter in found.parameters if parameter.is_column]
    left = [parameter for parameter in columns if parameter.name not in bindings]
    for given in types or {}:
        if given not in [parameter.name for parameter in left]:
            known = near_matches(given, [parameter.name for parameter in left])
            msg = f"plugin `{found.name}`: `types` has `{given}`, which is no column it reads; {known}"
            raise BindingError(msg)
    schema = {p.name: (types or {}).get(p.name, _TYPES.get(p.expects, pl.Float64())) for p in left}
    (step,) = bind_steps(manager.registry, found, None, bindings)
    for item in step.binding.columns:
        if isinstance(item, Column) and item.parameter not in left:
            msg = f"plugin `{found.name}`: `{item.parameter.name}` must be bound to a number, got a column"
            raise BindingError(msg)
    if any(stage.whole for stage in Plan([step], Scope.of_schema(schema), keep_data=False).stages):
        msg = f"plugin `{found.name}` needs all rows at once, which a function of DuckDB doesn't get"
        raise BindingError(msg)
    empty = pl.DataFrame(schema=schema)
    result = _compute(step, empty, manager, on_error)

    def function(*arrays: Any) -> Any:
        return _compute(step, _frame(arrays, empty), manager, on_error).to_arrow()

    # DuckDB counts the parameters.
    parameters = [inspect.Parameter(p.name, inspect.Parameter.POSITIONAL_ONLY) for p in left]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    connection.create_function(
        name or found.name,
        function,
        _duckdb_types(connection, empty),
        _duckdb_types(connection, result.alias("result").to_frame())[0],
        type="arrow",
        null_handling="special",  # nulls reach the kernel's loop, which knows what to do with them
    )


def _compute(step: BoundStep, frame: pl.DataFrame, manager: PluginManager, on_error: str) -> pl.Series:
    # DuckDB has threads of its own.
    config = replace(manager.runtime.config, enable_parallel=False)
    outcome = run_data(frame, [step], manager.runtime, keep=False, on_error=on_error, config=config)
    if step.plugin.is_filter:
        kept = outcome.keep
        return pl.Series([True]).new_from_index(0, frame.height) if kept is None else kept
    if len(outcome.series) == 1:
        return outcome.series[0].rechunk()
    return pl.DataFrame(outcome.series).to_struct().rechunk()


def _frame(arrays: tuple[Any, ...], empty: pl.DataFrame) -> pl.DataFrame:
    series = [pl.Series(name, array) for name, array in zip(empty.columns, arrays, strict=True)]
    return pl.DataFrame(series).cast(empty.schema)


def _duckdb_types(connection: Any, frame: pl.DataFrame) -> list[Any]:
    """Return DuckDB's types for columns of a frame."""
    types: list[Any] = connection.from_arrow(frame.clear().to_arrow()).types
    return types
