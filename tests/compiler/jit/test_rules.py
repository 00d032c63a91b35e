"""Rules: kernels with branches, some of which raise. Their fast loops are vector code all the same."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import check, plugin

pytestmark = pytest.mark.usefixtures("usual_processor")


def checked_fare(distance, hours):
    if hours <= 0:
        raise ValueError("a flight takes time")
    if distance < 500:
        return 50 + 0.3 * distance
    return 120 + 0.12 * distance


def three_ways(distance, hours):
    if distance > 1000:
        return distance * hours * 0.8
    if distance > 100:
        return distance * hours * 0.9
    return distance * hours


def speed(distance, hours):
    if hours <= 0:
        raise ValueError(f"{hours} hours")
    if distance < 500:
        return hours * 2.0
    if distance > 2500:
        raise ValueError("too far")
    return distance / hours


def rounded(distance, hours):
    if hours <= 0:
        raise ValueError("a flight takes time")
    if distance < 500:
        return round(hours, 2)
    return round(hours * distance, 2)


def whole_hours(distance, hours):
    if distance < 0:
        raise ValueError("a distance is positive")
    if distance < 500:
        return math.floor(hours)
    return int(distance * hours)


def grown(distance, hours):
    if hours < 0:
        raise ValueError("a flight takes time")
    if distance < 100:
        return math.exp(hours)
    if distance < 200:
        return math.exp(hours * 2.5)
    if distance < 300:
        return math.exp(hours * 3.5)
    return hours


EXACT = [checked_fare, three_ways, speed, rounded, whole_hours]


def rows(count=1000):
    """Good rows and bad ones, NaN and infinity."""
    rng = np.random.default_rng(5)
    hours = rng.uniform(0.1, 12.0, count)
    hours[::97], hours[50::211], hours[60::211] = -1.0, math.nan, math.inf
    return pl.DataFrame({"distance": rng.integers(-20, 3000, count), "hours": hours})


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("function", [*EXACT, grown])
def test_a_rule_is_vector_code(function, nulls, capfd):
    frame = rows(2).with_columns(hours=None if nulls else "hours").cast({"hours": pl.Float64})
    (stage,) = dfv.explain(plugin(function), frame).stages
    assert stage.loop.vectorised, stage.loop.reasons
    assert stage.loop.lanes * stage.loop.lane_bits >= 128
    assert capfd.readouterr().err == "", "LLVM complains if it can't do what it is told"


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("function", EXACT)
def test_each_row_is_as_python_computes_it(function, nulls):
    frame = rows()
    if nulls:
        frame = frame.with_columns(pl.when(pl.int_range(pl.len()) % 7 > 0).then("hours"))
    result = check(plugin(function), frame)
    assert result.error_count > 0 or function is three_ways


def test_a_call_of_libm_is_made_for_one_row_after_the_other():
    """Vectors would be taken apart for it, and calls made for rows that don't come to it."""
    (stage,) = dfv.explain(plugin(grown, math="libm"), rows(2)).stages
    assert not stage.loop.vectorised
    assert stage.loop.calls == ("math.exp",)
