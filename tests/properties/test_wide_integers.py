"""The laws for Int128: Python's integers, exact or a failed row."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import call, configs, frames, plugins

import dataflare_vec as dfv

LOW, HIGH = -(1 << 127), (1 << 127) - 1


def computed(x, y):
    return x + y, x - y, x * 3 - 1, x * y


def unary(x, y):
    return -x, abs(x), int(x), round(x), bool(x), float(x)


def bits(x, y):
    return x & 255, x | y, x ^ y, x >> 64, x >> 3


def compared(x, y):
    total = 0
    if x > y:
        total = x
    return total, x == y, x <= y


KERNELS = plugins(computed, unary, bits, compared)
numbers = st.integers(LOW, HIGH) | st.integers(-1000, 1000) | st.sampled_from([LOW, HIGH, 1 << 64])
COLUMNS = {"x": (numbers, pl.Int128), "y": (st.integers(-(1 << 63), (1 << 63) - 1), pl.Int64)}


def on_the_way(name, x, y):
    """Return what the kernel computes that may be too large."""
    if name == "computed":
        return [x + y, x - y, x * 3, x * 3 - 1, x * y]
    return [-x, abs(x)] if name == "unary" else []


@pytest.mark.parametrize("name", KERNELS)
@given(frame=frames(**COLUMNS), config=configs)
def test_exact_or_failed(name, frame, config):
    result = dfv.run(frame, KERNELS[name], keep=False, config=config, on_error="null")
    expected = [value for value, _ in call(KERNELS[name], frame.iter_rows())]
    failed = [
        i
        for i, (x, y) in enumerate(frame.iter_rows())
        if x is not None and y is not None and not all(LOW <= v <= HIGH for v in on_the_way(name, x, y))
    ]
    assert result.errors["row"].to_list() == failed
    assert set(result.errors["error"]) <= {"OverflowError"}
    width = result.frame.width
    for i, (value, got) in enumerate(zip(expected, result.frame.rows(), strict=True)):
        assert got == ((None,) * width if value is None or i in failed else tuple(value))


def divided(x, y):
    return x // 7, x % 7, x / 7, x // y, x % y, y // x, x / y


DIVISIONS = plugins(divided)
divisors = numbers.filter(bool)


@given(
    frame=frames(x=(divisors, pl.Int128), y=(st.integers(-(1 << 63), (1 << 63) - 1).filter(bool), pl.Int64)),
    config=configs,
)
def test_division(frame, config):
    result = dfv.run(frame, DIVISIONS["divided"], keep=False, config=config, on_error="null")
    expected = [value for value, _ in call(DIVISIONS["divided"], frame.iter_rows())]
    failed = [i for i, (x, y) in enumerate(frame.iter_rows()) if (x, y) == (LOW, -1)]
    assert result.errors["row"].to_list() == failed
    for i, (value, got) in enumerate(zip(expected, result.frame.rows(), strict=True)):
        assert got == ((None,) * 7 if value is None or i in failed else tuple(value))


def doubled(y):
    return y * 2


def test_declared():
    plugin = dfv.register("doubled as Int128", doubled, returns=pl.Int128, replace=True)
    got = dfv.apply(pl.DataFrame({"y": [1, None, -3]}), plugin, keep=False).to_series()
    assert got.dtype == pl.Int128
    assert got.to_list() == [2, None, -6]
