"""Scans and reduces of native libraries give what `apply` gives for all rows, or for those of each group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from built_queries import alone, sliced, streamed
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition import blocks
from dataflare_vec.definition.plugin import Form
from dataflare_vec.engine.stages import partitioned
from testing.oracle import identical
from testing.stateful import REDUCES, SCANS, SUMMED, WEIGHED, frames_of, stateful
from testing.strategies import frames


def edges(state, x, y: object | None, most=3, sign=1.0, on=True):
    count, last = state
    if y is not None and count > most and on:
        return (0, y), None
    return (count + 1 if x else count, last), (last, count * sign)


def narrowed(total, x):
    return total + x, total


def histogram(counts, x):
    counts[x % 3] += 1
    if x == 7:
        raise ValueError("a seven")
    return counts


def most_of(counts):
    most = counts.max()
    return most, 6 // (most - 1)


def nested(s, x, y):
    return x if s[0] is None else min(s[0], x), (s[1][0] + x, y), not s[2]


def latest(s, at):
    return at


REDUCE = Form.REDUCE
DAY = pl.Datetime("us", "Asia/Tokyo")
#: Plugin to the dtypes that it is built for.
BUILT = {
    **{scan: [dict.fromkeys("xy" if name == "track" else "x", pl.Float64())] for name, scan in SCANS.items()},
    **{
        replace(plugin, info=replace(plugin.info, name=name)): [{"x": pl.Float64()}]
        for name, plugin in REDUCES.items()
    },
    SUMMED: [{"x": pl.Float64()}, {"x": pl.Float32()}, {"x": pl.Int8()}],
    WEIGHED: [{"x": pl.Float64(), "weight": pl.Int16()}],
    stateful(edges, Form.SCAN, init=(0, None)): [{"x": pl.Boolean(), "y": pl.UInt64()}],
    stateful(narrowed, Form.SCAN, init=0, returns="x"): [{"x": pl.Int8()}],
    stateful(histogram, REDUCE, init=np.zeros(3, np.int64), finish=most_of): [{"x": pl.Int16()}],
    stateful(nested, REDUCE, init=(None, (0, 0.0), True)): [{"x": pl.Int32(), "y": pl.Float64()}],
    stateful(latest, REDUCE, init=None, returns="at"): [{"at": pl.Date()}, {"at": DAY}],
}

PARTITION_ROWS, BLOCK_ROWS = 40, 5

CASES = [(plugin, schema) for plugin, schemas in BUILT.items() for schema in schemas]
IDS = [f"{plugin.name}-{next(iter(schema.values()))}" for plugin, schema in CASES]


@pytest.fixture(scope="module", autouse=True)
def _few_rows():
    """Partitions and blocks that small frames fill."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitioned, "PARTITION_ROWS", PARTITION_ROWS)
        patch.setattr(blocks, "BLOCK_ROWS", BLOCK_ROWS)
        yield


@pytest.fixture(scope="module")
def library(tmp_path_factory, _few_rows):
    return dfv.build(BUILT, output=tmp_path_factory.mktemp("library"), name="states")


def rows_of(plugin, schema):
    """Frames of a plugin's columns, of which some rows fail."""
    if plugin.name in ("histogram", "narrowed"):
        return frames(st.integers(0, 120), x=(st.integers(-9, 9), schema["x"]))
    if schema.get("x") == pl.Float64() and "weight" not in schema:
        return frames_of(120).map(lambda frame: frame.select(*schema))
    if plugin is WEIGHED:
        numbers = st.floats(-1e3, 1e3)
        return frames(st.integers(0, 120), x=(numbers, pl.Float64), weight=(st.integers(0, 91), pl.Int16))
    return frames(st.integers(0, 120), **schema)


def applied(plugin, frame):
    """What `apply` gives for all rows of a frame, as one column; None if it fails."""
    keep = {} if plugin.form is REDUCE else {"keep": False}
    try:
        got = dfv.apply(frame, plugin, on_error="null", **keep)
    except dfv.RowError:  # of `merge`
        return None
    return got.rename({got.columns[0]: "it"}) if got.width == 1 else got.to_struct("it").to_frame()


def native(library, plugin, **about):
    columns = [parameter.name for parameter in plugin.parameters if parameter.is_column]
    return library.expr(plugin.name, *columns, **{"on_error": "null", **about}).alias("it")


def each_row(plugin, result, rows):
    """A scan's result as it is, a reduce's for each row."""
    if plugin.form is not REDUCE:
        return result
    return pl.concat([result] * rows) if rows else result[:0]


@pytest.mark.parametrize(("plugin", "schema"), CASES, ids=IDS)
@given(data=st.data())
def test_all_rows(library, plugin, schema, data):
    frame = data.draw(rows_of(plugin, schema))
    wanted, expr = applied(plugin, frame), native(library, plugin)
    if wanted is None:
        with pytest.raises(pl.exceptions.ComputeError, match="`merge` failed: ValueError: a large weight"):
            alone(frame, expr)
        return
    for ask in (alone, streamed):
        assert identical(ask(frame, expr), wanted)
    beside = frame.with_columns(expr)
    assert identical(beside.select("it"), each_row(plugin, wanted, frame.height))
    if plugin.form is not REDUCE:
        assert identical(sliced(frame, expr), wanted[3:23])


@pytest.mark.parametrize(("plugin", "schema"), CASES, ids=IDS)
@given(data=st.data())
def test_rows_of_groups(library, plugin, schema, data):
    frame = data.draw(rows_of(plugin, schema)).with_columns(key=pl.int_range(pl.len()) * 7 % 5 % 3)
    parts = {key: part.drop("key") for (key,), part in frame.group_by("key", maintain_order=True)}
    wanted = {key: applied(plugin, part) for key, part in parts.items()}
    if any(one is None for one in wanted.values()):  # a `merge` failed
        return
    expr = native(library, plugin)
    over = frame.select("key", expr.over("key"))
    for engine in ("in-memory", "streaming"):
        groups = frame.lazy().group_by("key", maintain_order=True).agg(expr).collect(engine=engine)
        assert groups["key"].to_list() == list(wanted)
        for key, values in wanted.items():
            group = groups.filter(pl.col("key") == key).select("it")
            assert identical(group if plugin.form is REDUCE else group.explode("it"), values)
            assert identical(
                over.filter(pl.col("key") == key).select("it"), each_row(plugin, values, parts[key].height)
            )


@pytest.mark.parametrize("rows", [1, 16_384, 40_000])
@pytest.mark.parametrize("name", ["track", "window", "merged", "summed"])
def test_more_rows_than_a_loop_takes_at_once(library, name, rows):
    number = pl.int_range(rows, eager=True)
    large = (number % 1009 == 5).cast(pl.Int8) * 80
    x = pl.select(pl.when(number % 7 > 0).then(number % 97 * 0.5 + large)).to_series()
    frame = pl.DataFrame({"x": x, "y": number % 11 * 0.25})
    parts = pl.concat([frame[:9], frame[9:20_001], frame[20_001:]], rechunk=False)
    plugin = library.plugins[name]
    for df in (frame, parts, frame.fill_null(1.0)):
        wanted = applied(plugin, df)
        for ask in (alone, streamed):
            assert identical(ask(df, native(library, plugin)), wanted)


def test_constants(library):
    frame = pl.DataFrame({"x": [1.0, 2.0, None, 8.0]})
    smooth = library.plugins["smooth"]
    wanted = dfv.apply(frame, smooth, keep=False, alpha=0.5)
    assert identical(alone(frame, native(library, smooth, alpha=0.5)), wanted.rename({"smooth": "it"}))
    frame = pl.DataFrame(
        {"x": [True, False] * 5, "y": [None, 1 << 63] * 5}, schema_overrides={"y": pl.UInt64}
    )
    edges = library.plugins["edges"]
    for constants in ({"most": 0}, {"sign": -0.5, "most": 2}, {"on": False}):
        wanted = dfv.apply(frame, edges, keep=False, **constants).to_struct("it").to_frame()
        assert identical(alone(frame, native(library, edges, **constants)), wanted)


def test_one_value_for_all_rows(library):
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0, 95.0, 0.5]})
    track = library.plugins["track"]
    for y in (2.0, pl.col("x").first(), pl.lit(None, pl.Float64)):
        wanted = dfv.apply(frame, track, y=y, keep=False, on_error="null").to_struct("it").to_frame()
        assert identical(alone(frame, library.expr("track", "x", y, on_error="null")), wanted)


def test_groups_without_rows_have_the_initial_state(library):
    frame = pl.DataFrame({"key": ["a", "b", "a"], "x": [8.0, 2.0, None]})
    kept = pl.col("x").filter(pl.col("x") > 3)
    got = frame.group_by("key", maintain_order=True).agg(library.expr("state", kept).struct.field("count"))
    assert got["count"].to_list() == [1, 0]
    got = frame.group_by("key", maintain_order=True).agg(library.expr("smooth", kept))
    assert got["smooth"].to_list() == [[2.0], []]


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("track", [1.0, 2.0, 95.0, 96.0], "row 2 of a batch of 4 (x=95.0, y=95.0): ValueError: x is large"),
        ("window", [95.0], "row 0 of a batch of 1 (x=95.0): ValueError: x is large"),
        ("state", [1.0, 95.0], "row 1 of a batch of 2 (x=95.0): ValueError: x is large"),
        (
            "narrowed",
            [100, 27, 1, 1],
            "row 3 of a batch of 4 (x=1): OverflowError: the result does not",
        ),
        ("histogram", [1, 2], "`finish` failed: ZeroDivisionError: integer division by zero"),
    ],
)
def test_what_fails_is_said(library, name, values, message):
    schema = library.schemas[name][0]
    frame = pl.DataFrame({"x": values, "y": values}, schema_overrides={"x": schema["x"]})
    with pytest.raises(pl.exceptions.ComputeError) as caught:
        alone(frame, native(library, library.plugins[name], on_error="raise"))
    assert f"plugin `{name}`: {message}" in str(caught.value)


def test_dtypes_are_known_when_the_query_is_planned(library):
    frame = pl.LazyFrame({"x": [1.0], "at": [None]}, schema_overrides={"at": pl.Date})
    exprs = [library.expr(name, *columns) for name, columns in {"state": "x", "smooth": "x"}.items()]
    lazy = frame.select(*exprs, library.expr("latest", "at"))
    assert lazy.collect_schema() == lazy.collect().schema
    assert lazy.collect_schema()["latest"] == pl.Date
