"""Lists that hold a null somewhere inside: an array can't say so, so they count as null."""

from __future__ import annotations

from typing import Any

import polars as pl

from dataflare_vec._util.names import unnamed


def fill_with_null(series: pl.Series) -> pl.Series:
    """Return a Series of lists or arrays with null for each row that holds a null, at any depth.

    Notes
    -----
    Takes no time where Arrow knows that there are none.
    """
    name, series = series.name, unnamed(series)
    if not _may_have_nested_nulls(series):
        return series.alias(name)
    complete = pl.select(_has_no_null(pl.lit(series), series.dtype)).to_series()
    if bool((complete | series.is_null()).all()):
        return series
    return pl.select(pl.when(complete).then(series)).to_series().alias(name)


def _may_have_nested_nulls(series: pl.Series) -> bool:
    if _is_matrix(series) and not series.reshape((-1,)).null_count():
        return False  # what a query would tell in the time of some thousand rows
    if isinstance(series.dtype, (pl.List, pl.Array)):
        # Of lists that are empty or null there would be a null among the items.
        items = series.explode(empty_as_null=False, keep_nulls=False)
        return items.null_count() > 0 or _may_have_nested_nulls(items)
    return False


def _is_matrix(series: pl.Series) -> bool:
    """Whether a Series is rows of equally many scalars, and has some."""
    dtype = series.dtype
    return isinstance(dtype, pl.Array) and not dtype.inner.is_nested() and min(dtype.size, len(series)) > 0


def _has_no_null(value: pl.Expr, dtype: Any) -> pl.Expr:
    """Return whether a value is neither null nor holds a null."""
    complete = value.is_not_null()
    if isinstance(dtype, pl.List):
        complete &= value.list.eval(_has_no_null(pl.element(), dtype.inner)).list.all()
    elif isinstance(dtype, pl.Array):
        inner = _has_no_null(pl.element(), dtype.inner)
        complete &= value.arr.to_list().list.eval(inner).list.all()
    return complete
