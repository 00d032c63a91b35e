"""What is made once for expressions that say the same of a plugin, in each context of a query."""

from __future__ import annotations

import math

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.compiler.remembered import remembered

FRAME = pl.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
LIMIT = 1.0


def test_expressions_that_say_the_same_are_planned_once(plans, scaled):
    """Whatever the columns come from; in each context."""
    for source in ("a", "b", pl.col("a"), pl.col("a") + pl.col("b"), dfv.expr(scaled, "a")):
        expected = FRAME.select(x=source).to_series() * 3.0 + 1
        expression = dfv.expr(scaled, source, factor=3.0)
        assert FRAME.select(expression).to_series().to_list() == expected.to_list()
        assert FRAME.with_columns(x=expression)["x"].to_list() == expected.to_list()
        groups = FRAME.group_by("b", maintain_order=True).agg(expression.first())
        assert groups["scaled"].to_list() == expected.to_list()
        assert FRAME.select(expression.over("b")).to_series().to_list() == expected.to_list()
    assert len(plans) == 2  # of both factors


def test_states_of_groups_are_planned_once(plans):
    summed = dfv.reduce(lambda total, x: total + x, init=0.0, name="summed", replace=True)
    running = dfv.scan(lambda total, x: (total + x, total + x), init=0.0, name="running", replace=True)
    for name in "abab":
        wanted = FRAME[name].to_list()
        groups = FRAME.group_by("b", maintain_order=True).agg(dfv.expr(summed, name), dfv.expr(running, name))
        assert groups["summed"].to_list() == wanted
        assert groups["running"].list.first().to_list() == wanted
        assert FRAME.select(dfv.expr(running, name).over("b")).to_series().to_list() == wanted
    assert len(plans) == 2


@pytest.mark.parametrize(("first", "then"), [(1, 1.0), (True, 1), (0.0, -0.0), (-0.0, 0), (math.nan, 2.0)])
def test_expressions_that_say_something_else_are_told_apart(first, then):
    @dfv.plugin(replace=True)
    def told_in_query(n, given=1):
        return n * given

    @dfv.filter(replace=True)
    def all_but(n, given=1):
        return n != given

    whole = pl.DataFrame({"n": [1, -1]})
    for given in (first, then, first):
        for plugin in (told_in_query, all_but):
            result = whole.select(dfv.expr(plugin, "n", given=given)).to_series()
            wanted = [plugin(n, given) for n in whole["n"]]
            assert result.dtype == pl.Series(wanted).dtype
            assert list(map(repr, result)) == list(map(repr, wanted))


def test_a_number_in_place_of_a_column_is_told_apart():
    @dfv.plugin(replace=True)
    def less(a, b):
        return a - b

    for _ in range(2):
        assert FRAME.select(dfv.expr(less, "a", "b")).to_series().to_list() == [-2.0, -2.0]
        assert FRAME.select(dfv.expr(less, "a", 1.0)).to_series().to_list() == [0.0, 1.0]
        assert FRAME.select(dfv.expr(less, 1.0, "a")).to_series().to_list() == [0.0, -1.0]


def test_dtypes_take_turns_in_expressions(scaled):
    narrow = FRAME.cast(pl.Float32)
    for _ in range(2):
        for frame in (FRAME, narrow, FRAME.cast(pl.Int16)):
            both = frame.lazy().select(dfv.expr(scaled, "a"), dfv.expr(scaled, pl.col("b") * 1.5).alias("c"))
            assert both.collect_schema() == both.collect().schema
            assert_frame_equal(
                both.collect(), pl.DataFrame({"scaled": [3.0, 5.0], "c": [10.0, 13.0]}), check_dtypes=False
            )
    assert FRAME.select(dfv.expr(scaled, "a")).to_series().dtype == pl.Float64
    assert narrow.select(dfv.expr(scaled, "a")).to_series().dtype == pl.Float32


def test_a_global_that_changes_is_seen_by_expressions(monkeypatch):
    @dfv.filter(replace=True)
    def above(a):
        return a > LIMIT

    @dfv.plugin(replace=True)
    def limit(a):
        return a * 0 + LIMIT

    def answers():
        return FRAME.select(dfv.expr(above, "a"), dfv.expr(limit, "a"))

    assert answers().rows() == [(False, 1.0), (True, 1.0)]
    monkeypatch.setitem(globals(), "LIMIT", 0)
    assert answers().rows() == [(True, 0.0), (True, 0.0)]
    assert answers().dtypes == [pl.Boolean, pl.Float64]
    dfv.register("limit", lambda a: "none", replace=True)
    assert FRAME.select(dfv.expr("limit", "a")).to_series().to_list() == ["none", "none"]


def test_few_uses_are_remembered(scaled):
    for i in range(200):
        assert FRAME.select(dfv.expr(scaled, "a", factor=float(i))).to_series().to_list() == [
            i + 1,
            2 * i + 1,
        ]
    assert len(remembered(scaled).uses) <= 64
