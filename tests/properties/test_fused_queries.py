"""A lazy query gives what the same operations give on a frame: in both engines, in batches of any size."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from number_pipelines import KERNELS, apply, kernel_pipelines, numbered, numeric, pick, pipelines, small_ints
from polars.testing import assert_frame_equal

import dataflare_vec as dfv


def _select(frame, drawn):
    names = frame.lazy().collect_schema().names()
    return frame.select(list(dict.fromkeys(pick(names, i) for i in drawn)))


def _filter(frame, drawn):
    names = numeric(frame)
    return frame.filter(pl.col(pick(names, drawn)) < 600) if names else frame


def _slice(frame, drawn):
    return frame.slice(drawn, 2 * drawn + 1)


def _head(frame, drawn):
    return frame.head(drawn)


def _tail(frame, drawn):
    return frame.tail(drawn)


def _with_columns(frame, drawn):
    names = numeric(frame)
    return frame.with_columns(pl.col(pick(names, drawn)) + 1) if names else frame


def _join(frame, drawn):
    names = numeric(frame)
    if not names:
        return frame
    key = pick(names, drawn)
    other = pl.DataFrame({key: [float(i) for i in range(0, 1200, 3)], f"joined on {key}": range(400)})
    if f"joined on {key}" in frame.lazy().collect_schema():
        return frame
    other = other.lazy() if isinstance(frame, pl.LazyFrame) else other
    return frame.join(other, on=key, how="left", maintain_order="left")


def _concat(frame, drawn):
    names = numeric(frame)
    if not names:
        return frame
    name = pick(names, drawn)
    twice = frame.pipe(dfv.apply, KERNELS[0], a=name, b=name, output=name, replace=True, on_error="null")
    return pl.concat([frame, twice.filter(pl.col(name) > 100)])


def _group(frame, drawn):
    names = numeric(frame)
    if not names:
        return frame
    key = pick(names, drawn)
    return frame.group_by(key, maintain_order=True).agg(pl.col(n).sum() for n in names if n != key)


others = st.one_of(
    st.tuples(st.just(_select), st.lists(small_ints, min_size=1, max_size=4)),
    st.tuples(
        st.sampled_from([_filter, _slice, _head, _tail, _with_columns, _join, _concat, _group]), small_ints
    ),
)
operations = st.one_of(
    st.tuples(st.just(apply), pipelines), st.tuples(st.just(apply), kernel_pipelines), others
)


@given(
    frame=numbered,
    queries=st.lists(operations, min_size=1, max_size=6),
    rows=st.sampled_from([3, 7, 64, 1000, 100_000]),
)
def test_a_query_gives_what_frames_give(frame, queries, rows):
    """Laws 1 to 4 and 6: rows and values are those of the eager road."""
    lazy, eager = frame.lazy(), frame
    before = frame.clone()
    for operation, drawn in queries:
        lazy, eager = operation(lazy, drawn), operation(eager, drawn)
    assert lazy.collect_schema() == eager.schema
    with pl.Config(streaming_chunk_size=rows):
        assert_frame_equal(lazy.collect(engine="streaming"), eager, check_exact=True)
    assert_frame_equal(lazy.collect(engine="in-memory"), eager, check_exact=True)
    assert_frame_equal(frame, before)
