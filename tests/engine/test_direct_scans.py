"""Scans, reduces by key and pipelines with them over all rows at once: as chunk by chunk."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.engine.execution import fast_path
from testing.oracle import in_chunks

ROWS = 700


class Seen(NamedTuple):
    """What kernels keep of the rows so far."""

    total: float
    rows: int


def defined(form, kind=dfv.PluginType.TRANSFORMER, **about):
    """Return a decorator as `dfv.scan`, which registers nothing."""
    return lambda function: define(function, name=function.__name__, form=form, plugin_type=kind, **about)


scan = partial(defined, Form.SCAN)
reduce = partial(defined, Form.REDUCE, dfv.PluginType.AGGREGATOR)


@scan(init=0.0)
def running(state, x):
    state = state / 3 + x
    return state, state


@scan(init=Seen(0.0, 0))
def two_columns(state, x, t: str | None, factor=0.5):
    seen = Seen(state.total * factor + x, state.rows + (0 if t is None else len(t)))
    return seen, (seen.total, seen.rows > 9)


@scan(init=0)
def picky(state, x):
    state += 1
    if x > 2.5:
        raise ValueError("too large")
    return state, state


@scan(init=0)
def labels(state, t: str):
    return state + 1, t + "!"


@reduce(init=Seen(1.0, 0), finish=lambda s: (s.total / (s.rows - 1), s.rows))
def total(state, x):
    return Seen(state.total / 3 + x, state.rows + 1)


def _both(a, b):
    return Seen(a.total / 7 + b.total, a.rows + b.rows)


@reduce(init=Seen(0.0, 0), merge=_both)
def merged(state, x):
    return Seen(state.total / 3 + x, state.rows + 1)


@reduce(init=0, finish=lambda n: 6 // (n - 3))
def delicate(state, x):
    return state + 1


@scan(init="")
def longest(state, t: str):
    state = t if len(t) > len(state) else state
    return state, len(state)


@reduce(init="")
def first_and_last(state, t: str):
    return (t if not state else state[:9]) + t[:4]


@defined(Form.ROW)
def doubled(x):
    return 2 * x


@defined(Form.ROW, dfv.PluginType.FILTER)
def positive(x):
    return x > 0


PIPELINES = {
    "scan": [running],
    "scan of two columns": [dfv.step(two_columns, factor=0.25)],
    "scan by key": [dfv.step(running, by="k")],
    "scan by keys": [dfv.step(two_columns, by=["t", pl.col("k") % 2])],
    "scan of what is computed": [dfv.step(running, x=pl.col("x") * 2)],
    "reduce by key": [dfv.step(total, by="t")],
    "merged reduce by key": [dfv.step(merged, by="k")],
    "scan with a text": [longest],
    "scan with a text by key": [dfv.step(longest, by="k")],
    "reduce with a text": [first_and_last],
    "reduce with a text by key": [dfv.step(first_and_last, by="k")],
    "after a filter": [positive, doubled, dfv.step(running, x="doubled")],
    "by key after a filter": [positive, dfv.step(running, by="t"), doubled],
    "two scans": [running, dfv.step(two_columns, x="running", by="k")],
    "reduced after a filter": [positive, doubled, dfv.step(merged, x="doubled")],
    "reduced after a scan": [running, dfv.step(total, x="running", by="k")],
    "only filtered": [positive, total],
    "replaced": [dfv.step(doubled, output="x", replace=True), dfv.step(merged)],
}


@pytest.fixture(scope="module")
def df():
    random = np.random.default_rng(1)
    x = pl.Series(random.normal(size=ROWS)).set(pl.Series(random.random(ROWS) < 0.1), None)
    t = pl.Series(["", "a", None, "more than twelve bytes", "ß"] * ROWS)[:ROWS]
    return pl.DataFrame({"x": x, "t": t, "k": pl.Series(random.integers(0, 9, ROWS), dtype=pl.Int8)})


@pytest.fixture
def taken(monkeypatch):
    """Whether each call was computed at once."""
    found = []

    def look_at(name, *, reduces):
        real = getattr(fast_path, name)

        def look(plan, *arguments):
            result = real(plan, *arguments)
            if reduces == (plan.reduces is not None):
                found.append(result is not None)
            return result

        monkeypatch.setattr(fast_path, name, look)

    look_at("compute", reduces=False)
    look_at("reduce", reduces=True)
    return found


@pytest.mark.parametrize("rows", [ROWS, 1, 0])
@pytest.mark.parametrize("name", PIPELINES)
def test_the_same_as_in_chunks(df, taken, name, rows):
    frame = df.head(rows)
    result = dfv.run(frame, PIPELINES[name])
    assert taken == ([True] if rows else [name not in _REDUCED])
    with in_chunks():
        other = dfv.run(frame, PIPELINES[name])
    assert_frame_equal(result.frame, other.frame, check_exact=True)
    assert result.filtered_count == other.filtered_count
    assert str(result.state) == str(other.state)


_REDUCED = {name for name in PIPELINES if "reduce" in name or name in ("only filtered", "replaced")}


@pytest.fixture(scope="module")
def failing(df):
    row = pl.int_range(pl.len()) == 100
    return df.drop_nulls("x").with_columns(x=pl.when(row).then(3.0).otherwise("x"))


@pytest.mark.parametrize("steps", [[picky], [dfv.step(picky, by="k")], [running, picky]])
@pytest.mark.parametrize("on_error", ["null", "drop"])
def test_rows_that_fail_leave_no_trace(failing, taken, steps, on_error):
    """All rows are computed again, and states are what they were before."""
    result = dfv.run(failing, steps, on_error=on_error)
    assert not any(taken)  # it raised, or left them to the other road
    with in_chunks():
        other = dfv.run(failing, steps, on_error=on_error)
    assert result.error_count == other.error_count >= 1
    assert_frame_equal(result.frame, other.frame, check_exact=True)
    assert str(result.state) == str(other.state)


@pytest.mark.parametrize("by", [None, "k"])
def test_batches_go_on(failing, by):
    """Also where rows of one of them fail: then it goes another road, from the same state."""
    wanted = dfv.run(failing, picky, by=by)
    state, parts = None, []
    for part in failing.iter_slices(50):
        result = dfv.run(part, picky, by=by, state=state)
        parts.append(result.frame)
        state = result.state
    assert_frame_equal(pl.concat(parts), wanted.frame)
    assert str(state) == str(wanted.state)
    table = failing.to_arrow()
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=50))
    streamed = dfv.apply(reader, picky, by=by, on_error="null").read_all()
    assert_frame_equal(pl.from_arrow(streamed), wanted.frame)


@pytest.mark.parametrize(
    "name", ["scan by keys", "reduce by key", "merged reduce by key", "scan of two columns"]
)
def test_columns_of_several_pieces(df, name):
    pieces = pl.concat([df.slice(i, 7) for i in range(0, ROWS, 7)], rechunk=False)
    result, wanted = (dfv.apply(frame, PIPELINES[name]) for frame in (pieces, df))
    assert_frame_equal(result, wanted, check_exact=True)


def test_texts_that_a_scan_makes_take_another_road(df, taken):
    frame = df.drop_nulls("t")
    assert dfv.apply(frame, labels, keep=False)["labels"].to_list() == [f"{t}!" for t in frame["t"]]
    assert taken == [False]


def test_a_finish_that_fails(df):
    frame = df.drop_nulls("x").head(3)
    with pytest.raises(dfv.RowError, match="`finish` failed on 1 of 1 states"):
        dfv.apply(frame, delicate)
    assert dfv.apply(frame, delicate, on_error="null").rows() == [(None,)]
    by_key = frame.with_columns(k=pl.Series([1, 1, 2]))
    assert dfv.apply(by_key, delicate, by="k").rows() == [(1, -6), (2, -3)]
