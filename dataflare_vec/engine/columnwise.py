"""Column kernels as a stage: arrays of a chunk in, arrays of the same length out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import Column
from dataflare_vec.engine.expressions import spread
from dataflare_vec.engine.stage import Stage
from dataflare_vec.errors import KernelResultError, RowError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.binding import Binding
    from dataflare_vec.engine.stage import Chunk


class ColumnStage(Stage):
    """A column kernel."""

    def __init__(
        self, binding: Binding, reads: Sequence[str], writes: Mapping[str, Any], *, kept: bool
    ) -> None:
        self.plugin = binding.plugin
        self.binding = binding
        self.reads = reads
        self.writes = writes
        self.kept = kept

    def run(self, chunk: Chunk) -> None:
        """Compute the chunk's rows that hold no nulls; the others are null."""
        columns = [chunk.series(name) for name in self.reads]
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
                msg = (
                    f"column plugin `{self.binding.plugin.name}` returns {values.dtype} for `{name}`, and "
                    f"{dtype} for an empty chunk; return the same type for each chunk"
                )
                raise KernelResultError(msg)
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
        result = binding.plugin.function(*arguments)
    except Exception as error:
        msg = f"column plugin `{name}` failed on a chunk of {count} rows with {type(error).__name__}: {error}"
        raise RowError(msg, plugin=name, count=count) from error
    if not isinstance(result, tuple):
        return [_to_series(name, result, count)], None
    fields = getattr(result, "_fields", None) or tuple(f"{name}_{i}" for i in range(len(result)))
    return [_to_series(name, item, count) for item in result], fields


def _to_array(series: pl.Series) -> Any:
    array = series.to_physical().to_numpy()
    array.flags.writeable = False
    return array


def _to_series(name: str, item: Any, count: int) -> pl.Series:
    import numpy as np

    if not isinstance(item, np.ndarray) or item.shape != (count,):
        got = f"{type(item).__name__} of shape {getattr(item, 'shape', '()')}"
        msg = f"column plugin `{name}` must return an array of {count} values, got {got}"
        raise KernelResultError(msg)
    return pl.Series("", item)
