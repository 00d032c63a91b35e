"""Row kernels that receive rows before and after their own: `lookback` and `lookahead`."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from testing.oracle import check, interpret, plugin, same
from testing.strategies import configs, frames

pytestmark = pytest.mark.usefixtures("all_roads")


def spread(x, y):
    return x[0] + 2 * x[-1] - 3 * x[-2] + y[0] * y[1]


def known(x: float | None, y: float | None, weight=2.0):
    total = 0.0
    for value in x:
        if value is not None:
            total += value
    after = y[1]
    if after is None:
        return None
    if after > 90:
        raise ValueError("y is large")
    return total * weight


NEIGHBOURS = {"lookback": {"x": 2}, "lookahead": {"y": 1}}
PLUGINS = {f.__name__: plugin(f, **NEIGHBOURS) for f in (spread, known)}
names = st.sampled_from(list(PLUGINS))
xs, ys = st.integers(-50, 50).map(lambda n: n / 4), st.integers(0, 100).map(float)
pairs = frames(st.integers(0, 300), x=(xs, pl.Float64), y=(ys, pl.Float64))


def with_neighbours(plugin, frame):
    """The arguments of each row: tuples, in which a negative index is one of a row before."""
    x, y = frame["x"].to_list(), frame["y"].to_list()

    def at(values, row):
        return values[row] if 0 <= row < len(values) else None

    for row in range(frame.height):
        before, after = tuple(at(x, row + i) for i in (0, -2, -1)), tuple(at(y, row + i) for i in (0, 1))
        skipped = not plugin.parameters[0].nullable and None in before + after
        yield (None, None) if skipped else (before, after)


@given(pairs, names, configs)
def test_neighbours_are_those_of_the_frame_whatever_the_chunks(frame, name, config):
    check(PLUGINS[name], frame, rows=with_neighbours(PLUGINS[name], frame), config=config)


@given(pairs, names)
def test_lazily_and_as_an_expression(frame, name):
    wanted = dfv.run(frame, PLUGINS[name]).frame
    lazy = frame.lazy().pipe(dfv.apply, PLUGINS[name], on_error="null")
    assert_frame_equal(lazy.collect(), wanted)
    assert_frame_equal(lazy.collect(engine="streaming"), wanted)


@given(pairs, names)
def test_over_has_neighbours_of_the_group_only(frame, name):
    frame = frame.with_columns(group=pl.int_range(pl.len()) % 3)
    got = frame.select("group", dfv.expr(PLUGINS[name], "x", "y", on_error="null").over("group"))
    for group in range(3):
        part = frame.filter(pl.col("group") == group).drop("group")
        outcomes = interpret(PLUGINS[name], with_neighbours(PLUGINS[name], part))
        values = got.filter(pl.col("group") == group)[name].to_list()
        assert same(values, [outcome.value for outcome in outcomes])


def keep(x):
    return x > -5


@given(pairs, names)
def test_neighbours_are_those_that_filters_have_kept(frame, name):
    kept = plugin(keep, "filter")
    got = dfv.run(frame, [kept, PLUGINS[name]]).frame
    wanted = dfv.run(frame.pipe(dfv.apply, kept), PLUGINS[name]).frame
    assert_frame_equal(got, wanted)


def rising(x):
    return x[0] > x[-1]


@given(pairs)
def test_a_filter_may_look_back_too(frame):
    rises = plugin(rising, "filter", lookback={"x": 1})
    wanted = frame.filter(pl.col("x") > pl.col("x").shift())
    assert_frame_equal(frame.pipe(dfv.apply, rises), wanted)
