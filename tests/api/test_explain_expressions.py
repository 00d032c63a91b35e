"""`dfv.explain` of expressions: what `dfv.fuse` compiles, what Polars keeps, and why."""

from __future__ import annotations

import polars as pl
import pytest

import dataflare_vec as dfv

SCHEMA = {"gross": pl.Float64, "tax": pl.Float64, "pieces": pl.Int64, "text": pl.String}

gross, tax, pieces, text = map(pl.col, SCHEMA)
net = (gross - tax).alias("net")
letters = text.str.replace_all("a", "b").str.len_chars()


def explain(*expressions, **options):
    return dfv.explain(list(expressions), SCHEMA, **options)


def test_the_tree_of_what_is_compiled():
    explained = explain(net, ((gross - tax) / gross).log().alias("margin"), always=True)
    assert [one.is_fused for one in explained.expressions] == [True, True]
    assert explained.expressions[0].tree == ("sub: Float64", "  gross: Float64", "  tax: Float64")
    assert explained.loops == 1
    assert explained.reads == ("gross", "tax")
    # Two columns in, two out; Polars reads two and writes one for a difference and a quotient, and has a log.
    assert (explained.bytes_fused, explained.bytes_polars) == (32, 24 + 24 + 16)
    assert "margin: compiled" in str(explained)
    assert "memory: 32 B/row, 64 with one operation at a time" in repr(explained)


def test_what_polars_computes_before():
    (one,) = explain((letters * pieces + 1).sqrt(), always=True).expressions
    assert one.is_fused
    assert len(one.by_polars) == 1
    assert "len_chars" in one.by_polars[0]
    assert "`StringExpr.LenChars` isn't compiled" in one.by_polars[0]
    (other,) = explain((letters.log() * pieces.fill_null(0).sum()).sqrt(), always=True).expressions
    assert other.is_fused
    assert "sum()" in "".join(other.tree)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        (net, "it isn't worth a loop"),
        (text.str.to_uppercase(), "something in it isn't known"),
        (gross.rank(), "doesn't see rows one by one"),
        (pl.lit(1).alias("one"), "reads no column"),
        (pl.all(), "doesn't see rows one by one"),
    ],
)
def test_what_polars_keeps(expression, reason):
    light = reason == "it isn't worth a loop"
    (one,) = explain(expression, always=not light).expressions
    assert not one.is_fused
    assert reason in one.reason


def test_aggregations():
    (one,) = explain((net * 2).sum(), always=True).expressions
    assert one.aggregation == "Sum"
    assert str(explain((net * 2).sum(), always=True)).startswith(
        "net: compiled, of which Polars computes the sum"
    )


def test_long_expressions_are_cut():
    long = gross
    for i in range(30):
        long = long * i + tax
    assert "more" in str(explain(long, always=True))


def test_one_expression_over_a_frame():
    df = pl.DataFrame({"gross": [1.0], "tax": [2.0]})
    assert dfv.explain(net, df, always=True).expressions[0].name == "net"
    assert dfv.explain(net, df.lazy(), always=True).expressions[0].is_fused


def test_columns_are_needed():
    with pytest.raises(dfv.ArgumentError, match="pass a frame, or a schema"):
        dfv.explain([net])
