"""Law 2 where floats and integers meet: integers of floats, digits, powers; any number, NaN and infinities
too.

The oracle is the plain function on Python's own numbers. What it gives of more than 64 bits is a failed row,
and so is a power with a negative exponent that isn't a constant; floats of 32 bits are next to what Python
gives.
"""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from testing.oracle import check, fold, identical, interpret, plugin, plugins, same
from testing.strategies import configs, frames

LOW, HIGH = -(2**63), 2**63 - 1
EDGES = [
    0.0,
    -0.0,
    0.5,
    2.5,
    2.675,
    1.115,
    0.005,
    2.0**52 + 0.5,
    2.0**53,
    2.0**63,
    -(2.0**63),
    1e17,
    1e300,
    5e-324,
]
EDGES += [math.nextafter(2.0**63, 0.0), math.nextafter(-(2.0**63), -math.inf), math.inf, -math.inf, math.nan]

decimals = st.builds(lambda k, n: k / 10**n, st.integers(-(10**9), 10**9), st.integers(0, 6))
doubles = st.floats() | decimals | st.sampled_from(EDGES) | st.builds(math.nextafter, decimals, st.just(0.0))
singles = st.floats(width=32) | st.integers(-(2**20), 2**20).map(lambda k: k / 64)
integers = st.integers(LOW, HIGH) | st.integers(-200, 200)
digits = st.integers(-25, 25) | st.integers(-330, 330) | st.integers(LOW, HIGH)
exponents = st.integers(-3, 70) | st.integers(LOW, HIGH)
few = st.integers(-400, 70)  # Python makes a power of ten


def whole(x):
    return int(x), math.floor(x), math.ceil(x), math.trunc(x), round(x)


def remainders(x):
    return int(x) % 7, round(x) // 3


def places(x, n):
    return round(x, n)


def constants(x, n, d=3):
    return round(x, 2), round(x, 0), round(x, -2), round(x, d), round(n, d), round(n, ndigits=-1)


def tens(n, k):
    return round(n, k), round(n), round(n, -3)


def power(n, k):
    return n**k


def squares(n, k):
    return n**2, pow(n, 3)


def fractions(n, k):
    return n**-1


def among(x, n):
    return x in (1, 0.5, n), n in (x, -1, 2.0**53), x not in [3, 2.5]


def listed(v):
    total = 0
    for x in v:
        total += round(x)
    return total


KERNELS = plugins(whole, remainders, places, constants, tens, power, squares, fractions, among, listed)
FLOATS = {"x": (doubles, pl.Float64), "n": (digits, pl.Int64)}
WHOLE = {"n": (integers, pl.Int64), "k": (exponents, pl.Int64)}
LISTS = {"v": (st.lists(doubles.filter(lambda x: abs(x) < 1e12 or x != x), max_size=4), pl.List(pl.Float64))}
COLUMNS = {
    "whole": {"x": FLOATS["x"]},
    "remainders": {"x": FLOATS["x"]},
    "places": FLOATS,
    "constants": FLOATS,
    "among": FLOATS,
    "tens": {**WHOLE, "k": (few, pl.Int64)},
    "listed": LISTS,
}
SINGLE = {"x": (singles, pl.Float32), "n": (digits, pl.Int64)}


def has_no_place(name):
    """Return what tells in which rows Python's value, or one on the way to it, has more than 64 bits."""
    if name == "power":
        return lambda n, k: k < 0 or (abs(n) > 1 and k > 63)
    if name == "remainders":
        return lambda x: math.isfinite(x) and not all(LOW <= v <= HIGH for v in (int(x), round(x)))
    return None


@pytest.mark.parametrize("name", [name for name in KERNELS if name != "power"])
@given(data=st.data(), config=configs)
def test_as_python(name, data, config):
    frame = data.draw(frames(**COLUMNS.get(name, WHOLE)))
    check(KERNELS[name], frame, config=config, fails=has_no_place(name))


@given(frame=frames(**WHOLE), config=configs)
def test_powers(frame, config):
    check(KERNELS["power"], frame, config=config, fails=has_no_place("power"))


@pytest.mark.parametrize("name", ["whole", "places"])
@given(data=st.data(), config=configs)
def test_single_precision(name, data, config):
    frame = data.draw(frames(**{key: SINGLE[key] for key in COLUMNS[name]}))
    check(KERNELS[name], frame, config=config)


def keep(x):
    return int(x) % 2 == 0


def add(state, x):
    return state + math.floor(x), round(x, 1)


KEEP = plugin(keep, "filter")
ADD = define(add, name="add", form=Form.SCAN, plugin_type=dfv.PluginType.TRANSFORMER, init=0)
modest = {"x": (doubles.filter(lambda x: not 1e15 < abs(x) < math.inf), pl.Float64)}


@given(frame=frames(**modest), config=configs)
def test_filters_and_states(frame, config):
    outcomes = interpret(KEEP, frame.iter_rows())
    bad = [row for row, outcome in enumerate(outcomes) if outcome.error]
    kept = dfv.run(frame, KEEP, on_error="drop", config=config)
    assert kept.errors["row"].to_list() == bad
    assert identical(kept.frame, frame[[row for row, outcome in enumerate(outcomes) if outcome.value]])
    values, failed, states = fold(ADD, frame.iter_rows())
    scanned = dfv.run(frame, ADD, keep=False, on_error="null", config=config)
    assert failed == bad
    assert scanned.errors["row"].to_list() == bad
    assert same(scanned.frame.to_series().to_list(), values)
    assert scanned.state == states.get((), 0)
