"""A query whose plugins run natively gives what the same calls give on a frame, in both engines."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from number_pipelines import KERNELS, PLUGINS, apply, numbered, numeric, pick, small_ints

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form
from dataflare_vec.polars_plugin.linker import linker
from dataflare_vec.polars_plugin.targets import target_of
from testing.oracle import identical

try:
    linker(target_of(None))
except (dfv.BuildError, dfv.MissingDependencyError) as reason:
    pytest.skip(f"nothing is built here: {reason}", allow_module_level=True)

#: What there is a native expression for: none of those needs Python when the query runs.
NATIVE = [plugin for plugin in PLUGINS if plugin in KERNELS or plugin.form is Form.EXPRESSION]


def pipelines(*on_error, plugins=tuple(NATIVE), may_drop=True):
    kept = st.booleans() if may_drop else st.just(True)  # or a step that nothing reads wouldn't run
    step = st.tuples(st.sampled_from(plugins), small_ints, small_ints, small_ints, kept, st.booleans())
    return st.tuples(
        st.lists(step, min_size=1, max_size=4),
        st.sampled_from(on_error),
        st.sampled_from([True, True, False]),
    )


def before(frame, drawn):
    names = numeric(frame)
    return frame.filter(pl.col(pick(names, drawn)) < 600) if drawn % 3 == 0 else frame.slice(drawn % 5)


def collected(lazy, rows):
    with pl.Config(streaming_chunk_size=rows):
        return [lazy.collect(engine="streaming"), lazy.collect(engine="in-memory")]


@given(
    frame=numbered,
    first=pipelines("null", "drop"),
    second=pipelines("null", "drop"),
    drawn=small_ints,
    rows=st.sampled_from([3, 7, 64, 1000]),
    mixed=st.booleans(),
)
def test_a_native_query_gives_what_frames_give(frame, first, second, drawn, rows, mixed):
    """Laws 1 to 4 and 6, also beside a node of Python's in the same query."""
    lazy = before(frame.lazy(), drawn)
    lazy = apply(apply(lazy, first, native=True), second, native=not mixed)
    eager = apply(apply(before(frame, drawn), first), second)
    assert lazy.collect_schema() == eager.schema
    for got in collected(lazy, rows):
        assert identical(got, eager)
    names = eager.columns[::-2]
    for got in collected(lazy.select(names).slice(1, 20), rows):
        assert identical(got, eager.select(names).slice(1, 20))


@given(
    frame=numbered,
    drawn=pipelines("raise", plugins=KERNELS, may_drop=False),
    rows=st.sampled_from([3, 1000]),
)
def test_rows_that_fail_end_a_native_query_where_they_end_a_call(frame, drawn, rows):
    """No filter is asked of rows that one before has left out, though Polars joins predicates.

    Where several steps fail, Polars, which takes one after the other, may name another one than a call does.
    """
    drawn = *drawn[:2], True
    lazy = apply(frame.lazy(), drawn, native=True)
    try:
        eager = apply(frame, drawn)
    except dfv.RowError:
        names = "|".join(kernel.name for kernel, *_ in drawn[0])
        with pytest.raises(pl.exceptions.ComputeError, match=f"plugin `({names})`: row"):
            collected(lazy, rows)
        return
    for got in collected(lazy, rows):
        assert identical(got, eager)


@given(frame=numbered, kernel=st.sampled_from(KERNELS), how=st.sampled_from(["null", "struct"]))
def test_expressions_give_what_those_by_python_give(frame, kernel, how):
    """Whole, in groups, and over them; the schema is the frame's, or that of annotations and defaults."""
    key = pl.col("row") % 3
    ours = dfv.expr(kernel, "x", "y", on_error="null")
    for schema in (frame, frame.schema, frame.lazy(), None):
        native = dfv.expr(kernel, "x", "y", on_error=how, native=True, schema=schema)
        native = native.struct.field("value") if how == "struct" else native
        native = native.alias(kernel.name)
        assert identical(frame.select(native), frame.select(ours))
        assert identical(frame.select(native.over(key)), frame.select(ours))
        grouped = frame.group_by(key, maintain_order=True)
        assert identical(grouped.agg(native), grouped.agg(ours))
