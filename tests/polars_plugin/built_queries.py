"""How plugins of a native library are compared with `expr`: in queries that call them in several ways."""

from __future__ import annotations

import polars as pl

import dataflare_vec as dfv
from testing.oracle import identical

#: What a row fails with, by design of the kernels or of Python.
EXPECTED = ("is large", "ZeroDivisionError", "out of range", "ValueError", "OverflowError", "IndexError")


def outcome(ask, frame, expr):
    """Return what a query gives, None if a row failed."""
    try:
        return ask(frame, expr)
    except (dfv.RowError, pl.exceptions.ComputeError) as error:
        if any(one in str(error) for one in EXPECTED):
            return None
        raise


def check(frame, native, ours, *asks):
    """Compare two expressions in queries, which are given one of them and the frame."""
    for ask in asks:
        got, expected = (outcome(ask, frame, one) for one in (native, ours))
        assert (got is None) == (expected is None)
        assert got is None or identical(got, expected)


def alone(df, expr):
    return df.select(expr.alias("it"))


def streamed(df, expr):
    return df.lazy().select(expr.alias("it")).collect(engine="streaming")


def in_groups(df, expr):
    groups = df.with_columns(key=pl.int_range(pl.len()) % 3)
    return groups.group_by("key", maintain_order=True).agg(expr.alias("it"))


def over(df, expr):
    return df.with_columns(key=pl.int_range(pl.len()) % 3).select(expr.over("key").alias("it"))


def sliced(df, expr):
    return df.lazy().select(expr.alias("it")).slice(3, 20).collect()
