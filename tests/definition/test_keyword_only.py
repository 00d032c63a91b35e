"""Parameters given by name only, in plugins of all forms: rows that fail do so as the function does."""

from __future__ import annotations

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, PluginType, define
from testing.oracle import check

FRAME = pl.DataFrame({"a": [1, 2, None, 4], "b": [3, 4, 5, 6]})


def row(a, *, b, k=2):
    if a > 3:
        raise ValueError("large")
    return a * 10 + b * k


def scan(state, *, a, b):
    if a > 3:
        raise ValueError("large")
    return state + a, state * b


def reduce(state, *, a, b):
    if a > 3:
        raise ValueError("large")
    return state + a * b


def explode(*, a, b):
    if a > 3:
        raise ValueError("large")
    return [b] * a


def column(a, *, b):
    return a + b


def expression(*, a, b, k=2):
    return a * k + b


FORMS = {scan: Form.SCAN, reduce: Form.REDUCE, column: Form.COLUMN, expression: Form.EXPRESSION}


def plugin(function, kind=PluginType.TRANSFORMER, **about):
    return define(function, name=None, plugin_type=kind, form=FORMS.get(function, Form.ROW), **about)


@pytest.mark.parametrize("fallback", [None, "python"])
def test_rows(fallback):
    made = plugin(row, fallback=fallback)
    check(made, FRAME)
    found = dfv.run(FRAME, made, on_error="null", keep=False)
    assert found.frame["row"].to_list() == [16, 28, None, None]
    assert found.errors["message"].to_list() == ["large"]


@pytest.mark.parametrize(
    ("made", "values"),
    [
        (plugin(scan, init=0), [0, 4, None, None]),
        (plugin(reduce, init=0, merge=lambda one, other: one + other), [11]),
        (plugin(explode, PluginType.EXPLODER), [3, 4, 4, None]),
    ],
    ids=["scan", "reduce", "explode"],
)
def test_rows_that_fail_say_why(made, values):
    found = dfv.run(FRAME, made, on_error="null", keep=False)
    assert found.errors["message"].to_list() == ["large"]
    assert found.frame[made.name].to_list() == values


@pytest.mark.parametrize(("made", "values"), [(column, [4, 6, None, 10]), (expression, [5, 8, None, 14])])
def test_whole_columns(made, values):
    made = plugin(made)
    assert dfv.apply(FRAME, made)[made.name].to_list() == values


def test_a_kernel_that_is_not_compiled():
    def shown(*, a, b):
        return str({a: b})

    made = plugin(shown, fallback="python", returns=pl.String)
    with pytest.warns(dfv.InterpretedWarning):
        assert dfv.apply(FRAME, made)["shown"].to_list() == ["{1: 3}", "{2: 4}", None, "{4: 6}"]
