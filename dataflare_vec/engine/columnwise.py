"""Column kernels: arrays of a chunk in, arrays of the same length out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import Column
from dataflare_vec.errors import KernelResultError, RowError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.binding import Binding


def run_column_kernel(
    binding: Binding, columns: Sequence[pl.Series], height: int
) -> tuple[list[pl.Series], tuple[str, ...] | None]:
    """Call the kernel on the rows without nulls.

    Returns
    -------
    list of polars.Series
        The outputs, null where a row had a null.
    tuple of str or None
        Names of the fields if the kernel returns a named tuple.

    Raises
    ------
    KernelResultError
        If it doesn't return arrays of the length it got.
    RowError
        If it raises; a column kernel fails as a whole.
    """
    name = binding.plugin.name
    present = None
    for series in columns:
        if series.null_count():
            valid = series.is_not_null()
            present = valid if present is None else present & valid
    if present is not None:
        columns = [series.filter(present) for series in columns]
    count = height if present is None else int(present.sum())
    arrays = iter([_to_array(series) for series in columns])
    arguments = [next(arrays) if isinstance(item, Column) else item.value for item in binding.items]
    try:
        result = binding.plugin.function(*arguments)
    except Exception as error:
        msg = f"column plugin `{name}` failed on a chunk of {count} rows with {type(error).__name__}: {error}"
        raise RowError(msg, plugin=name, count=count) from error
    fields = getattr(result, "_fields", None)
    items = list(result) if isinstance(result, tuple) else [result]
    outputs = [_to_series(name, item, count) for item in items]
    if isinstance(result, tuple) and fields is None:
        fields = tuple(f"{name}_{i}" for i in range(len(items)))
    if present is not None:
        rows = present.arg_true()
        outputs = [_scatter(series, rows, height) for series in outputs]
    return outputs, fields


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


def _scatter(series: pl.Series, rows: pl.Series, height: int) -> pl.Series:
    """Return a Series of ``height`` with the values at ``rows``, null elsewhere."""
    index = pl.Series("", [None], dtype=pl.UInt32).new_from_index(0, height)
    positions = pl.Series("", range(len(rows)), dtype=pl.UInt32)
    return series.gather(index.scatter(rows, positions))
