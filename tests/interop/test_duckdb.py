"""Plugins as functions of DuckDB."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def share(x: int, whole: int, scale: float = 1.0) -> float:
    return scale * (x // whole)


def two(x):
    return x + 1.0, x > 0.0


def or_else(x: float | None, other: float) -> float:
    return other if x is None else x


def positive(x):
    return x > 0


def row_kernel(function, **about):
    plugin_type = dfv.PluginType.FILTER if function is positive else dfv.PluginType.TRANSFORMER
    return define(function, name=function.__name__, form=Form.ROW, plugin_type=plugin_type, **about)


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        yield connection


def test_it_computes_what_apply_computes(connection):
    frame = pl.DataFrame({"x": range(10_000), "whole": [7, 3] * 5_000})
    plugin = row_kernel(share)
    dfv.duckdb.register(connection, plugin, scale=2.0)
    rows = connection.sql("select share(x, whole) as share from frame").fetchall()
    assert [row[0] for row in rows] == dfv.apply(frame, plugin, scale=2.0)["share"].to_list()


def test_nulls(connection):
    for function in (share, or_else):
        dfv.duckdb.register(connection, row_kernel(function))
    assert connection.execute("select share(null, 1), share(6, 3)").fetchall()[0] == (None, 2.0)
    assert connection.execute("select or_else(null, 5), or_else(4, 5)").fetchall()[0] == (5.0, 4.0)


def test_several_outputs_and_filters(connection):
    dfv.duckdb.register(connection, row_kernel(two))
    dfv.duckdb.register(connection, row_kernel(positive), name="is_positive", types={"x": pl.Int64})
    assert connection.execute("select two(1).two_0, two(-1).two_1").fetchall()[0] == (2.0, False)
    query = "select x from (values (1), (-2), (null), (3)) as t(x) where is_positive(x)"
    assert connection.sql(query).fetchall() == [(1,), (3,)]


def test_types_come_back(connection):
    plugin = row_kernel(later, returns="when")
    dfv.duckdb.register(connection, plugin, types={"when": pl.Datetime("us", "Europe/Berlin")})
    (kind,) = connection.sql("select later('2026-11-24 12:00:00+00'::timestamptz)").types
    assert str(kind) == "TIMESTAMP WITH TIME ZONE"
    query = "select later('2026-11-24 12:00:00+00'::timestamptz) - '2026-11-24 12:00:00+00'::timestamptz"
    assert connection.execute(query).fetchall()[0][0].total_seconds() == 1


def later(when):
    return when + 1_000_000


def test_expressions(connection):
    dfv.duckdb.register(connection, dfv.register("net_value", pl.col("gross") - pl.col("tax"), replace=True))
    assert connection.execute("select net_value(5, 2)").fetchall()[0] == (3.0,)


def test_failed_rows(connection):
    plugin = row_kernel(share)
    dfv.duckdb.register(connection, plugin)
    with pytest.raises(duckdb.Error, match=r"plugin `share`: 1 of 1 rows failed.*ZeroDivisionError"):
        connection.sql("select share(1, 0)").fetchall()
    dfv.duckdb.register(connection, plugin, name="share_or_null", on_error="null")
    assert connection.execute("select share_or_null(1, 0), share_or_null(4, 2)").fetchall()[0] == (None, 2.0)


def test_mistakes(connection):
    with pytest.raises(dfv.PluginNotFoundError, match="plugin `haversin` not found"):
        dfv.duckdb.register(connection, "haversin")
    with pytest.raises(
        dfv.BindingError, match="`types` has `y`, which is not a column it reads; available: `x`"
    ):
        dfv.duckdb.register(connection, row_kernel(two), types={"y": pl.Int64})
    with pytest.raises(dfv.BindingError, match="`x` must be bound to a number, got a column"):
        dfv.duckdb.register(connection, row_kernel(two), x="other")
    with pytest.raises(ValueError, match="a function can't drop rows"):
        dfv.duckdb.register(connection, row_kernel(two), on_error="drop")
    centred = dfv.register("centred", pl.col("x") - pl.col("x").mean(), replace=True)
    with pytest.raises(dfv.BindingError, match="needs all rows at once"):
        dfv.duckdb.register(connection, centred)


@pytest.mark.parametrize("form", [Form.SCAN, Form.REDUCE])
def test_what_carries_a_state_is_refused(connection, form):
    def kernel(state, x):
        return (state + x, state) if form is Form.SCAN else state + x

    kind = dfv.PluginType.AGGREGATOR if form is Form.REDUCE else dfv.PluginType.TRANSFORMER
    plugin = define(kernel, name="kernel", form=form, plugin_type=kind, init=0.0)
    with pytest.raises(
        dfv.BindingError, match="`kernel`: it carries a state from row to row, and DuckDB calls"
    ):
        dfv.duckdb.register(connection, plugin)
