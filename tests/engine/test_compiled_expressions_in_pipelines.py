"""Expression plugins beside row kernels: one loop with theirs, and what Polars gives."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv

NET = pl.col("gross") - pl.col("tax") * 1.5
ROWS = 3000


@pytest.fixture(scope="module", autouse=True)
def plugins():
    dfv.register("net", NET)
    dfv.register("year", pl.col("day").dt.year() + pl.col("gross").cast(pl.Int32, strict=False))
    dfv.register("strict", pl.col("gross").cast(pl.Int8) * 2)
    dfv.register("words", pl.col("text").str.len_chars() + pl.col("tax"))

    @dfv.plugin
    def share(net, cost):
        return net / cost if cost > 0.1 else 0.0

    @dfv.plugin
    def half(gross):
        return gross / 2

    @dfv.expression
    def scaled(gross, factor=2.0):
        return gross * factor + 1


@pytest.fixture(scope="module")
def df():
    random = np.random.default_rng(3)
    columns = {name: random.random(ROWS) * 100 for name in ("gross", "tax", "cost")}
    days = pl.Series(random.integers(-30_000, 30_000, ROWS)).cast(pl.Int32).cast(pl.Date)
    frame = pl.DataFrame({**columns, "day": days, "text": ["é" * (i % 5) for i in range(ROWS)]})
    return frame.with_columns(tax=pl.when(pl.col("tax") > 10).then("tax"))


def kinds(df, *plugins):
    return [stage.kind for stage in dfv.explain(list(plugins), df).stages]


def test_it_is_one_loop_with_its_neighbours(df):
    assert kinds(df, "net", "share") == ["compiled expression", "row kernel"]
    assert kinds(df, "net") == ["expression"]
    ours = df.pipe(dfv.apply, ["net", "share"])
    wanted = df.with_columns(net=NET)
    assert_frame_equal(ours.drop("share"), wanted, check_exact=True)


@pytest.mark.parametrize("name", ["net", "year", "words"])
def test_values_are_those_of_polars(df, name):
    alone = df.pipe(dfv.apply, name)
    assert_frame_equal(df.pipe(dfv.apply, ["half", name]).drop("half"), alone, check_exact=True)
    lazy = df.lazy().pipe(dfv.apply, ["half", name]).collect()
    assert_frame_equal(lazy.drop("half"), alone, check_exact=True)


def test_columns_that_are_called_otherwise(df):
    other = df.rename({"gross": "other"})
    ours = other.pipe(dfv.apply, [dfv.step("half", gross="other"), dfv.step("net", gross="other")])
    assert ours["net"].equals(df.select(net=NET)["net"])


def test_a_function_that_returns_the_expression(df):
    for factor in (2.0, 3.0):
        ours = df.pipe(dfv.apply, ["half", dfv.step("scaled", factor=factor)])
        assert ours["scaled"].equals(df.select(scaled=pl.col("gross") * factor + 1)["scaled"])
    assert kinds(df, "half", "scaled") == ["row kernel", "compiled expression"]


def test_what_may_fail_is_left_to_polars(df):
    assert kinds(df, "half", "strict") == ["row kernel", "expression"]


def test_metrics_are_counted_by_its_name(df):
    with dfv.PluginManager() as manager:
        df.pipe(dfv.apply, ["net", "share"], manager=manager)
        assert manager.get_metrics("net").total_processed == ROWS
