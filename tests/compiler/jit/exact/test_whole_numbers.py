"""Integers of floats: those of Python, or a failed row."""

from __future__ import annotations

import math

import polars as pl
import pytest
from columns import check, computed, floats, run

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from testing.oracle import FAILED

EDGE = 2.0**63
VALUES = [0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 5e-324, -5e-324, 0.49999999999999994, 4503599627370497.5]
VALUES += [1e18, -1e18, EDGE, -EDGE, math.nextafter(EDGE, 0), math.nextafter(-EDGE, -math.inf)]
VALUES += [1e300, -1e300, math.inf, -math.inf, math.nan]


def cut(x):
    return int(x)


def to_nearest(x):
    return round(x)


def with_none(x):
    return round(x, None)


def by_name(x):
    return round(number=x)


def remainder(x):
    return int(x) % 7


def below(x):
    return math.floor(x)


def above(x):
    return math.ceil(x)


def towards_zero(x):
    return math.trunc(x)


def by_helper(x):
    return cut(x * 0.5) + 1


def nullable(x: float | None):
    return int(x)


def indexed(x):
    return (10, 20, 30)[int(x)]


def counted(x):
    n = 0
    for _ in range(int(x) // 2**60):
        n += 1
    return n


KERNELS = [cut, to_nearest, with_none, by_name, remainder, below, above, towards_zero, by_helper]


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32], ids=str)
@pytest.mark.parametrize("function", KERNELS)
def test_integers_of_floats(function, dtype):
    frame = floats(*VALUES, dtype=dtype)
    if function is remainder:  # what is too large for it fails, though a remainder isn't
        wanted = [int(x) % 7 if -EDGE <= x < EDGE else FAILED for x in frame["x"].to_list()]
        assert computed(function, frame) == (pl.Int64, wanted)
    else:
        check(function, frame, pl.Int64)


@pytest.mark.parametrize("math_", ["libm", "fast"])
def test_with_other_mathematics(math_):
    check(cut, floats(*VALUES), math=math_)
    check(below, floats(*VALUES), math=math_)


def test_none_and_uses_of_the_integer():
    assert computed(nullable, floats(1.5, None, math.nan))[1] == [1, FAILED, FAILED]
    assert computed(indexed, floats(1.5, 2.0, math.nan))[1] == [20, 30, FAILED]
    assert computed(counted, floats(2.0**62, 1.0, math.inf))[1] == [4, 0, FAILED]


def test_what_the_failures_say():
    result = run(cut, floats(math.nan, math.inf, -math.inf))
    assert result.errors["message"].to_list() == [
        "cannot convert float NaN to integer",
        "cannot convert float infinity to integer",
        "cannot convert float infinity to integer",
    ]


def test_items_of_lists():
    def total(x):
        n = 0
        for value in x:
            n += int(value)
        return n

    frame = pl.DataFrame({"x": [[1.5, 2.5], [1.0, math.nan], []]})
    assert computed(total, frame)[1] == [3, FAILED, 0]


def test_filters_and_states():
    keep = define(lambda x: int(x) > 1, name="keep", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)
    frame = floats(2.5, math.nan, 0.5, 7.0, 1e19)
    kept = dfv.run(frame, keep, on_error="drop")
    assert kept.frame["x"].to_list() == [2.5, 7.0]
    assert kept.errors["row"].to_list() == [1, 4]

    def add(state, x):
        return state + math.floor(x), state

    scan = define(add, name="scan", form=Form.SCAN, plugin_type=dfv.PluginType.TRANSFORMER, init=0)
    scanned = dfv.run(frame, scan, keep=False, on_error="null")
    assert scanned.frame["scan"].to_list() == [0, None, 2, 2, None]
    assert scanned.state == 9


def test_integers_stay_what_they_are():
    frame = pl.DataFrame({"x": [2**53 + 1, -(2**63), 2**63 - 1]})
    for function in (cut, to_nearest, with_none, below, above, towards_zero):
        check(function, frame, pl.Int64)
    large = pl.DataFrame({"x": [2**64 - 1]}, schema={"x": pl.UInt64})
    for function in (to_nearest, with_none, below, above, towards_zero):
        assert computed(function, large) == (pl.UInt64, [2**64 - 1])
    flags = pl.DataFrame({"x": [True, False]})
    for function in (to_nearest, below):
        assert computed(function, flags) == (pl.Int64, [1, 0])


@pytest.mark.usefixtures("usual_processor")
@pytest.mark.parametrize("function", [cut, to_nearest, below], ids=lambda f: f.__name__)
def test_the_check_leaves_vector_code(function):
    plugin = define(function, name="kernel", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
    (stage,) = dfv.explain(plugin, {"x": pl.Float64}).stages
    assert stage.loop.vectorised
