"""One record, a dict, through a plugin: as a frame of one row, so that it gives what a batch would."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.engine.failures import explain
from dataflare_vec.engine.steps import bind_steps
from dataflare_vec.errors import ColumnNotFoundError
from dataflare_vec.hints import near_matches
from dataflare_vec.running import run_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflare_vec.engine.runtime import Runtime
    from dataflare_vec.registry import Registry


@dataclass(frozen=True, slots=True)
class PluginResult:
    """What a plugin made of one record.

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
    known = {} if runtime.states is None else runtime.states.dtypes.get(plugin.name, {})
    by_column = {
        item.source: known.get(item.parameter.name)
        for item in steps[0].binding.columns
        if isinstance(item.source, str)
    }
    columns: list[pl.Series] = []
    for step in steps:
        for column in step.binding.column_names or record:
            if column not in record and len(steps) == 1:
                msg = (
                    f"plugin `{plugin.name}`: the record has no `{column}`; {near_matches(column, record)}; "
                    'bind another field with `parameter="…"`'
                )
                raise ColumnNotFoundError(msg)
            if column in record and column not in {series.name for series in columns}:
                columns.append(_as_series(column, record[column], by_column.get(column)))
    outcome = run_data(pl.DataFrame(columns), steps, runtime, False, "null", None)  # noqa: FBT003
    error = None
    if outcome.failures:
        first = outcome.failures[0]
        error = next(explain(first.stage, first.first(1)))
    gone = outcome.keep is not None and not outcome.keep.sum()
    return PluginResult(
        success=error is None,
        values={} if gone else {series.name: series[0] for series in outcome.series},
        filtered=gone and error is None,
        error=error,
        processing_time=timedelta(seconds=perf_counter() - began),
    )


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
