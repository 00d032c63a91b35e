"""`explain` of a lazy query: its nodes, and what they read and compute."""

from __future__ import annotations

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def double(x):
    return 2 * x


def plus(a, b):
    return a + b


def even(y):
    return y % 2 == 0


def running(state, x):
    return state + x, state


def _plugin(target, form=Form.ROW, kind=dfv.PluginType.TRANSFORMER, **options):
    return define(target, name=target.__name__, form=form, plugin_type=kind, **options)


DOUBLE, PLUS, EVEN = _plugin(double), _plugin(plus), _plugin(even, kind=dfv.PluginType.FILTER)
LAZY = pl.LazyFrame({"x": [1, 2], "y": [3, 4], "z": [5, 6]})


def test_what_is_fused_read_and_run():
    query = LAZY.pipe(dfv.apply, DOUBLE).pipe(dfv.apply, PLUS, a="double", b="y")
    (node,) = dfv.explain(query.select("plus")).nodes
    assert node.steps == ("row kernel double(x) → double", "row kernel plus(double, y) → plus")
    assert (node.not_run, node.reads, node.gives) == ((), ("x", "y"), ("plus",))
    (node,) = dfv.explain(query.select("double", "z")).nodes
    assert node.not_run == ("row kernel plus(double, y) → plus",)
    assert (node.reads, node.gives) == (("x",), ("double",))
    (node,) = dfv.explain(query.pipe(dfv.apply, EVEN).select("z")).nodes
    assert node.steps == ("filter even(y) → rows to keep",)
    assert (node.reads, node.gives) == (("y",), ())
    assert dfv.explain(query.select("z")).nodes == ()


def test_why_steps_are_apart():
    first = LAZY.pipe(dfv.apply, DOUBLE, on_error="null")
    explained = dfv.explain(first.pipe(dfv.apply, PLUS, a="double", b="y"))
    assert [node.gives for node in explained.nodes] == [("double",), ("plus",)]
    assert [bool(node.reason) for node in explained.nodes] == [False, True]
    shifted = dfv.step(PLUS, a=pl.col("double").shift(1), b="y")
    explained = dfv.explain(LAZY.pipe(dfv.apply, [DOUBLE, shifted]))
    assert "`plus` reads an expression" in explained.nodes[1].reason
    assert "apart    from the steps before: `plus` reads an expression" in str(explained)


def test_where_expressions_are_computed():
    net = dfv.step(dfv.expression(lambda double, y: double - y, name="net", replace=True))
    above = dfv.expression(pl.col("x") > 0, name="above_0", replace=True)
    query = LAZY.pipe(dfv.apply, [above, DOUBLE, net, dfv.step(PLUS, a="double", b="z")])
    (node,) = dfv.explain(query).nodes
    assert node.beside == ("above_0(x) → above_0, below the node", "net(double, y) → net, above the node")
    assert node.reads == ("x", "z")
    assert "beside   net(double, y) → net, above the node, by Polars" in str(dfv.explain(query))
    (node,) = dfv.explain(LAZY.pipe(dfv.apply, [DOUBLE, net], on_error="null")).nodes
    assert node.steps == ("row kernel double(x) → double", "expression net(double, y) → net")
    explained = dfv.explain(LAZY.pipe(dfv.apply, [DOUBLE, net, dfv.step(PLUS, a="net", b="y")]))
    assert [node.reason for node in explained.nodes] == [
        "",
        "Polars computes `net` between them, which `plus` reads",
    ]


def test_what_takes_rows_in_order():
    scan = _plugin(running, Form.SCAN, init=0)
    explained = dfv.explain(LAZY.pipe(dfv.apply, scan).pipe(dfv.apply, DOUBLE))
    assert explained.in_order == ("`running`, in the order of the rows",)
    assert explained.nodes[0].gives == ("double",)
    assert "source: `running`, in the order of the rows" in str(explained)


def test_what_is_below_what_takes_rows_in_order():
    scan = _plugin(running, Form.SCAN, init=0)
    last = dfv.step(scan, x=pl.col("double").shift(1))
    explained = dfv.explain(LAZY.pipe(dfv.apply, [DOUBLE, last, dfv.step(PLUS, a="running", b="y")]))
    assert explained.in_order == ("`running`, `plus`, in the order of the rows",)
    (below,) = explained.below
    assert below.nodes[0].steps == ("row kernel double(x) → double",)
    assert "  of the rows of:\n    node 1: fused" in str(explained)


def test_a_query_stands_alone():
    with pytest.raises(dfv.ArgumentError, match="pass it alone"):
        dfv.explain(LAZY, {"x": pl.Int64})
