"""Expressions compiled together give what Polars gives: values to the last bit, nulls, dtypes."""

from __future__ import annotations

import polars as pl
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.trees.reading import Unreadable
from dataflare_vec.definition.trees.viewed_query import Viewed
from dataflare_vec.engine.execution.fused_expressions import Loop
from dataflare_vec.engine.planning.fusion import Fusing
from testing.strategies import frames
from testing.trees import COLUMNS, same, trees

# Of one row columns are constants to Polars: it divides by them in another way.
rows = st.integers(2, 130)


def polars_can(df: pl.DataFrame, expression: pl.Expr) -> bool:
    """Whether Polars computes an expression, to a dtype that has values."""
    try:
        return df.select(expression.alias("x")).schema["x"] != pl.Null
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
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
    except pl.exceptions.PolarsError:  # of a part that Polars is to compute, and can't by itself
        assume(False)
    for ours in found:
        theirs = df.select(expressions[ours.name].alias("x")).to_series()
        if len(theirs) != len(df):  # a literal
            theirs = theirs.new_from_index(0, len(df))
        assert same(ours, theirs), (expressions[ours.name], fusion.nodes)


@given(frames(rows, **COLUMNS), st.lists(trees, min_size=8, max_size=8))
def test_queries_that_are_read_back_are_the_same(df, drawn):
    expressions = {f"e{i}": one for i, one in enumerate(drawn) if polars_can(df, one)}
    query = df.lazy().with_columns(**expressions)
    try:
        rebuilt = Viewed(query)
    except Unreadable:
        assume(False)
    (node,) = rebuilt.nodes()
    again = rebuilt.replaced({node.where: node.expressions}).collect()
    theirs = query.collect()
    assert again.columns == theirs.columns
    for name in theirs.columns:
        assert same(again[name], theirs[name]), expressions[name]
