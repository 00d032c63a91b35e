"""How peers are called: each helper returns a function of a frame, and of a kernel's bindings as keywords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import polars as pl
from rapidfuzz.process import cpdist

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., Any]


def expression(*expressions: pl.Expr | Callable[..., pl.Expr]) -> Call:
    """Call Polars, or a plugin of it, with expressions or what makes them of the bindings."""

    def call(df: pl.DataFrame, **bindings: Any) -> pl.DataFrame:
        made = [each if isinstance(each, pl.Expr) else each(**bindings) for each in expressions]
        return df.select(one.alias(str(i)) for i, one in enumerate(made))

    return call


def arrays(function: Callable[..., Any], *names: str) -> Call:
    """Call a function with NumPy arrays: of the columns named, by default of all."""
    return lambda df, **bindings: function(*(df[n].to_numpy() for n in names or df.columns), **bindings)


def pandas(function: Callable[..., Any], name: str) -> Call:
    """Call a function with a column as a Series of pandas."""
    return lambda df, **bindings: pl.Series(function(df[name].to_pandas(), **bindings))


def each(function: Callable[..., Any], dtype: Any) -> Call:
    """Call a function with the values of one row after the other."""

    def call(df: pl.DataFrame, **bindings: Any) -> pl.Series:
        columns = [series.to_list() for series in df]
        return pl.Series([function(*row, **bindings) for row in zip(*columns, strict=True)], dtype=dtype)

    return call


def encoded(function: Callable[..., int], dtype: Any) -> Call:
    """Call a function with the bytes of one string after the other."""

    def call(df: pl.DataFrame, **bindings: Any) -> pl.Series:
        texts = df.to_series().cast(pl.Binary)
        return pl.Series([function(text, **bindings) for text in texts], dtype=dtype)

    return call


def fuzz(scorer: Any) -> Call:
    """Call a scorer of rapidfuzz, pair by pair in its own loop, on one thread."""

    def call(df: pl.DataFrame) -> Any:
        a, b = df["a"].to_list(), df["b"].to_list()
        return cpdist(a, b, scorer=scorer, dtype=np.float64, workers=1)

    return call


def duck(function: str) -> Call:
    """Call a function of DuckDB, on one thread."""

    def call(df: pl.DataFrame) -> pl.DataFrame:
        with duckdb.connect() as connection:
            connection.execute("SET threads = 1")
            connection.register("pairs", df)
            return pl.DataFrame(connection.sql(f"SELECT {function}(a, b) AS out FROM pairs"))

    return call
