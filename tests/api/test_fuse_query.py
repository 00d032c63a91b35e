"""`lf.pipe(dfv.fuse)`: what becomes of a whole query, and that its results stay as they are."""

from __future__ import annotations

import logging
import re

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.trees.packed import Packed
from dataflare_vec.definition.trees.reading import Unreadable
from testing.sales import FOUR, cost, gross, net, pieces, sales, tax

ROWS = 20_000
ENGINES = ["in-memory", "streaming"]

WHICH = (gross > 20) & (tax < 9) & (net > cost) & (pieces % 3 != 1) & (net / (cost + 1) < 7)


@pytest.fixture(scope="module")
def df():
    return sales(ROWS)


@pytest.fixture(scope="module")
def path(df, tmp_path_factory):
    path = tmp_path_factory.mktemp("fuse") / "sales.parquet"
    df.write_parquet(path, row_group_size=5000)
    return path


@pytest.fixture(params=["file", "frame"])
def query(request, df, path):
    return pl.scan_parquet(path) if request.param == "file" else df.lazy()


def is_fused(query: pl.LazyFrame) -> bool:
    """Whether a query has a step of ours: Polars names the columns that a Python function gets."""
    return "struct.field_by_name" in query.explain()


def fused(query: pl.LazyFrame, **options: bool) -> pl.LazyFrame:
    found = query.pipe(dfv.fuse, **options)
    assert found.collect_schema() == query.collect_schema()
    assert is_fused(found)
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_columns(query, engine):
    query = query.with_columns(**FOUR, upper=pl.col("text").str.to_uppercase())
    ours, theirs = fused(query).collect(engine=engine), query.collect()
    assert_frame_equal(ours, theirs, check_exact=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_steps_of_all_kinds(query, engine):
    query = (
        query.with_columns(**FOUR)
        .filter(WHICH)
        .with_columns(pl.col("score").rank().alias("rank"))
        .sort("gross", "rank")
        .select("key", "text", "rank", x=(pl.col("net") * 2 - 1).log() * tax.sqrt(), total=net.sum())
        .unique(maintain_order=True)
        .head(1000)
    )
    assert_frame_equal(fused(query).collect(engine=engine), query.collect())


def test_aggregations_by_group(query):
    sums = {name: one.sum() for name, one in FOUR.items()}
    query = query.group_by("key").agg(pl.len(), **sums, most=(net * cost - tax).max()).sort("key")
    assert_frame_equal(fused(query).collect(), query.collect())


def test_joined_queries(query):
    rates = query.group_by("key").agg(factor=(net.log() * tax.sqrt()).mean())
    joined = query.with_columns(**FOUR).join(rates, on="key", maintain_order="left")
    assert_frame_equal(fused(joined).collect(), joined.collect())


def test_queries_put_together(query):
    query = query.with_columns(**FOUR, mean=net.mean().over("key"))
    both = pl.concat([query, query.filter(pl.col("score") > 10)])
    assert_frame_equal(fused(both).collect(), both.collect())  # a mean depends on threads in its last bits


@pytest.mark.parametrize("context", ["group_by_dynamic", "rolling"])
def test_windows(path, context):
    query = pl.scan_parquet(path).with_row_index("i").with_columns(pl.col("i").cast(pl.Int64)).head(2000)
    sizes = {"every": "50i"} if context == "group_by_dynamic" else {"period": "50i"}
    query = getattr(query, context)("i", **sizes).agg(**{name: one.sum() for name, one in FOUR.items()})
    assert_frame_equal(fused(query).collect(), query.collect())


def test_what_files_are_asked_stays(path):
    heavy = (net.log() * tax.sqrt()).tanh() < 0.99
    plan = fused(pl.scan_parquet(path).filter((pl.col("key") == 3) & heavy & tax.is_not_null())).explain()
    assert '(col("key") == 3)' in plan
    assert 'col("tax").is_not_null()' in plan


def test_what_does_not_pay_comes_back_as_it_is(query):
    light = query.with_columns(x=gross + 1).filter(pl.col("key") > 1)
    assert light.pipe(dfv.fuse) is light
    assert_frame_equal(fused(light, always=True).collect(), light.collect())


def test_what_may_fail_is_left(query):
    """Nothing reads it here, so Polars doesn't compute it."""
    failing = query.with_columns(**FOUR, small=(pieces * 1000).cast(pl.Int8) * 2 + 1)
    assert_frame_equal(fused(failing).select("net").collect(), failing.select("net").collect())
    with pytest.raises(pl.exceptions.InvalidOperationError, match="conversion"):
        fused(failing).collect()


def test_errors_are_those_of_polars(query):
    broken = query.with_columns(**FOUR, x=pl.col("missing") * gross).filter(WHICH)
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="missing"):
        broken.pipe(dfv.fuse).collect()
    again = query.with_columns(net.alias("x"), (net / 3).alias("x"), *FOUR.values())
    with pytest.raises(pl.exceptions.PolarsError, match="duplicate"):
        again.pipe(dfv.fuse, always=True).collect()


def test_python_in_a_query(query, caplog):
    caplog.set_level(logging.DEBUG, logger="dataflare_vec")
    seen = []
    called = query.with_columns(**FOUR).map_batches(lambda df: seen.append(len(df)) or df)
    assert called.pipe(dfv.fuse) is called
    assert re.search(r"a query is left to Polars: .*[pP]ython", caplog.text)
    assert_frame_equal(called.pipe(dfv.fuse).collect(), query.with_columns(**FOUR).collect())
    assert seen


def test_fused_before(query):
    once = fused(query.with_columns(**FOUR))
    assert once.pipe(dfv.fuse) is once


def test_a_query_comes_alone(query):
    with pytest.raises(dfv.ArgumentError, match="pass it alone"):
        dfv.fuse(query, net)
    with pytest.raises(dfv.ArgumentError, match="pass it alone"):
        dfv.fuse(query, x=net)


def test_other_things(df):
    with pytest.raises(dfv.ArgumentError, match=r"a LazyFrame, got DataFrame; write `df\.with_columns"):
        df.pipe(dfv.fuse)
    with pytest.raises(dfv.ArgumentError, match="got int"):
        dfv.fuse(3)


def test_long_values_are_skipped(path):
    """All forms of MessagePack that there are in a query: numbers, texts, lists and maps of any length."""
    values = [*range(70_000), 2**40, -(2**40)]
    texts = pl.col("text").is_in(["x" * length for length in (3, 40, 300, 70_000)])
    query = (
        pl.scan_parquet(path)
        .with_columns(pl.lit(-1.5).alias("y" * 50), x=pl.col("key").is_in(values), at=pl.lit(1e300))
        .with_columns([(gross * i).alias(f"x{i}") for i in range(300)])
        .filter(texts | (pieces > -3))
    )
    packed = Packed(query)
    nodes = list(packed.nodes())
    assert [node.kind for node in nodes] == ["HStack", "HStack", "Filter"]
    assert [len(node.expressions) for node in nodes] == [3, 300, 1]
    same = packed.replaced({node.where: node.expressions for node in nodes})
    assert_frame_equal(same.head(10).collect(), query.head(10).collect())


def test_another_format(monkeypatch, path):
    query = pl.scan_parquet(path).with_columns(**FOUR)
    for data in (b"", b"DSL_VERSION", b"DSL_VERSION" + b"\xff" * 100, query.serialize()[:200]):
        monkeypatch.setattr(pl.LazyFrame, "serialize", lambda *_, data=data, **__: data)
        with pytest.raises(Unreadable):
            list(Packed(query).nodes())
        assert query.pipe(dfv.fuse) is query
