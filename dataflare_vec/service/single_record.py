"""One record, a dict, through a plugin: as a frame of one row, so that it gives what a batch would."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.definition.annotations import assumed_dtype
from dataflare_vec.engine.planning.request import Request
from dataflare_vec.engine.planning.steps import bind_steps
from dataflare_vec.engine.stages.failures import explain
from dataflare_vec.exceptions import BindingError, ColumnNotFoundError, RowError
from dataflare_vec.interop.runner import run_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.definition.binding import Column
    from dataflare_vec.definition.registry import Registry
    from dataflare_vec.engine.context.runtime import Runtime


@by_public_name
@dataclass(frozen=True, slots=True)
class PluginResult:
    """The result of a plugin for one record.

    Attributes
    ----------
    success : bool
        Whether the row didn't fail.
    values : dict
        The plugin's columns by name; None for a null. Empty for a filter.
    filtered : bool
        Whether a filter took the record out.
    error : Exception or None
        What the plain Python function raises for it.
    processing_time : timedelta
        Compilation included.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> manager = dfv.PluginManager()
    >>> _ = manager.register_plugin("each", lambda cost, people: cost // people)
    >>> manager.process_record("each", {"cost": 9, "people": 3}).values
    {'each': 3}
    >>> failed = manager.process_record("each", {"cost": 9, "people": 0})
    >>> failed.success, type(failed.error).__name__
    (False, 'ZeroDivisionError')
    """

    success: bool
    values: Mapping[str, Any]
    filtered: bool
    error: Exception | None
    processing_time: timedelta

    @property
    def value(self) -> Any:
        """The one value, `values` if there are several; for a filter, whether it keeps the record."""
        if not self.values:
            return self.success and not self.filtered
        return next(iter(self.values.values())) if len(self.values) == 1 else self.values


def run_record(
    name: Any, record: Mapping[str, Any], registry: Registry, runtime: Runtime, bindings: Mapping[str, Any]
) -> PluginResult:
    """Run a plugin over one record: see `PluginManager.process_record`."""
    began = perf_counter()
    if not hasattr(record, "keys"):
        msg = (
            f"`record` must be a dict of one row, got {type(record).__name__}; `process_batch` takes several"
        )
        raise TypeError(msg)
    steps = bind_steps(registry, name, None, bindings)
    plugin = steps[0].plugin
    for step in steps:
        if step.plugin.is_exploder:
            msg = "it gives several rows for one, and the result of a record is one row"
            raise BindingError(msg, plugin=step.plugin.name, hint="use `process_batch(name, [record])`")
    known = {} if runtime.states is None else runtime.states.dtypes.get(plugin.name, {})
    by_column = {
        item.source: known.get(item.parameter.name) or _unseen(item, record)
        for item in steps[0].binding.columns
        if isinstance(item.source, str)
    }
    columns: list[pl.Series] = []
    for step in steps:
        names = step.binding.column_names or record
        own = [item.source for item in step.binding.columns if item.source in names]
        for column in dict.fromkeys([*own, *names]):  # in the order of parameters: a set has none
            if column not in record and len(steps) == 1:
                raise ColumnNotFoundError(
                    problem=f"the record has no field `{column}`",
                    plugin=plugin.name,
                    column=column,
                    hint=f'{near_matches(column, record)}; bind another field with `parameter="…"`',
                )
            if column in record and column not in {series.name for series in columns}:
                columns.append(_as_series(column, record[column], by_column.get(column)))
    if runtime.states is not None:
        runtime.states.of_records.update(
            {step.plugin.name for step in steps}.difference(runtime.states.dtypes)
        )
    frame = columns[0].to_frame().hstack(columns[1:]) if columns else pl.DataFrame()
    try:
        outcome = run_data(frame, Request(steps, runtime, keep=False, on_error="null", of_record=True))
    except RowError as failed:  # of a column kernel, which fails as a whole
        cause = failed.__cause__ if isinstance(failed.__cause__, Exception) else failed
        return PluginResult(False, {}, False, cause, timedelta(seconds=perf_counter() - began))
    error = None
    if outcome.failures:
        first = outcome.failures[0]
        error = next(explain(first.stage, first.first(1)))
    gone = outcome.remaining is not None and not outcome.remaining.sum()
    return PluginResult(
        success=error is None,
        values={} if gone else {series.name: series[0] for series in outcome.series},
        filtered=gone and error is None,
        error=error,
        processing_time=timedelta(seconds=perf_counter() - began),
    )


def as_frame(
    records: Sequence[Any],
    plugins: Any,
    registry: Registry,
    known: Mapping[str, Mapping[str, Any]],
    bindings: Mapping[str, Any],
) -> pl.DataFrame:
    """Return a list of dicts as a frame; of none, one with the columns that the plugins read.

    Parameters
    ----------
    records
        The dicts.
    plugins, registry
        What is to be run over them, and where it is found.
    known
        Dtypes by plugin and parameter, for the columns of an empty list.
    bindings
        Of the call.

    Raises
    ------
    TypeError
        If something else is among them.
    """
    for i, record in enumerate(records):
        if not hasattr(record, "keys"):
            msg = f"a list of records must hold dicts, got {type(record).__name__} at index {i}: {record!r}"
            raise TypeError(msg)
    if records:
        return pl.DataFrame(records, infer_schema_length=None)
    schema: dict[str, Any] = {}
    written: set[str] = set()
    for step in bind_steps(registry, plugins, None, bindings):
        seen = known.get(step.plugin.name, {})
        for item in step.binding.columns:
            if isinstance(item.source, str) and item.source not in written:
                schema.setdefault(
                    item.source, seen.get(item.parameter.name) or assumed_dtype(item.parameter.expects)
                )
        output = step.output or step.plugin.name
        names = output.values() if isinstance(output, dict) else output
        written.update([names] if isinstance(names, str) else names)
    return pl.DataFrame(schema=schema)


def _unseen(item: Column, record: Mapping[str, Any]) -> Any:
    """Return the dtype of a column whose first value is null, None if there is one to tell it."""
    return assumed_dtype(item.parameter.expects) if record.get(str(item.source)) is None else None


def _as_series(name: str, value: Any, dtype: Any) -> pl.Series:
    """Return a column of one value, of the dtype that the plugin last saw there if that holds the value."""
    if dtype is None:
        # Null has a dtype of its own that no kernel reads.
        return pl.Series(name, [value], dtype=pl.Float64 if value is None else None)
    series = pl.Series(name, [value])
    if series.dtype == dtype:
        return series
    lossless = value is None or not (series.dtype.is_float() and dtype.is_integer())
    try:
        return series.cast(dtype, strict=True) if lossless else series
    except pl.exceptions.PolarsError:
        return series
