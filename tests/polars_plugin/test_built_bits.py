"""A plugin of a native library gives what `expr` gives, bit for bit, however Polars calls it."""

from __future__ import annotations

import polars as pl
import pytest
from builds import HERE, levels
from built_kernels import BUILT
from built_queries import alone, check, in_groups, over, sliced, streamed
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.strategies import frames

BY_NAME = {plugin.name: plugin for plugin in BUILT}
CASES = [(plugin, schema) for plugin, schemas in BUILT.items() for schema in schemas]
ids = [f"{plugin.name}-{schema['x']}" for plugin, schema in CASES]


@pytest.fixture(scope="module")
def library(built):
    return built


@pytest.mark.parametrize(("plugin", "schema"), CASES, ids=ids)
@given(data=st.data())
def test_same_bits(library, plugin, schema, data):
    frame = data.draw(frames(st.integers(0, 300), **schema))
    how = data.draw(st.sampled_from(["null", "raise"]))
    native = library.expr(plugin.name, "x", "y", on_error=how)
    ours = dfv.expr(plugin, "x", "y", on_error=how)
    if how == "null":
        check(frame, native, ours, alone, streamed, in_groups, over, sliced)
    else:
        check(frame, native, ours, alone)


@pytest.fixture(scope="module")
def wider(tmp_path_factory):
    """Return a library that has loops for AVX-512 beside, as all have that aren't built in tests."""
    some = {plugin: [schema] for plugin, schema in CASES[::4]}
    with levels(*HERE.levels):
        return dfv.build(some, output=tmp_path_factory.mktemp("library"), name="wider")


@pytest.mark.parametrize(("plugin", "schema"), CASES[::4], ids=ids[::4])
@given(data=st.data())
def test_same_bits_on_each_processor(wider, plugin, schema, data):
    frame = data.draw(frames(st.integers(0, 300), **schema))
    native = wider.expr(plugin.name, "x", "y", on_error="null")
    check(frame, native, dfv.expr(plugin, "x", "y", on_error="null"), alone, streamed)


@pytest.mark.parametrize(("plugin", "schema"), CASES[::4], ids=ids[::4])
@given(data=st.data())
def test_one_value_for_all_rows(library, plugin, schema, data):
    """A literal, or an aggregate, comes as a column of one row."""
    frame = data.draw(frames(st.integers(0, 70), **schema))
    one = data.draw(frames(st.just(1), **schema))
    for x, y in (("x", pl.lit(one["y"])), (pl.lit(one["x"]), "y"), (pl.col("x").first(), "y")):
        pair = (library.expr(plugin.name, x, y, on_error="null"), dfv.expr(plugin, x, y, on_error="null"))
        check(frame, *pair, alone, streamed)


@pytest.mark.parametrize("rows", [16383, 16384, 16385, 40_000])
@pytest.mark.parametrize("name", ["half", "first", "both_true", "wave"])
def test_more_rows_than_a_loop_takes_at_once(library, name, rows):
    """Rows that fail, nulls and angles that only the general variant reduces, late in the frame."""
    plugin = BY_NAME[name]
    schema = library.schemas[name][0]
    number = pl.int_range(rows, eager=True)
    x = pl.select(pl.when(number % 7 > 0).then(number % 120)).to_series().cast(pl.Float64)
    if name == "wave":
        x = pl.select(pl.when(number == rows - 5).then(pl.lit(1e300)).otherwise(x)).to_series()
    y = number % (103 if name == "half" else 50)
    columns = {"x": x.cast(schema["x"]) if schema["x"] != pl.Boolean else x > 60}
    columns["y"] = y.cast(schema["y"]) if schema["y"] != pl.Boolean else y > 20
    frame = pl.DataFrame(columns)
    parts = pl.concat([frame[:9], frame[9:20_001], frame[20_001:]], rechunk=False)
    native, ours = library.expr(name, "x", "y", on_error="null"), dfv.expr(plugin, "x", "y", on_error="null")
    for df in (frame, parts, frame.drop_nulls(), frame[3:]):
        check(df, native, ours, alone, streamed)
    last = (library.expr(name, "x", pl.col("y").last(), on_error="null"),)
    check(frame, *last, dfv.expr(plugin, "x", pl.col("y").last(), on_error="null"), alone)


def test_constants(library):
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0], "y": [200, 2, 2]}, schema={"x": pl.Float64, "y": pl.Int32})
    for limit in (-1.0, 2, 1e300):
        native = library.expr("named", "x", "y", limit=limit)
        check(frame, native, dfv.expr(BY_NAME["named"], "x", "y", limit=limit), alone)
    floats = frame.cast(pl.Float64)
    ours = dfv.expr(BY_NAME["half"], "x", "y", strict=False)
    check(floats, library.expr("half", "x", "y", strict=False), ours, alone)
    integers = frame.cast(pl.Int64)
    for add in (0, 255, 256, 65_536, -1, -(1 << 40), (1 << 62) + 1):
        check(
            integers,
            library.expr("ratio", "x", "y", add=add),
            dfv.expr(BY_NAME["ratio"], "x", "y", add=add),
            alone,
        )


def test_numbers_for_columns_are_of_a_dtype_that_it_is_built_for(library):
    frame = pl.DataFrame({"x": [1.0, None]})
    assert frame.select(library.expr("half", "x", 2))["half"].to_list() == [0.5, None]
    assert frame.select(library.expr("named", x="x", y=7))["named"].to_list()[0]["low"] == 1.0


def test_a_filter_keeps_rows(library):
    frame = pl.DataFrame({"x": [1, 60, None, 3], "y": [0.0, 0.0, 0.0, None]})
    assert frame.filter(library.expr("tame", "x", "y")).rows() == [(1, 0.0)]


def test_dtypes_are_known_when_the_query_is_planned(library):
    frame = pl.LazyFrame(schema={"x": pl.Datetime("ns"), "y": pl.Duration("us")})
    expected = frame.select(dfv.expr(BY_NAME["clock"], "x", "y")).collect_schema()
    assert frame.select(library.expr("clock", "x", "y")).collect_schema() == expected
