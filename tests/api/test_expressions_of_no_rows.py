"""Plugins as expressions over frames without rows, beside one value for all of them."""

from __future__ import annotations

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def scaled(x, y):
    return x * y


def running(state, x, y):
    return state + x * y, state + x * y


def total(state, x, y):
    return state + x * y


def merge(a, b):
    return a + b


def _define(function, form, **about):
    return define(
        function, name=function.__name__, form=form, plugin_type=dfv.PluginType.TRANSFORMER, **about
    )


SCALED = _define(scaled, Form.ROW)
RUNNING = _define(running, Form.SCAN, init=0.0)
TOTAL = _define(total, Form.REDUCE, init=0.0, merge=merge)
EMPTY = pl.DataFrame(schema={"key": pl.Int64, "x": pl.Float64})

QUERIES = {
    "select": lambda lazy, expr: lazy.select(expr),
    "groups": lambda lazy, expr: lazy.group_by("key").agg(expr),
    "over": lambda lazy, expr: lazy.select(expr.over("key")),
}


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("plugin", [SCALED, RUNNING, TOTAL], ids=lambda plugin: plugin.name)
def test_one_value_for_no_rows(plugin, query, engine):
    for y in (pl.lit(2.0), pl.lit(pl.Series([2.0]))):
        got = QUERIES[query](EMPTY.lazy(), dfv.expr(plugin, "x", y)).collect(engine=engine)
        # What a reduce makes of no rows at all is one row: its state as it begins.
        assert got.height == (plugin is TOTAL and query == "select")


def test_a_key_for_all_rows():
    assert EMPTY.select(dfv.expr(RUNNING, "x", pl.lit(2.0), by=pl.lit(1))).height == 0


def test_groups_with_and_without_one_value():
    df = pl.DataFrame({"key": [1, 2, 1], "x": [1.0, 2.0, 3.0]})
    sums = df.group_by("key", maintain_order=True).agg(dfv.expr(TOTAL, "x", pl.lit(2.0)))
    assert sums["total"].to_list() == [8.0, 4.0]
    assert df.select(dfv.expr(RUNNING, "x", pl.lit(2.0)).over("key"))["running"].to_list() == [2.0, 4.0, 8.0]
