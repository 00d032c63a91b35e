"""`on_error="struct"`: a failed row stays in the plan, with what it raised beside its value."""

from __future__ import annotations

import polars as pl
import pytest
from built_kernels import BUILT
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import identical, plugin
from testing.strategies import frames

#: Numbers, dates and a filter; one result and several; with nulls of the kernel's own, and not.
NAMES = ("pick", "half", "ratio", "next_day", "tame")
SOME = {plugin: schemas[0] for plugin, schemas in BUILT.items() if plugin.name in NAMES}


def cost(weight, zone, most=30.0):
    if weight < 0:
        raise ValueError("weight is negative")
    if zone == 9:
        raise KeyError("9")
    if weight > most:
        raise OverflowError(f"{weight} is more than {most}")
    if weight == 0:
        return None
    return weight / zone, zone


def short(x):
    if x < 0:
        raise OSError  # as short as a text is that its view holds by itself
    return x


COST, SHORT = plugin(cost), plugin(short)
LINE = cost.__code__.co_firstlineno


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    return dfv.build({COST: {"weight": pl.Float64, "zone": pl.Int8}, SHORT: {"x": pl.Int64}}, output=folder)


def by_struct(library, name, *columns, **constants):
    return library.expr(name, *columns, on_error="struct", **constants).alias("it")


@pytest.mark.parametrize("plugin", SOME, ids=NAMES)
@given(data=st.data())
def test_values_are_those_of_null_and_each_failed_row_has_an_error(built, plugin, data):
    """However Polars calls it; which rows fail, the interpreter says, too."""
    frame = data.draw(frames(st.integers(0, 300), **SOME[plugin]))
    expected = frame.select(dfv.expr(plugin, "x", "y", on_error="null").alias("value"))
    failed = dfv.run(frame, plugin, keep=False).errors
    native = by_struct(built, plugin.name, "x", "y")
    key = pl.int_range(pl.len()) % 3
    for got in (
        frame.select(native),
        frame.lazy().select(native).collect(engine="streaming"),
        frame.select(native.over(key)),
    ):
        it = got.unnest("it")
        assert it.columns == ["value", "error"]
        assert it.schema["error"] == pl.String
        assert identical(it.select("value"), expected)
        rows = it.with_row_index("row").drop_nulls("error")
        assert rows["row"].to_list() == failed["row"].to_list()
        assert all(text.startswith(kind) for text, kind in zip(rows["error"], failed["error"], strict=True))


def test_what_errors_say(library):
    """Exception, message and line as under "raise"."""
    frame = pl.DataFrame(
        {"weight": [1.0, -1.0, 2.0, 40.0, None, -3.0, 0.0], "zone": [2, 1, 9, 1, 1, 9, 0]},
        schema={"weight": pl.Float64, "zone": pl.Int8},
    )
    it = frame.select(by_struct(library, "cost", "weight", "zone")).unnest("it")
    negative = f"ValueError: weight is negative (test_struct_errors.py, line {LINE + 2})"
    assert it["error"].to_list() == [
        None,
        negative,
        f"KeyError: '9' (test_struct_errors.py, line {LINE + 4})",
        f"OverflowError: 40.0 is more than 30.0 (test_struct_errors.py, line {LINE + 6})",
        None,
        negative,
        None,
    ]
    nothing = {"cost_0": None, "cost_1": None}
    assert it["value"].to_list() == [{"cost_0": 0.5, "cost_1": 2}, *[nothing] * 6]
    assert (
        frame.select(by_struct(library, "cost", "weight", "zone", most=50.0)).unnest("it")["error"][3] is None
    )


def test_short_texts_and_many_rows(library):
    """More rows than a loop takes at once, in several chunks; a text of one word isn't stored elsewhere."""
    number = pl.int_range(40_000, eager=True).alias("x")
    frame = pl.DataFrame({"x": pl.select(pl.when(number % 1000 == 999).then(-number).otherwise(number))})
    parts = pl.concat([frame[:9], frame[9:20_001], frame[20_001:]], rechunk=False)
    for df in (frame, parts, frame[3:]):
        it = df.select(by_struct(library, "short", "x")).unnest("it")
        failed = df.select(pl.col(df.columns[0]) < 0).to_series()
        assert it["error"].is_not_null().equals(failed)
        assert it["error"].drop_nulls().str.starts_with("OSError").all()
        assert it["value"].equals(df.select(pl.when(pl.first() >= 0).then(pl.first())).to_series())


def test_the_dtype_is_known_when_the_query_is_planned(library):
    lazy = pl.LazyFrame(schema={"weight": pl.Float64, "zone": pl.Int8})
    schema = lazy.select(by_struct(library, "cost", "weight", "zone")).collect_schema()
    value = lazy.select(dfv.expr(COST, "weight", "zone")).collect_schema()["cost"]
    assert schema == {"it": pl.Struct({"value": value, "error": pl.String})}
    assert lazy.select(by_struct(library, "cost", "weight", "zone")).collect().schema == schema


def test_failed_rows_go_on_as_data(library):
    """What somebody does with them: count errors, and go on with the values."""
    lazy = pl.LazyFrame(
        {"weight": [1.0, -1.0, -2.0, 3.0], "zone": [1, 1, 1, 9]}, schema_overrides={"zone": pl.Int8}
    )
    it = lazy.with_columns(by_struct(library, "cost", "weight", "zone")).unnest("it")
    counted = it.group_by("error").len().drop_nulls().sort("len").collect(engine="streaming")
    assert counted["len"].to_list() == [1, 2]
    well = it.filter(pl.col("error").is_null()).select(pl.col("value").struct.unnest()).collect()
    assert well.rows() == [(1.0, 1)]


def test_a_wrong_choice(library):
    with pytest.raises(
        dfv.ArgumentError, match='`on_error` must be "raise", "null" or "struct", got'
    ) as caught:
        library.expr("cost", "weight", "zone", on_error="drop")
    assert caught.value.argument == "on_error"
