"""The laws for scans, reduces and dropped rows in lazy queries; operations on a frame are the oracle."""

from __future__ import annotations

from itertools import count

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from testing.strategies import frames

TRANSFORMER, FILTER, AGGREGATOR = (
    dfv.PluginType.TRANSFORMER,
    dfv.PluginType.FILTER,
    dfv.PluginType.AGGREGATOR,
)


def _plugin(target, form, kind=TRANSFORMER, **about):
    return define(target, name=target.__name__, form=form, plugin_type=kind, **about)


def picky(x):
    if x > 90:
        raise ValueError("x is large")
    return x * 0.5


def above(x):
    return x > -50


def running(state, x):
    return state + x, state


def choosy(state, x, y: float | None):
    if x < -90:
        raise ValueError("x is small")
    state = state * 0.5 + x
    return state, (state, None if y is None else y - x)


def total(state, x):
    if x > 90:
        raise ValueError("x is large")
    return state * 0.5 + x


def added(state, x):
    return state + x


PICKY, ABOVE = _plugin(picky, Form.ROW), _plugin(above, Form.ROW, FILTER)
RUNNING, CHOOSY = (_plugin(one, Form.SCAN, init=0.0) for one in (running, choosy))
TOTAL = _plugin(total, Form.REDUCE, AGGREGATOR, init=0.0)
ADDED = _plugin(added, Form.REDUCE, AGGREGATOR, init=0.0, merge=lambda a, b: a + b)

# Whole numbers: however Polars sums them, the sums are the same.
numbers = st.integers(-100, 100).map(float), pl.Float64
keyed = frames(st.integers(0, 300), x=numbers, y=numbers, key=(st.integers(0, 3), pl.Int64))

names = st.sampled_from(["x", "y", "last"])
keys = st.sampled_from([None, "key", ["key", "y"]])
on_errors = st.sampled_from(["null", "drop"])


def _columns(frame):
    return frame.lazy().collect_schema().names()


def _number(frame):
    """Return a number that is in no column's name."""
    names = " ".join(_columns(frame))
    return next(i for i in count() if str(i) not in names)


def _bound(frame, name):
    """Return a column of numbers that is there, ``last`` being the one that was added last."""
    there = [column for column in _columns(frame) if column != "key"]
    return name if name in there else there[-1] if there else None


@st.composite
def scans(draw):
    plugin, name, by, on_error = (
        draw(st.sampled_from([RUNNING, CHOOSY])),
        draw(names),
        draw(keys),
        draw(on_errors),
    )

    def apply(frame):
        x = _bound(frame, name)
        if x is None or not {"key", "y"} <= set(_columns(frame)):
            return frame
        output = f"c{_number(frame)}"
        several = [output, f"{output}.step"] if plugin is CHOOSY else output
        return frame.pipe(dfv.apply, plugin, x=x, by=by, output=several, on_error=on_error)

    return apply


@st.composite
def pipelines(draw):
    on_error, keep, by, kept = draw(on_errors), draw(st.booleans()), draw(keys), draw(st.booleans())
    replaces = draw(st.booleans())

    def apply(frame):
        if not {"x", "y", "key"} <= set(_columns(frame)):
            return frame
        i = _number(frame)
        steps = [
            dfv.step(PICKY, output=f"half{i}", keep=kept),
            dfv.step(RUNNING, x=f"half{i}", output=f"sum{i}", by=by),
            dfv.step(ABOVE, x=f"sum{i}"),
            dfv.step(RUNNING, output="x" if replaces else f"left{i}", replace=replaces),
        ]
        return frame.pipe(dfv.apply, steps, on_error=on_error, keep=keep)

    return apply


@st.composite
def whole(draw):
    """A scan over an expression that has to see all rows."""
    expression = draw(st.sampled_from([pl.col("x").shift(1), pl.col("x") - pl.col("y").max()]))

    def apply(frame):
        if not {"x", "y"} <= set(_columns(frame)):
            return frame
        return frame.pipe(dfv.apply, RUNNING, x=expression, output=f"c{_number(frame)}")

    return apply


@st.composite
def reduces(draw):
    plugin, by, on_error = draw(st.sampled_from([TOTAL, ADDED])), draw(keys), draw(on_errors)

    def apply(frame):
        if not {"x", "y", "key"} <= set(_columns(frame)):
            return frame
        reduced = frame.pipe(dfv.apply, plugin, by=by, output="x", on_error=on_error)
        there = _columns(reduced)
        return reduced.with_columns(pl.lit(1.0).alias(n) for n in ("y", "key") if n not in there)

    return apply


def _selected(frame, picked):
    there = _columns(frame)
    return frame.select(list(dict.fromkeys(there[i % len(there)] for i in picked)))


def _filtered(frame, name, limit):
    column = _bound(frame, name)
    return frame if column is None else frame.filter(pl.col(column) > limit)


def _with_itself(frame):
    column = _bound(frame, "last")
    if column is None or "key" not in _columns(frame):
        return frame
    most = pl.col(column).max().alias(f"c{_number(frame)}")
    return frame.join(frame.group_by("key").agg(most), on="key", nulls_equal=True, maintain_order="left")


def _twice(frame, limit):
    return pl.concat([frame, _filtered(frame, "last", limit)])


def _grouped(frame):
    if not {"x", "y", "key"} <= set(_columns(frame)):
        return frame
    return frame.group_by("key", maintain_order=True).agg(pl.all().last())


numbers_of_rows = st.integers(0, 200)
limits = st.integers(-100, 100)
ordered = st.one_of(scans(), pipelines(), whole(), reduces())
#: What Polars may ask of a source instead of doing it itself.
pushed_down = st.one_of(
    st.lists(st.integers(0, 20), min_size=1, max_size=4).map(lambda picked: lambda f: _selected(f, picked)),
    st.tuples(names, limits).map(lambda drawn: lambda f: _filtered(f, *drawn)),
    numbers_of_rows.map(lambda n: lambda f: f.head(n)),
    numbers_of_rows.map(lambda n: lambda f: f.tail(n)),
    st.tuples(numbers_of_rows, numbers_of_rows).map(lambda drawn: lambda f: f.slice(*drawn)),
)
operations = st.one_of(
    ordered,
    pushed_down,
    pushed_down,
    limits.map(lambda limit: lambda f: _twice(f, limit)),
    st.just(_with_itself),
    st.just(_grouped),
    st.just(lambda f: f.sort(pl.first(), maintain_order=True)),
)


@given(
    keyed,
    st.lists(operations, max_size=3),
    ordered,
    st.lists(pushed_down, max_size=3),
    st.lists(operations, max_size=3),
    st.sampled_from([3, 17, 64, 100_000]),
)
def test_a_query_gives_what_its_operations_give_on_a_frame(frame, before, apply, pushed, after, morsel):
    """Laws 1, 3, 4 and 6: neither engines nor batches show, whatever is around what carries a state."""

    def query(data):
        for operation in (*before, apply, *pushed, *after):
            data = operation(data)
        return data

    given = frame.clone()
    expected = query(frame)
    lazy = query(frame.lazy())
    assert lazy.collect_schema() == expected.schema
    with pl.Config():
        pl.Config.set_streaming_chunk_size(morsel)
        for engine in ("streaming", "in-memory"):
            assert_frame_equal(lazy.collect(engine=engine), expected, check_exact=True)
    assert_frame_equal(frame, given)


@given(keyed, st.sampled_from(["null", "drop"]), st.sampled_from([3, 100_000]))
def test_no_row_is_lost(frame, on_error, morsel):
    """Law 4: rows in are rows out and rows failed, which the log has."""
    log = dfv.ErrorLog()
    query = frame.lazy().pipe(dfv.apply, [PICKY, CHOOSY], on_error=on_error, errors=log)
    with pl.Config():
        pl.Config.set_streaming_chunk_size(morsel)
        result = query.collect(engine="streaming")
    lost = log.count if on_error == "drop" else 0
    assert result.height + lost == frame.height
    run = dfv.run(frame, [PICKY, CHOOSY], on_error=on_error)
    assert log.count == run.error_count
    assert log.frame["row"].sort().to_list() == run.errors["row"].to_list()
