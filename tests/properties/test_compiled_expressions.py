"""Expressions compiled together give what Polars gives: values to the last bit, nulls, dtypes."""

from __future__ import annotations

from unittest import mock

import polars as pl
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.trees.reading import Unreadable
from dataflare_vec.definition.trees.viewed_query import Viewed
from dataflare_vec.engine.execution.fused_expressions import Compute, Loop, OneLoop, fused_columns
from dataflare_vec.engine.planning.fusion import Fusing
from dataflare_vec.polars_plugin.sites import calls_of, have_bridge
from testing.strategies import frames
from testing.trees import COLUMNS, of_all_rows, same, trees

# Of one row columns are constants to Polars: it divides by them in another way.
rows = st.integers(2, 130)

EACH = pl.QueryOptFlags(comm_subexpr_elim=False)
POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


def polars_can(df: pl.DataFrame, expression: pl.Expr) -> bool:
    """Whether Polars computes an expression, to a dtype that has values."""
    try:
        return df.select(expression.alias("x")).schema["x"] != pl.Null
    except POLARS_ERRORS:
        return False


@settings(phases=[Phase.explicit, Phase.generate])  # each smaller one is compiled for long
@given(frames(rows, **COLUMNS), st.lists(trees, min_size=6, max_size=6))
def test_results_are_those_of_polars(df, drawn):
    expressions = {f"e{i}": one for i, one in enumerate(drawn) if polars_can(df, one)}
    assume(expressions)
    fusion = Fusing(expressions, always=True).over(df.schema)
    assume(fusion.steps)
    loop = Loop(fusion, list(expressions), dfv.default_manager().runtime.unseen())
    try:
        found = loop({one.name: one for one in df}, len(df))
    except POLARS_ERRORS:  # of a part that Polars is to compute, and can't by itself
        assume(False)
    for ours in found:
        theirs = df.select(expressions[ours.name].alias("x")).to_series()
        if len(theirs) != len(df):  # a literal
            theirs = theirs.new_from_index(0, len(df))
        assert same(ours, theirs), (expressions[ours.name], fusion.nodes)


@settings(phases=[Phase.explicit, Phase.generate])
@given(frames(rows, **COLUMNS), st.lists(of_all_rows(), min_size=6, max_size=6))
def test_parts_that_need_all_rows(df, drawn):
    expressions = [one.alias(f"e{i}") for i, one in enumerate(drawn) if polars_can(df, one)]
    fused = fused_columns(expressions, dfv.default_manager().runtime, always=True, fewest_rows=0)
    try:
        theirs = df.with_columns(expressions)
        # What an expression has twice Polars computes once, and then may give it another dtype.
        once = df.lazy().with_columns(expressions).collect(optimizations=EACH)
    except POLARS_ERRORS:
        assume(False)
    ours = df.with_columns(fused)
    for one in expressions:
        name = one.meta.output_name()
        assert same(ours[name], theirs[name]) or same(ours[name], once[name]), str(one)


@given(frames(rows, **COLUMNS), st.lists(trees, min_size=8, max_size=8))
def test_queries_that_are_read_back_are_the_same(df, drawn):
    expressions = {f"e{i}": one for i, one in enumerate(drawn) if polars_can(df, one)}
    query = df.lazy().with_columns(**expressions)
    try:
        theirs = query.collect()
        rebuilt = Viewed(query)
    except (Unreadable, *POLARS_ERRORS):  # which it may raise of the whole, where it computes each by itself
        assume(False)
    (node,) = rebuilt.nodes()
    again = rebuilt.replaced({node.where: node.expressions}).collect()
    assert again.columns == theirs.columns
    for name in theirs.columns:
        assert same(again[name], theirs[name]), expressions[name]


def in_one_loop(df: pl.DataFrame, expressions: dict[str, pl.Expr]) -> bool:
    """Whether one loop computes all of them, and none may fail."""
    if not all(one.meta.root_names() for one in expressions.values()):
        return False
    compute = Compute(Fusing(expressions, always=True), dfv.default_manager().runtime, 0)
    return compute.one_loop([df.schema[name] for name in compute.names]) is not None


@settings(phases=[Phase.explicit, Phase.generate])
@given(
    frames(rows, **COLUMNS),
    st.lists(trees, min_size=6, max_size=6),
    st.sampled_from(["in-memory", "streaming"]),
)
def test_without_python_too(df, drawn, engine):
    if not have_bridge():
        pytest.skip("there is no linker")
    named = {f"e{i}": one for i, one in enumerate(drawn)}
    some = {name: one for name, one in named.items() if polars_can(df, one) and in_one_loop(df, {name: one})}
    assume(some and in_one_loop(df, some))
    expressions, runtime = [one.alias(name) for name, one in some.items()], dfv.default_manager().runtime
    fused = fused_columns(expressions, runtime, always=True, fewest_rows=0, calls=calls_of)
    with mock.patch.object(OneLoop, "is_at_hand", return_value=True):
        query = df.lazy().select(fused)
        plan = query.explain()
        assert "python_udf" not in plan
        assume(":compiled(" in plan)  # not of what `fused_columns` leaves as it is
        found = query.collect(engine=engine)
    for ours in found:
        theirs = df.select(some[ours.name].alias("x")).to_series()
        assert same(ours, theirs), some[ours.name]
