"""The laws for Int128: Python's integers, exact or a failed row."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugins
from testing.strategies import configs, frames

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
    def fails(x, y):
        return not all(LOW <= value <= HIGH for value in on_the_way(name, x, y))

    result = check(KERNELS[name], frame, config=config, fails=fails)
    assert set(result.errors["error"]) <= {"OverflowError"}


def divided(x, y):
    return x // 7, x % 7, x / 7, x // y, x % y, y // x, x / y


DIVISIONS = plugins(divided)
divisors = numbers.filter(bool)


@given(
    frame=frames(x=(divisors, pl.Int128), y=(st.integers(-(1 << 63), (1 << 63) - 1).filter(bool), pl.Int64)),
    config=configs,
)
def test_division(frame, config):
    check(DIVISIONS["divided"], frame, config=config, fails=lambda x, y: (x, y) == (LOW, -1))


def doubled(y):
    return y * 2


def test_declared():
    plugin = dfv.register("doubled as Int128", doubled, returns=pl.Int128, replace=True)
    got = dfv.apply(pl.DataFrame({"y": [1, None, -3]}), plugin, keep=False).to_series()
    assert got.dtype == pl.Int128
    assert got.to_list() == [2, None, -6]
