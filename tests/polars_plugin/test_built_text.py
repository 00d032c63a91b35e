"""Strings, bytes and decimals in a native library: what `expr` gives, bit for bit."""

from __future__ import annotations

import polars as pl
import pytest
from builds import HERE, levels
from built_queries import alone, check, in_groups, over, sliced, streamed
from built_text_kernels import BUILT_TEXT, drawn
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.strategies import frames

BY_NAME = {plugin.name: plugin for plugin in BUILT_TEXT}
CASES = [(plugin, schema) for plugin, schemas in BUILT_TEXT.items() for schema in schemas]
ids = [f"{plugin.name}-{schema['x']}" for plugin, schema in CASES]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return dfv.build(BUILT_TEXT, output=tmp_path_factory.mktemp("library"), name="all_text")


def frame_of(data, schema, rows):
    return data.draw(frames(rows, **{name: drawn(dtype) for name, dtype in schema.items()}))


@pytest.mark.parametrize(("plugin", "schema"), CASES, ids=ids)
@given(data=st.data())
def test_same_bits_of_text(library, plugin, schema, data):
    frame = frame_of(data, schema, st.integers(0, 300))
    how = data.draw(st.sampled_from(["null", "raise"]))
    native = library.expr(plugin.name, "x", "y", on_error=how)
    ours = dfv.expr(plugin, "x", "y", on_error=how)
    if how == "null":
        check(frame, native, ours, alone, streamed, in_groups, over, sliced)
    else:
        check(frame, native, ours, alone)


@pytest.fixture(scope="module")
def wider(tmp_path_factory):
    """Return a library that has loops for AVX-512 beside."""
    some = {plugin: [schema] for plugin, schema in CASES[::5]}
    with levels(*HERE.levels):
        return dfv.build(some, output=tmp_path_factory.mktemp("library"), name="wider_text")


@pytest.mark.parametrize(("plugin", "schema"), CASES[::5], ids=ids[::5])
@given(data=st.data())
def test_same_bits_of_text_on_each_processor(wider, plugin, schema, data):
    frame = frame_of(data, schema, st.integers(0, 300))
    native = wider.expr(plugin.name, "x", "y", on_error="null")
    check(frame, native, dfv.expr(plugin, "x", "y", on_error="null"), alone, streamed)


@pytest.mark.parametrize(("plugin", "schema"), CASES[::2], ids=ids[::2])
@given(data=st.data())
def test_one_text_for_all_rows(library, plugin, schema, data):
    """A literal, or an aggregate, comes as a column of one row."""
    frame, one = frame_of(data, schema, st.integers(0, 70)), frame_of(data, schema, st.just(1))
    for x, y in (("x", pl.lit(one["y"])), (pl.lit(one["x"]), "y"), (pl.col("x").first(), "y")):
        pair = (library.expr(plugin.name, x, y, on_error="null"), dfv.expr(plugin, x, y, on_error="null"))
        check(frame, *pair, alone, streamed)


@pytest.mark.parametrize("rows", [20_500])
@pytest.mark.parametrize("name", ["shout", "halves", "longer", "raw"])
def test_more_text_than_a_buffer_takes(library, name, rows):
    """Buffers fill up in the middle of a loop, that has to be run again where text isn't ASCII."""
    plugin = BY_NAME[name]
    number = pl.int_range(rows, eager=True)
    lengths = number * 7919 % 90
    x = pl.select(pl.lit("ab c").repeat_by(lengths // 4).list.join("") + pl.lit(number.cast(str))).to_series()
    wide = pl.select(pl.when(number % 20_000 > 19_990).then(x + "ä").otherwise(x)).to_series()
    y = pl.select(pl.when(number % 11 > 0).then(pl.lit(number.cast(str)))).to_series()
    dtype = library.schemas[name][0]["x"]
    for text in (x, wide):
        frame = pl.DataFrame({"x": text.cast(dtype), "y": y.cast(dtype)})
        parts = pl.concat([frame[:9], frame[9:10_001], frame[10_001:]], rechunk=False)
        native, ours = (
            library.expr(name, "x", "y", on_error="null"),
            dfv.expr(plugin, "x", "y", on_error="null"),
        )
        for df in (frame, parts, frame.drop_nulls(), frame[3:]):
            check(df, native, ours, alone, streamed)


def test_results_are_read_when_the_library_has_made_others(library):
    """Data buffers go back when the last reader lets go, and not before."""
    frame = pl.DataFrame({"x": ["some text that is long"] * 5000, "y": ["b"] * 5000})
    first = frame.select(library.expr("halves", "x", "y"))["halves"].struct.field("halves_1")
    expected, part = first.to_list(), first[10:20]
    for _ in range(20):
        frame.select(library.expr("halves", pl.lit("other text of some length"), "y"))
    assert first.to_list() == expected
    assert part.to_list() == expected[10:20]


def test_dtypes_of_text_are_known_when_the_query_is_planned(library):
    for plugin, schema in CASES:
        frame = pl.LazyFrame(schema=schema)
        expected = frame.select(dfv.expr(plugin, "x", "y")).collect_schema()
        assert frame.select(library.expr(plugin.name, "x", "y")).collect_schema() == expected
