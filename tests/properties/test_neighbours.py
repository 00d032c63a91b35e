"""Row kernels that receive rows before and after their own: `lookback` and `lookahead`."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


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


def plugin(function, plugin_type=dfv.PluginType.TRANSFORMER):
    return define(
        function,
        name=function.__name__,
        form=Form.ROW,
        plugin_type=plugin_type,
        lookback={"x": 2},
        lookahead={"y": 1},
    )


PLUGINS = {f.__name__: plugin(f) for f in (spread, known)}
names = st.sampled_from(list(PLUGINS))
configs = st.builds(
    dfv.BatchConfig, default_batch_size=st.sampled_from([1, 64, 1 << 17]), parallelism=st.sampled_from([1, 3])
)


@st.composite
def frames(draw):
    rows = draw(st.integers(0, 300))
    random = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    frame = pl.DataFrame(
        {"x": random.integers(-50, 50, rows) / 4, "y": random.integers(0, 100, rows) / 1.0},
        schema={"x": pl.Float64, "y": pl.Float64},
    )
    holes = pl.Series(random.random(rows) < draw(st.sampled_from([0.0, 0.2])), dtype=pl.Boolean)
    frame = frame.with_columns(pl.when(~holes).then("x"), pl.when(~holes.reverse()).then("y"))
    frame = frame[draw(st.integers(0, max(0, rows - 1))) :]
    cut = draw(st.integers(0, frame.height))
    return pl.concat([frame[cut:], frame[:cut]], rechunk=False)


def interpret(plugin, frame):
    """The plain function row by row, with tuples cut out of Python lists."""
    x, y = frame["x"].to_list(), frame["y"].to_list()

    def at(values, row):
        return values[row] if 0 <= row < len(values) else None

    values, failed = [], []
    for row in range(frame.height):
        before = tuple(at(x, row + i) for i in (0, -2, -1))
        after = tuple(at(y, row + i) for i in (0, 1))
        values.append(None)
        if not plugin.parameters[0].nullable and None in before + after:
            continue
        try:
            values[-1] = plugin.function(before, after)
        except ValueError:
            failed.append(row)
    return values, failed


@given(frames(), names, configs)
def test_neighbours_are_those_of_the_frame_whatever_the_chunks(frame, name, config):
    values, failed = interpret(PLUGINS[name], frame)
    result = dfv.run(frame, PLUGINS[name], config=config)
    assert result.frame[name].to_list() == values
    assert result.errors["row"].to_list() == failed
    assert set(result.errors["message"]) <= {"y is large"}


@given(frames(), names)
def test_lazily_and_as_an_expression(frame, name):
    wanted = dfv.run(frame, PLUGINS[name]).frame
    lazy = frame.lazy().pipe(dfv.apply, PLUGINS[name], on_error="null")
    assert_frame_equal(lazy.collect(), wanted)
    assert_frame_equal(lazy.collect(engine="streaming"), wanted)


@given(frames(), names)
def test_over_has_neighbours_of_the_group_only(frame, name):
    frame = frame.with_columns(group=pl.int_range(pl.len()) % 3)
    got = frame.select("group", dfv.expr(PLUGINS[name], "x", "y", on_error="null").over("group"))
    for group in range(3):
        part = frame.filter(pl.col("group") == group).drop("group")
        wanted = interpret(PLUGINS[name], part)[0]
        assert got.filter(pl.col("group") == group)[name].to_list() == wanted


def keep(x):
    return x > -5


@given(frames(), names)
def test_neighbours_are_those_that_filters_have_kept(frame, name):
    kept = define(keep, name="keep", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)
    got = dfv.run(frame, [kept, PLUGINS[name]]).frame
    wanted = dfv.run(frame.pipe(dfv.apply, kept), PLUGINS[name]).frame
    assert_frame_equal(got, wanted)


def rising(x):
    return x[0] > x[-1]


@given(frames())
def test_a_filter_may_look_back_too(frame):
    rises = define(rising, name="rising", form=Form.ROW, plugin_type=dfv.PluginType.FILTER, lookback={"x": 1})
    wanted = frame.filter(pl.col("x") > pl.col("x").shift())
    assert_frame_equal(frame.pipe(dfv.apply, rises), wanted)
