"""Lists and arrays in a native library, in and out: what `apply` and `expr` give, bit for bit."""

from __future__ import annotations

import datetime

import polars as pl
import pytest
from built_list_kernels import BUILT_LISTS
from built_queries import alone, check, in_groups, over, sliced, streamed
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.strategies import frames

CASES = [(one, schema) for one, schemas in BUILT_LISTS.items() for schema in schemas]
IDS = [f"{one.name}-{schema['x']}" for one, schema in CASES]

TEXTS = st.sampled_from(["", "a", "ab", "é", "a string of more than twelve", "b" * 100])
SCALARS = {
    pl.Float64: st.integers(-3, 9).map(float),
    pl.Float32: st.integers(-3, 9).map(float),
    pl.Date: st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)),
    pl.Boolean: st.booleans(),
    pl.String: TEXTS,
    pl.Binary: TEXTS.map(str.encode),
}


def values_of(dtype):
    if isinstance(dtype, pl.Array):
        return st.lists(_items_of(dtype), min_size=dtype.size, max_size=dtype.size)
    if isinstance(dtype, pl.List):
        return st.lists(_items_of(dtype), max_size=6)
    return SCALARS.get(dtype.base_type(), st.integers(0, 100))


def _items_of(dtype):
    """Most lists have no null among their items."""
    items = values_of(dtype.inner)
    return st.sampled_from(range(20)).flatmap(lambda n: items if n else st.none())


def frame_of(data, schema, rows):
    return data.draw(frames(rows, **{name: (values_of(dtype), dtype) for name, dtype in schema.items()}))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return dfv.build(BUILT_LISTS, output=tmp_path_factory.mktemp("library"), name="lists")


@pytest.mark.parametrize(("plugin", "schema"), CASES, ids=IDS)
@settings(max_examples=10)
@given(data=st.data())
def test_same_bits_of_lists(library, plugin, schema, data):
    frame, one = frame_of(data, schema, st.integers(0, 90)), frame_of(data, schema, st.just(1))
    native, ours = (
        library.expr(plugin.name, "x", "y", on_error="null"),
        dfv.expr(plugin, "x", "y", on_error="null"),
    )
    check(frame, native, ours, alone, streamed, in_groups, over, sliced)
    check(frame, library.expr(plugin.name, "x", "y"), dfv.expr(plugin, "x", "y"), alone)
    for x, y in (("x", pl.lit(one["y"])), (pl.lit(one["x"]), "y"), (pl.col("x").first(), "y")):
        pair = (library.expr(plugin.name, x, y, on_error="null"), dfv.expr(plugin, x, y, on_error="null"))
        check(frame, *pair, alone)


@pytest.mark.parametrize("name", ["scaled", "words", "marked"])
def test_more_lists_than_a_loop_takes_at_once(library, name):
    plugin, schema = library.plugins[name], library.schemas[name][0]
    number, scalar = pl.int_range(20_500, eager=True), schema["x"].inner
    items = number.cast(pl.Boolean) if scalar == pl.Boolean else (number % 90).cast(scalar)
    x = pl.select(pl.lit(items).repeat_by(number % 7)).to_series().cast(schema["x"])
    frame = pl.DataFrame({"x": x, "y": (number % 100).cast(schema["y"])})
    native, ours = (
        library.expr(name, "x", "y", on_error="null"),
        dfv.expr(plugin, "x", "y", on_error="null"),
    )
    for df in (frame, pl.concat([frame[:9], frame[9:10_001], frame[10_001:]], rechunk=False), frame[3:]):
        check(df, native, ours, alone, streamed)
    wide = pl.lit(pl.Series([[*range(60)] * 50], dtype=pl.List(pl.Int64))).cast(schema["x"])
    pair = (library.expr(name, wide, "y", on_error="null"), dfv.expr(plugin, wide, "y", on_error="null"))
    check(frame[:500], *pair, alone)


def test_failed_rows_show_their_items(library):
    frame = pl.DataFrame({"x": [[1.0], [0.5] * 10, None], "y": [1, 2, 3]}, schema_overrides={"y": pl.Int8})
    shown = r"row 1 of a batch of 3 \(x=\[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, … \(10\)\], y=2\): V"
    with pytest.raises(pl.exceptions.ComputeError, match=shown):
        frame.select(library.expr("ends", "x", "y"))
    frame = pl.DataFrame({"x": [["b", "é"]], "y": ["a"]})
    it = frame.select(library.expr("words", "x", "y", on_error="struct").alias("it")).unnest("it")
    assert it["error"][0].startswith("ValueError: 2 are large")
    with pytest.raises(pl.exceptions.ComputeError, match=r'\(x=\["b", "é"\], y="a"\): ValueError'):
        frame.select(library.expr("words", "x", "y"))


def test_dtypes_of_lists_are_known_when_the_query_is_planned(library):
    for kernel, schema in CASES:
        frame = pl.LazyFrame(schema=schema)
        expected = frame.select(dfv.expr(kernel, "x", "y")).collect_schema()
        assert frame.select(library.expr(kernel.name, "x", "y")).collect_schema() == expected
    wrong = pl.LazyFrame(schema={"x": pl.List(pl.Int64), "y": pl.Int8})
    with pytest.raises(pl.exceptions.ComputeError) as caught:
        wrong.select(library.expr("scaled", "x", "y")).collect_schema()
    said = "(x: List(Int64), y: Int8), but for (x: List(Int16), y: Int8), (x: Array(Float32, 3), y: Float32)"
    assert said in str(caught.value)


def test_lists_without_a_file(library):
    """With `native=True`, and through a query."""
    frame = pl.DataFrame({"x": [[1, 2], None, [3]], "y": [2, 2, 3]}, schema=library.schemas["scaled"][0])
    scaled = library.plugins["scaled"]
    query = frame.lazy().pipe(dfv.apply, scaled, native=True)
    assert query.collect().equals(frame.pipe(dfv.apply, scaled))
