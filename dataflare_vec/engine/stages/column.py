"""Column kernels as a stage: arrays of a chunk in, arrays of the same length out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.foreign_errors import without_context
from dataflare_vec._util.names import unnamed
from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.definition.binding import Column, field_names
from dataflare_vec.definition.declared import declared_dtype
from dataflare_vec.definition.plugin import by_place
from dataflare_vec.engine.stages.expression import spread
from dataflare_vec.engine.stages.protocols import Stage, StageReport
from dataflare_vec.exceptions import KernelResultError, RowError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.engine.stages.protocols import Chunk


class ColumnStage(Stage):
    """A column kernel."""

    def __init__(
        self, binding: Binding, reads: Sequence[str], writes: Mapping[str, Any], *, in_result: bool
    ) -> None:
        self.plugin = binding.plugin
        self.binding = binding
        self.reads = reads
        self.writes = writes
        self.in_result = in_result

    def report(self, *, nulls: bool) -> StageReport:
        """Return what it is: its loop is the author's own."""
        return StageReport("column kernel")

    def run(self, chunk: Chunk) -> None:
        """Compute the chunk's rows that hold no nulls; the others are null."""
        columns = [unnamed(chunk.series(name)) for name in self.reads]
        present = chunk.selection(self)
        for series in columns:
            if series.null_count():
                valid = series.is_not_null()
                present = valid if present is None else present & valid
        if present is not None:
            columns = [series.filter(present) for series in columns]
        outputs, _ = _call(self.binding, columns, len(columns[0]))
        for (name, dtype), values in zip(self.writes.items(), outputs, strict=True):
            if values.dtype != dtype:
                raise KernelResultError(
                    problem=f"it returns {values.dtype} for `{name}`, and {dtype} for an empty chunk",
                    plugin=self.binding.plugin.name,
                    column=name,
                    expected=str(dtype),
                    got=values.dtype,
                    hint="return the same type for each chunk",
                )
            chunk.put(self, name, values if present is None else spread(values, present))


def column_kernel_schema(
    binding: Binding, empty: Sequence[pl.Series]
) -> tuple[tuple[str, ...] | None, list[Any]]:
    """Return the names of the fields (None for one output) and the dtypes that a column kernel returns.

    It is called with columns of no rows for that.
    """
    outputs, fields = _call(binding, empty, 0)
    return fields, [series.dtype for series in outputs]


def _call(
    binding: Binding, columns: Sequence[pl.Series], count: int
) -> tuple[list[pl.Series], tuple[str, ...] | None]:
    name = binding.plugin.name
    arrays = iter([_to_array(series) for series in columns])
    arguments = [next(arrays) if isinstance(item, Column) else item.value for item in binding.items]
    try:
        result = by_place(binding.plugin.function)(*arguments)
    except Exception as error:
        msg = f"it failed on a chunk of {count} rows"
        raise RowError(msg, plugin=name, count=count, cause=error) from error
    is_tuple = isinstance(result, tuple)
    result = result if is_tuple else (result,)
    named = getattr(result, "_fields", None)
    fields = field_names(binding.plugin, named, len(result), is_tuple=is_tuple)
    declared = _declared(binding, columns, fields, len(result))
    return [
        _to_series(name, item, count, dtype) for item, dtype in zip(result, declared, strict=True)
    ], fields


def _declared(
    binding: Binding, columns: Sequence[pl.Series], fields: Sequence[str] | None, count: int
) -> list[Any]:
    """Return what ``returns`` says of each output, None where it says nothing."""
    plugin = binding.plugin
    returns = plugin.returns
    if isinstance(returns, dict):
        for field in returns:
            if field not in (fields or ()):
                msg = f"`returns` declares `{field}`, which it doesn't return"
                hint = near_matches(field, fields or ())
                raise KernelResultError(msg, plugin=plugin.name, argument="returns", hint=hint)
        items = [returns.get(field) for field in fields or ()]
    elif isinstance(returns, (tuple, list)):
        items = list(returns)
    else:
        items = [returns] * (count if returns is None else 1)
    if len(items) != count:
        msg = f"it returns {count} arrays, but `returns` declares {len(items)}"
        raise KernelResultError(msg, plugin=plugin.name, argument="returns")
    names = [item.parameter.name for item in binding.columns]
    dtypes = {name: series.dtype for name, series in zip(names, columns, strict=True)}
    return [declared_dtype(plugin, item, dtypes) for item in items]


def _to_array(series: pl.Series) -> Any:
    array = series.to_physical().to_numpy()
    array.flags.writeable = False
    return array


def _to_series(name: str, item: Any, count: int, declared: Any) -> pl.Series:
    import numpy as np

    if isinstance(item, pl.Series):
        raise _not_an_array(
            name,
            count,
            "a Polars Series",
            "return `series.to_numpy()`, or let an expression plugin do this, which works on Series",
        )
    if not isinstance(item, np.ndarray) or item.shape != (count,):
        got = f"{type(item).__name__} of shape {getattr(item, 'shape', '()')}"
        raise _not_an_array(name, count, got)
    series = pl.Series("", item)
    if declared is None or series.dtype == declared:
        return series
    if (series.dtype.is_float() and not declared.is_float()) or declared == pl.Boolean:
        msg = f"it returns {series.dtype}, but `returns` declares {declared}"
        hint = "convert in the kernel, as `values.astype(…)`"
        raise KernelResultError(msg, plugin=name, expected=str(declared), got=series.dtype, hint=hint)
    try:
        return series.cast(declared)
    except pl.exceptions.PolarsError as error:
        msg = (
            f"it returns values that don't fit {declared}, which `returns` declares: {without_context(error)}"
        )
        raise KernelResultError(msg, plugin=name, expected=str(declared)) from error


def _not_an_array(plugin: str, count: int, got: str, hint: str = "") -> KernelResultError:
    expected = f"an array of {count} values"
    msg = f"a column kernel must return {expected}, got {got}"
    return KernelResultError(msg, plugin=plugin, expected=expected, got=got, hint=hint)
