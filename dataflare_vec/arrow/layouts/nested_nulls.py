"""Rows that hold a null somewhere inside: an array or a number can't say so, so they count as null."""

from __future__ import annotations

from typing import Any

import polars as pl


def fill_with_null(series: pl.Series, nullable: frozenset[str] = frozenset()) -> pl.Series:
    """Return the Series with null for each row that holds a null, at any depth.

    Parameters
    ----------
    nullable
        Fields of a struct that may be null.

    Notes
    -----
    Takes no time where Arrow knows that there are none.
    """
    if not _may_have_holes(series, nullable):
        return series
    name = series.name
    whole = pl.select(_whole(pl.lit(series), series.dtype, nullable)).to_series()
    if bool((whole | series.is_null()).all()):
        return series
    return pl.select(pl.when(whole).then(series)).to_series().alias(name)


def _may_have_holes(series: pl.Series, nullable: frozenset[str]) -> bool:
    if isinstance(series.dtype, pl.Struct):
        fields = [series.struct.field(f.name) for f in series.dtype.fields if f.name not in nullable]
        return any(field.null_count() or _may_have_holes(field, frozenset()) for field in fields)
    if isinstance(series.dtype, (pl.List, pl.Array)):
        # Of lists that are empty or null there would be a null among the items.
        items = series.explode(empty_as_null=False, keep_nulls=False)
        return items.null_count() > 0 or _may_have_holes(items, frozenset())
    return False


def _whole(value: pl.Expr, dtype: Any, nullable: frozenset[str] = frozenset()) -> pl.Expr:
    """Return whether a value is neither null nor holds a null."""
    whole = value.is_not_null()
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            if field.name not in nullable:
                whole &= _whole(value.struct.field(field.name), field.dtype)
    elif isinstance(dtype, pl.List):
        whole &= value.list.eval(_whole(pl.element(), dtype.inner)).list.all()
    elif isinstance(dtype, pl.Array):
        inner = _whole(pl.element(), dtype.inner)
        whole &= value.arr.to_list().list.eval(inner).list.all()
    return whole
