"""Law 2 where floats and integers meet: integers of floats, digits, powers; any number, NaN and infinities
too.

The oracle is the plain function on Python's own numbers. What it gives of more than 64 bits is a failed row,
and so is a power with a negative exponent that isn't a constant; floats of 32 bits are next to what Python
gives.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import configs, frames, plugins
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define

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


def listed(v):
    total = 0
    for x in v:
        total += round(x)
    return total


KERNELS = plugins(whole, remainders, places, constants, tens, power, squares, fractions, listed)
FLOATS = {"x": (doubles, pl.Float64), "n": (digits, pl.Int64)}
WHOLE = {"n": (integers, pl.Int64), "k": (exponents, pl.Int64)}
LISTS = {"v": (st.lists(doubles.filter(lambda x: abs(x) < 1e12 or x != x), max_size=4), pl.List(pl.Float64))}
COLUMNS = {
    "whole": {"x": FLOATS["x"]},
    "remainders": {"x": FLOATS["x"]},
    "places": FLOATS,
    "constants": FLOATS,
    "tens": {**WHOLE, "k": (few, pl.Int64)},
    "listed": LISTS,
}
SINGLE = {"x": (singles, pl.Float32), "n": (digits, pl.Int64)}


def single(value):
    """Return the single-precision number next to a float; fail where there is none."""
    with np.errstate(over="ignore"):
        near = float(np.float32(value))
    if math.isinf(near) and not math.isinf(value):
        raise OverflowError
    return near


def on_the_way(name, row):
    """Return integers that the kernel computes on the way."""
    if name == "remainders":
        return [int(row[0]), round(row[0])]
    return []


def expected(name, row, width):
    """Return the row of values, or None where it fails."""
    if any(value is None for value in row):
        return (None,) * width
    if name == "power" and (row[1] < 0 or (abs(row[0]) > 1 and row[1] > 63)):
        return None
    try:
        values = KERNELS[name].function(*row)
        values = values if isinstance(values, tuple) else (values,)
        between = on_the_way(name, row)
    except (ValueError, ArithmeticError):
        return None
    fits = all(LOW <= v <= HIGH for v in (*values, *between) if isinstance(v, int))
    return values if fits else None


def check(frame, name, config, *, in_single=False):
    plugin = KERNELS[name]
    columns = plugin.function.__code__.co_varnames[: len(frame.columns)]
    result = dfv.run(frame.select(columns), plugin, keep=False, config=config, on_error="null")
    rows = [expected(name, row, result.frame.width) for row in frame.select(columns).iter_rows()]
    if in_single:
        for i, row in enumerate(rows):
            try:
                rows[i] = row and tuple(single(v) if isinstance(v, float) else v for v in row)
            except OverflowError:
                rows[i] = None
    failed = [i for i, row in enumerate(rows) if row is None]
    assert result.errors["row"].to_list() == failed
    got = [row for row in result.frame.iter_rows()]
    for i, row in enumerate(rows):
        if row is not None:
            assert repr(got[i]) == repr(row), frame.row(i)
    again = dfv.run(frame.select(columns).rechunk(), plugin, keep=False, on_error="null")
    assert_frame_equal(again.frame, result.frame, check_exact=True)


@pytest.mark.parametrize("name", [name for name in KERNELS if name != "power"])
@given(data=st.data(), config=configs)
def test_as_python(name, data, config):
    check(data.draw(frames(**COLUMNS.get(name, WHOLE))), name, config)


@given(frame=frames(**WHOLE), config=configs)
def test_powers(frame, config):
    check(frame, "power", config)


@pytest.mark.parametrize("name", ["whole", "places"])
@given(data=st.data(), config=configs)
def test_single_precision(name, data, config):
    columns = {key: SINGLE[key] for key in COLUMNS[name]}
    check(data.draw(frames(**columns)), name, config, in_single=True)


def keep(x):
    return int(x) % 2 == 0


def add(state, x):
    return state + math.floor(x), round(x, 1)


KEEP = define(keep, name="keep", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)
ADD = define(add, name="add", form=Form.SCAN, plugin_type=dfv.PluginType.TRANSFORMER, init=0)
modest = {"x": (doubles.filter(lambda x: not 1e15 < abs(x) < math.inf), pl.Float64)}


@given(frame=frames(**modest), config=configs)
def test_filters_and_states(frame, config):
    values = frame["x"].to_list()
    bad = [i for i, x in enumerate(values) if x is not None and not math.isfinite(x)]
    good = [x for i, x in enumerate(values) if x is not None and i not in bad]
    kept = dfv.run(frame, KEEP, on_error="drop", config=config)
    assert kept.errors["row"].to_list() == bad
    assert kept.frame["x"].to_list() == [x for x in good if int(x) % 2 == 0]
    scanned = dfv.run(frame, ADD, keep=False, on_error="null", config=config)
    assert scanned.errors["row"].to_list() == bad
    assert scanned.state == sum(math.floor(x) for x in good)
    assert [v for v in scanned.frame["add"].to_list() if v is not None] == [round(x, 1) for x in good]
