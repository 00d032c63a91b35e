"""`dfv.fuse` of expressions in which something needs all rows: that is Polars', the rest is compiled."""

from __future__ import annotations

import logging
import pickle
from functools import partial

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from testing.sales import FOUR, cost, gross, net, pieces, sales, tax

fused = partial(dfv.fuse, always=True)

EXPRESSIONS = {
    "centred": (net - net.mean()) / tax.std(),
    "from 0 to 1": (gross - gross.min()) / (gross.max() - gross.min()),
    "share": cost / pl.len() + tax.count(),
    "whole": (pieces - pieces.min()) // pieces.max() % 7,
    "chosen": pl.when(gross > gross.median()).then(gross * 2).otherwise(gross.quantile(0.9) - cost),
    "filled": tax.fill_null(tax.mean()) * 2 + 1,
    "nothing": gross * tax.filter(tax > 100).max() - cost,
    "window": (gross - gross.max().over("key")) * 2 + cost.shift(1) - pieces.cum_sum() / 3,
    "text": pl.when(pl.col("text") == pl.col("text").first()).then(gross * 2).otherwise(gross - gross.max()),
    "square": (net - net.mean()) ** 2,
}


@pytest.fixture(scope="module")
def df():
    return sales(10_000)


@pytest.fixture(autouse=True)
def nothing_is_left(caplog):
    """Fail where a loop was made and Polars had to compute all the same."""
    caplog.set_level(logging.DEBUG, logger="dataflare_vec")
    yield
    assert "left to Polars" not in caplog.text


def test_results_are_those_of_polars(df):
    expressions = {**EXPRESSIONS, **FOUR}
    ours = fused(**expressions)
    assert all("python_udf" in str(one) for one in ours)
    assert_frame_equal(df.with_columns(ours), df.with_columns(**expressions), check_exact=True)
    for some in (df.head(1), df.head(0)):
        assert_frame_equal(some.with_columns(ours), some.with_columns(**expressions), check_exact=True)


def test_queries(df):
    ours = df.lazy().with_columns(fused(**EXPRESSIONS)).filter(pieces > 3).collect(engine="streaming")
    assert_frame_equal(ours, df.with_columns(**EXPRESSIONS).filter(pieces > 3))
    query = df.lazy().filter(pieces > 3).with_columns(**EXPRESSIONS)
    assert_frame_equal(query.pipe(fused).collect(), query.collect())
    assert "python_udf" not in query.pipe(fused).explain()  # where it would take longer
    assert "python_udf" not in str(dfv.fuse(**EXPRESSIONS))


def test_rows_are_kept(df):
    which = (gross - gross.mean()).abs() < tax.std() * 2
    assert_frame_equal(df.filter(fused(which)), df.filter(which))


def test_by_group(df):
    centred, shifted = EXPRESSIONS["centred"].alias("x"), (gross - gross.shift(1)) * 2
    groups = df.group_by("key", maintain_order=True)
    for one in (centred, shifted):
        assert_frame_equal(groups.agg(fused(one)), groups.agg(one))
        assert_frame_equal(df.select(fused(one).over("key")), df.select(one.over("key")))
    assert "python_udf" not in str(fused(centred.sum()))  # which Polars would call for each group


def test_other_values_are_not_compiled_again(df, caplog):
    scaled = fused(x=(gross - gross.min()) / gross.max() + cost)
    for rows in (9_000, 8_000, 7_000):
        some = df.head(rows)
        theirs = some.select(x=(gross - gross.min()) / gross.max() + cost)
        assert_frame_equal(some.select(scaled), theirs, check_exact=True)
    assert caplog.text.count("`expressions`: compiled") <= 1


def test_a_pickled_query_is_computed(df):
    query = pickle.loads(pickle.dumps(df.lazy().with_columns(fused(**EXPRESSIONS))))
    assert_frame_equal(query.collect(), df.with_columns(**EXPRESSIONS))


@pytest.mark.parametrize(
    "expression",
    [
        net.mean() / net.std(),
        gross * pl.when(pieces.max() > 3).then(1).otherwise(2),
        gross ** pieces.max(),
        gross + pl.lit(3).max(),
        gross.first() + (pl.lit(3) + 300) * pieces,
        gross.is_in(cost.implode()) & (tax > tax.mean()),
        gross.filter(tax > 3) - cost.mean(),
    ],
)
def test_what_depends_on_its_surroundings_is_left_alone(expression):
    assert fused(expression).meta.eq(expression)


def test_is_explained(df):
    explained = dfv.explain([EXPRESSIONS["from 0 to 1"].alias("x")], df.schema, always=True)
    (one,) = explained.expressions
    assert one.is_fused
    assert any("max()" in line and "min()" in line for line in one.tree)
