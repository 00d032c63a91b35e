"""A lazy query gives what the same operations give on a frame: in both engines, in batches of any size."""

from __future__ import annotations

import asyncio
import pickle

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st
from number_pipelines import KERNELS, apply, bound_to, define_plugin, numbered, numeric, pick, small_ints
from number_pipelines import PLUGINS as SIMPLE
from polars import selectors as cs
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form


def counted(a, b):
    return pl.sum_horizontal(pl.all().is_not_null(), pl.col("^.*$").is_not_null()).cast(pl.Float64)


def most(a, b):
    return pl.max_horizontal(cs.float() - cs.last(), a, pl.exclude("row", "x").is_null().cast(pl.Float64)) - b


def fields(a, b):
    seen = pl.struct(pl.all().name.suffix("!"), pl.nth(-1).alias("last")).map_batches(
        lambda column: pl.Series([len(column.struct.fields)] * len(column), dtype=pl.Float64),
        return_dtype=pl.Float64,
    )
    return seen + a


def anything(a, b):
    return pl.any_horizontal(cs.boolean(), b < 500)


def running(state, a, b):
    return state + a, state + b


def choosing(state, a, b: float | None):
    if a > 1000:
        raise ArithmeticError("a is huge")
    return state * 0.5 + a, None if b is None or b > 900 else state


def total(state, a, b):
    if b > 900:
        raise ValueError("b is large")
    return state * 0.5 + a - b


PLUGINS = [
    *SIMPLE,
    *(define_plugin(one, Form.EXPRESSION) for one in (counted, most, fields)),
    define_plugin(anything, Form.EXPRESSION, dfv.PluginType.FILTER),
    *(define_plugin(one, Form.SCAN, init=0.0) for one in (running, choosing)),
]
TOTAL = define_plugin(total, Form.REDUCE, dfv.PluginType.AGGREGATOR, init=0.0)
SEPARABLE = [plugin for plugin in PLUGINS if plugin.name in ("separable", "filled", "small")]


def _apply(frame, drawn):
    return apply(
        frame, drawn, lambda name: [*bound_to(name), pl.sum_horizontal(cs.float(), pl.all().is_null())]
    )


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


def _with_itself(frame, drawn):
    """Join two branches that both have plugins above what they have in common."""
    if not numeric(frame) or "row" not in frame.lazy().collect_schema() or "sum" in numeric(frame):
        return frame
    name = pick(numeric(frame), drawn)
    other = frame.pipe(dfv.apply, KERNELS[0], a=name, b=name, output="sum", on_error="null")
    other = other.unique("row", keep="first", maintain_order=True).select("row", "sum")
    return frame.join(other, on="row", how="left", maintain_order="left")


def _concat(frame, drawn):
    names = numeric(frame)
    if not names:
        return frame
    name = pick(names, drawn)
    twice = frame.pipe(dfv.apply, KERNELS[0], a=name, b=name, output=name, replace=True, on_error="null")
    return pl.concat([frame, twice.filter(pl.col(name) > 100)])


def _cache(frame, drawn):
    return frame.cache() if isinstance(frame, pl.LazyFrame) else frame


def _group(frame, drawn):
    names = numeric(frame)
    if not names:
        return frame
    key = pick(names, drawn)
    return frame.group_by(key, maintain_order=True).agg(pl.col(n).sum() for n in names if n != key)


steps = st.tuples(st.sampled_from(PLUGINS), small_ints, small_ints, small_ints, st.booleans(), st.booleans())
pipelines = st.tuples(
    st.lists(steps, min_size=1, max_size=4),
    st.sampled_from(["null", "drop"]),
    st.sampled_from([True, True, False]),
)
reduces = st.tuples(
    st.lists(steps, max_size=3).flatmap(
        lambda first: st.tuples(
            *map(st.just, first), st.tuples(st.just(TOTAL), *[small_ints] * 3, *[st.booleans()] * 2)
        )
    ),
    st.sampled_from(["null", "drop"]),
    st.just(True),
)
kernel_pipelines = st.tuples(
    st.lists(
        st.tuples(
            st.sampled_from([*KERNELS, *SEPARABLE]), *[small_ints] * 2, st.just(0), *[st.booleans()] * 2
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["null", "drop", "drop"]),
    st.just(True),
)
OTHERS = [_filter, _slice, _head, _tail, _with_columns, _join, _with_itself, _concat, _cache, _group]
others = st.one_of(
    st.tuples(st.just(_select), st.lists(small_ints, min_size=1, max_size=4)),
    st.tuples(st.sampled_from(OTHERS), small_ints),
)
operations = st.one_of(
    st.tuples(st.just(_apply), st.one_of(pipelines, pipelines, kernel_pipelines, kernel_pipelines, reduces)),
    others,
)


def _by_all(query, engine):
    first, second = pl.collect_all([query, query.select(pl.len())], engine=engine)
    assert second.item() == first.height
    return first


def _by_async(query, engine):
    async def collected():
        return await asyncio.gather(query.collect_async(engine=engine), query.collect_async(engine=engine))

    first, second = asyncio.run(collected())
    assert_frame_equal(first, second)
    return first


#: How a query is run.
WAYS = {
    "collect": lambda query, engine: query.collect(engine=engine),
    "collect_all": _by_all,
    "collect_async": _by_async,
    "collect_batches": lambda query, engine: pl.concat(
        [query.collect_schema().to_frame(), *query.collect_batches(chunk_size=7, engine=engine)]
    ),
    "pickle": lambda query, engine: pickle.loads(pickle.dumps(query)).collect(engine=engine),
}


@given(
    frame=numbered,
    queries=st.lists(operations, min_size=1, max_size=6),
    rows=st.sampled_from([3, 7, 64, 1000, 100_000]),
    way=st.sampled_from([*WAYS, "collect", "collect"]),
)
def test_a_query_gives_what_frames_give(frame, queries, rows, way):
    """Laws 1 to 4 and 6: rows and values are those of the eager road."""
    lazy, eager = frame.lazy(), frame
    before = frame.clone()
    for operation, drawn in queries:
        lazy, eager = operation(lazy, drawn), operation(eager, drawn)
    assert lazy.collect_schema() == eager.schema
    with pl.Config(streaming_chunk_size=rows):
        assert_frame_equal(WAYS[way](lazy, "streaming"), eager, check_exact=True)
    assert_frame_equal(WAYS[way](lazy, "in-memory"), eager, check_exact=True)
    assert_frame_equal(frame, before)


#: Steps of each kind that a query treats otherwise, in any order.
_KINDS = [plugin for plugin in PLUGINS if plugin.name in ("picky", "whole", "separable", "small", "running")]
long_pipelines = st.tuples(
    st.lists(
        st.tuples(st.sampled_from(_KINDS), *[small_ints] * 3, *[st.booleans()] * 2), min_size=4, max_size=8
    ),
    st.sampled_from(["null", "null", "drop"]),
    st.just(True),
)


_AFTER_EXPRESSIONS = [
    (plugin, 0, 1, 0, True, False)
    for name in ("picky", "whole", "separable", "whole")
    for plugin in _KINDS
    if plugin.name == name
]


@example(
    frame=pl.DataFrame({"row": [0, 1], "x": [950.0, 3.0], "y": [1000.0, 4.0]}),
    drawn=(_AFTER_EXPRESSIONS, "null", True),
    rows=7,
)
@given(frame=numbered, drawn=long_pipelines, rows=st.sampled_from([7, 1000]))
def test_a_long_pipeline_gives_what_frames_give(frame, drawn, rows):
    """A query has many nodes then: what failed in one is known in all after it."""
    lazy, eager = _apply(frame.lazy(), drawn), _apply(frame, drawn)
    assert lazy.collect_schema() == eager.schema
    with pl.Config(streaming_chunk_size=rows):
        assert_frame_equal(lazy.collect(engine="streaming"), eager, check_exact=True)
