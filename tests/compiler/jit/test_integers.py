"""Arithmetic with integers of fewer than 64 bits, and with unsigned ones, is Python's."""

from __future__ import annotations

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import check, plugin

NARROW = [pl.Int8, pl.UInt8, pl.Int16, pl.UInt16, pl.Int32, pl.UInt32]


def result(function, df, **options):
    return dfv.run(df, plugin(function, **options), keep=False).frame.to_series()


def frame(dtype):
    low, high = pl.select(low=dtype.min(), high=dtype.max()).row(0)
    return pl.DataFrame({"x": [low, high, 1], "y": [high, low, 3]}, schema={"x": dtype, "y": dtype})


def negative(x):
    return -x


def inverted(x):
    return ~x


def minus(x, y):
    return x - y


def of_sums(x, y):
    return (x + x) - (y + y)


def by_branch(x, y):
    a = x
    if y > x:
        a = y
    b = min(x, y)
    b -= a
    return b


def nullable(x: int | None, y: int | None):
    if x is None or y is None:
        return 0
    return x - y


def bits(x, y):
    return (x & 1) - (y ^ 3) - (x | y)


def lower(x, y):
    return x - y


def by_helper(x, y):
    return -lower(x, y)


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize(
    "function", [negative, inverted, minus, of_sums, by_branch, nullable, bits, by_helper]
)
def test_narrow_integers_are_computed_with_64_bits(function, dtype):
    check(plugin(function), frame(dtype))


def step(x):
    return x[0] - x[-1]


def gap(s):
    return s.x - s.y


def test_neighbours_and_fields():
    df = pl.DataFrame({"x": [3, 1, 2], "y": [4, 1, 5]}, schema={"x": pl.UInt32, "y": pl.UInt8})
    assert result(step, df, lookback=1).to_list() == [None, -2, 1]
    assert result(gap, df.select(s=pl.struct("x", "y"))).to_list() == [-1, 0, -3]


def same(x):
    return x


def product(f, x):
    return f * x


def test_widths_that_stay():
    """What isn't computed keeps its width, and floats of 32 bits theirs."""
    df = pl.DataFrame({"x": [1, 2]}, schema={"x": pl.UInt8}).with_columns(f=pl.lit(0.5, pl.Float32))
    assert result(same, df).dtype == pl.UInt8
    assert result(product, df).dtype == pl.Float32


def buckets(h):
    return h % 7


def halves(h):
    h //= 2
    return h


def floating(h):
    return h / 2


@pytest.mark.parametrize("function", [buckets, halves, floating])
def test_a_large_unsigned_integer_is_no_negative_one(function):
    check(plugin(function), pl.DataFrame({"h": [0, 5, 2**63, 2**64 - 1]}, schema={"h": pl.UInt64}))
