"""Kernels of native libraries that receive rows before and after: over whole columns, and those of groups."""

from __future__ import annotations

import datetime
import math

import polars as pl
import pytest
from built_queries import alone, check, in_groups, over, sliced, streamed
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import plugin
from testing.strategies import frames


def spread(x, y):
    return x[0] + 2 * x[-1] - 3 * x[-2] + y[0] * y[1]


def known(x: float | None, y: object | None, weight=2.0):
    total = 0.0
    for value in x:
        if value is not None:
            total += value
    after = y[1]
    if after is None:
        return None
    if after > 100:
        raise ValueError("y is large")
    return total * weight


def waves(x, y):
    return math.sin(x[0]) + math.sin(x[-1]), y[0] or y[1]


def slower(x: datetime.datetime, y):
    return x[0] - x[-1] < datetime.timedelta(seconds=y)


BUILT = {
    plugin(spread, lookback={"x": 2}, lookahead={"y": 1}): [
        {"x": pl.Float64(), "y": pl.Int8()},
        {"x": pl.Int64(), "y": pl.UInt32()},
    ],
    plugin(known, lookback={"x": 2}, lookahead={"y": 1}): [{"x": pl.Float32(), "y": pl.Float64()}],
    plugin(waves, lookback={"x": 1}, lookahead={"y": 1}): [{"x": pl.Float64(), "y": pl.Boolean()}],
    plugin(slower, "filter", lookback={"x": 1}): [{"x": pl.Datetime("ms"), "y": pl.Int16()}],
}
BY_NAME = {one.name: one for one in BUILT}
CASES = [(one, schema) for one, schemas in BUILT.items() for schema in schemas]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return dfv.build(BUILT, output=tmp_path_factory.mktemp("library"), name="neighbours")


def of(library, plugin, *columns, **about):
    """Return an expression of the library and ours."""
    return library.expr(plugin.name, *columns, **about), dfv.expr(plugin, *columns, **about)


@pytest.mark.parametrize(("plugin", "schema"), CASES, ids=lambda value: getattr(value, "name", ""))
@given(data=st.data())
def test_rows_before_and_after(library, plugin, schema, data):
    frame = data.draw(frames(st.integers(0, 300), **schema))
    check(frame, *of(library, plugin, "x", "y", on_error="null"), alone, streamed, in_groups, over, sliced)
    check(frame, *of(library, plugin, "x", "y", on_error="raise"), alone)
    last = of(library, plugin, "x", pl.col("y").last(), on_error="null")  # beside its one row there are none
    check(frame, *last, alone)


@pytest.mark.parametrize("rows", [1, 2, 16385, 40_000])
@pytest.mark.parametrize("name", ["spread", "known", "waves"])
def test_any_number_of_rows(library, name, rows):
    number = pl.int_range(rows, eager=True)
    x = pl.select(pl.when(number % 7 > 0).then(number % 120 * 1e3)).to_series()
    y = number % 103
    schema = library.schemas[name][0]
    frame = pl.DataFrame({"x": x.cast(schema["x"]), "y": y.cast(schema["y"])})
    parts = pl.concat([frame[:1], frame[1:20_001], frame[20_001:]], rechunk=False)
    for df in (frame, parts, frame.fill_null(1)):
        check(df, *of(library, BY_NAME[name], "x", "y", on_error="null"), alone, streamed)


def test_a_constant_beside(library):
    frame = pl.DataFrame({"x": [1.0, 2.0, None], "y": [1.0, 2.0, 3.0]}, schema_overrides={"x": pl.Float32})
    check(frame, *of(library, BY_NAME["known"], "x", "y", weight=-1), alone)


def test_one_value_has_no_rows_before_it(library):
    with pytest.raises(dfv.BindingError, match=r"`x` is read with rows before or after, got 2\.0"):
        library.expr("spread", 2.0, "y")


def test_the_row_that_fails_is_shown_with_its_own_values(library):
    frame = pl.DataFrame({"x": [1.5, 2.5, 3.5], "y": [1.0, 2.0, 101.0]}, schema_overrides={"x": pl.Float32})
    with pytest.raises(pl.exceptions.ComputeError, match=r"row 1 of a batch of 3 \(x=2.5, y=2.0\): V"):
        frame.select(library.expr("known", "x", "y"))


def test_most_rows_before_and_after(tmp_path):
    def ends(x, y):
        return x[-32] + x[-1] + y[1]

    many = plugin(ends, lookback={"x": 32}, lookahead={"y": 1})  # LLVM takes minutes for twice as many inputs
    library = dfv.build(many, output=tmp_path)
    frame = pl.DataFrame(dict.fromkeys("xy", pl.int_range(200, eager=True) * 0.5))
    check(frame, *of(library, many, "x", "y"), alone, in_groups)


def test_without_a_library_at_hand():
    frame = pl.DataFrame({"x": [1.0, None, 3.0, 4.0, 5.0], "y": [1.0, 2.0, 3.0, 4.0, None]})
    spread = BY_NAME["spread"]
    wanted = dfv.apply(frame, spread)
    got = frame.lazy().pipe(dfv.apply, spread, native=True)
    check(frame, dfv.expr(spread, "x", "y", native=True), dfv.expr(spread, "x", "y"), alone, streamed)
    assert got.collect().equals(wanted, null_equal=True)
