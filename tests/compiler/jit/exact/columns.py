"""A kernel over many values at once."""

from __future__ import annotations

import polars as pl

import dataflare_vec as dfv
from testing import oracle
from testing.oracle import FAILED, plugin


def run(function, frame, **options):
    return dfv.run(frame, plugin(function, name="kernel", **options), keep=False, on_error="null")


def computed(function, frame, **options):
    """Return the column's dtype, and its values; those of rows that failed are `FAILED`."""
    result = run(function, frame, **options)
    failed = set(result.errors["row"])
    assert len(failed) == result.error_count
    column = result.frame.to_series()
    return column.dtype, [FAILED if i in failed else value for i, value in enumerate(column.to_list())]


def check(function, frame, dtype=None, **options):
    """Compare each row with what Python gives; integers of more than 64 bits fail."""
    result = oracle.check(plugin(function, name="kernel", **options), frame)
    assert dtype is None or result.frame.dtypes == [dtype]


def floats(*values, dtype=pl.Float64):
    return pl.DataFrame({"x": values}, schema={"x": dtype})
