"""Structs and categories in a native library, in and out, lists for scans and reduces: what `apply` gives."""

from __future__ import annotations

import polars as pl
import pytest
from built_queries import alone, check, in_groups, over, sliced, streamed
from built_struct_kernels import BUILT_STRUCTS, CHOSEN, ENUM, STATES, STRUCT, WORDS, Spot, values_of
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form
from testing.oracle import identical, plugin
from testing.strategies import frames

ROWS = [(one, schema) for one, schemas in BUILT_STRUCTS.items() for schema in schemas]
FOLDS = [(one, schema) for one, schemas in STATES.items() for schema in schemas]


def ids(cases):
    return [f"{one.name}-{schema['x'].base_type()}" for one, schema in cases]


def frame_of(data, schema, rows):
    return data.draw(frames(rows, **{name: (values_of(dtype), dtype) for name, dtype in schema.items()}))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return dfv.build({**BUILT_STRUCTS, **STATES}, output=tmp_path_factory.mktemp("library"), name="structs")


@pytest.mark.parametrize(("plugin", "schema"), ROWS, ids=ids(ROWS))
@settings(max_examples=15)
@given(data=st.data())
def test_same_bits_of_structs(library, plugin, schema, data):
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


@pytest.mark.parametrize(("plugin", "schema"), FOLDS, ids=ids(FOLDS))
@settings(max_examples=15)
@given(data=st.data())
def test_same_bits_of_states(library, plugin, schema, data):
    frame = frame_of(data, schema, st.integers(0, 90))
    keep = {} if plugin.form is Form.REDUCE else {"keep": False}
    wanted = dfv.apply(frame, plugin, on_error="null", **keep)
    wanted = (
        wanted.rename({wanted.columns[0]: "it"}) if wanted.width == 1 else wanted.to_struct("it").to_frame()
    )
    native = library.expr(plugin.name, "x", "y", on_error="null")
    for ask in (alone, streamed):
        assert identical(ask(frame, native), wanted)


@pytest.mark.parametrize("name", ["moved", "joined", "furthest"])
def test_more_structs_than_a_loop_takes_at_once(library, name):
    kernel, schema = library.plugins[name], library.schemas[name][0]
    number = pl.int_range(20_500, eager=True)
    word = pl.select(pl.lit(pl.Series(["a", "é", "b" * 40])).gather(number % 3)).to_series()
    spot = pl.DataFrame({"at": number * 0.5, "kind": word.cast(ENUM)}).to_struct()
    columns = {"number": number % 89, "unread": number, "open": number % 3 == 0}
    tags = pl.select(pl.lit(number % 90).repeat_by(number % 4)).to_series()
    x = (
        pl.DataFrame({**columns, "spot": spot, "tags": tags})
        .select(f.name for f in STRUCT.fields)
        .to_struct()
    )
    frame = pl.DataFrame(
        {
            "x": x.cast(STRUCT) if schema["x"] == STRUCT else word.cast(ENUM),
            "y": number.cast(pl.String).str.slice(-2).cast(WORDS)
            if name == "joined"
            else number.cast(pl.Int8, strict=False),
        }
    )
    native, ours = (
        library.expr(name, "x", "y", on_error="null"),
        dfv.expr(kernel, "x", "y", on_error="null"),
    )
    if kernel.form is Form.SCAN:
        ours = native
    for df in (frame, pl.concat([frame[:9], frame[9:10_001], frame[10_001:]], rechunk=False), frame[3:]):
        check(df, native, ours, alone, streamed)
        wanted = dfv.apply(df, kernel, keep=False, on_error="null")
        wanted = wanted.to_struct("it").to_frame() if wanted.width > 1 else wanted
        assert identical(alone(df, native), wanted)


def test_rows_of_structs_that_fail_are_shown(library):
    x = {"number": 90, "unread": None, "spot": {"at": None, "kind": "é"}, "tags": [1, 2], "open": True}
    frame = pl.DataFrame({"x": [None, x], "y": [1, 2]}, schema={"x": STRUCT, "y": pl.Int8})
    for name in ("moved", "furthest"):
        with pytest.raises(pl.exceptions.ComputeError) as caught:
            frame.select(library.expr(name, "x", "y"))
        assert 'row 1 of a batch of 2 (x={true, {"é", null}, 90, [1, 2]}, y=2): ValueError' in str(
            caught.value
        )
    frame = pl.DataFrame({"x": ["é"], "y": ["a"]}, schema={"x": ENUM, "y": WORDS})
    with pytest.raises(pl.exceptions.ComputeError, match=r'\(x="é", y="a"\): ValueError'):
        frame.select(library.expr("joined", "x", "y"))
    it = frame.select(library.expr("joined", "x", "y", on_error="struct").alias("it")).unnest("it")
    assert it["error"].item().startswith("ValueError: x is large")


def test_dtypes_of_structs_are_known_when_the_query_is_planned(library):
    for kernel, schema in ROWS + FOLDS:
        frame = pl.LazyFrame(schema=schema)
        native = frame.select(library.expr(kernel.name, "x", "y"))
        assert native.collect_schema() == native.collect().schema
        if (kernel, schema) in ROWS:
            assert native.collect_schema() == frame.select(dfv.expr(kernel, "x", "y")).collect_schema()
    wrong = pl.LazyFrame(schema={"x": pl.Struct({"open": pl.Boolean, "number": pl.Int16}), "y": pl.Int8})
    with pytest.raises(pl.exceptions.ComputeError) as caught:
        wrong.select(library.expr("plain", "x", "y")).collect_schema()
    said = "(x: Struct({open: Boolean, number: Int16}), y: Int8), but for (x: Struct({open: Boolean, num"
    assert said in str(caught.value)
    with pytest.raises(pl.exceptions.ComputeError, match=r"code.*Categorical or Enum with codes of 32 bits"):
        pl.LazyFrame(schema={"x": WORDS, "y": pl.Int8}).select(
            library.expr("code", "x", "y")
        ).collect_schema()


def test_structs_in_queries(library):
    """With `native=True`: the dtype is that of the annotation where none is given."""
    frame = pl.DataFrame(
        {"x": [{"kind": "a", "at": 2.0}, {"kind": "b", "at": None}, {"kind": None, "at": 1.0}]}
    )

    def doubled(x: Spot):
        return None if x.at is None else Spot(x.kind, 2 * x.at)

    kernel = plugin(doubled, returns=pl.Struct)
    query = frame.lazy().pipe(dfv.apply, kernel, native=True)
    assert query.collect().equals(frame.pipe(dfv.apply, kernel))
    assert frame.select(dfv.expr(kernel, "x", native=True)).equals(frame.select(dfv.expr(kernel, "x")))
    x = {"number": 1, "unread": None, "spot": None, "tags": [], "open": True}
    rows = pl.DataFrame({"x": [x, x], "y": ["a", "c"]}, schema={"x": STRUCT, "y": WORDS})
    kept = rows.lazy().pipe(dfv.apply, CHOSEN, native=True).collect()
    assert kept.equals(rows.pipe(dfv.apply, CHOSEN))
    assert kept.height == 1
