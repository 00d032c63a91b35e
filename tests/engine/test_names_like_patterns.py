"""Columns whose names Polars takes for patterns, also in methods of a Series, are read as any other."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define

NUMBERS = pl.Series([3, None, 5])
CODES = pl.Series(["a", None, "b"], dtype=pl.Enum(["a", "b"]))
POINTS = pl.Series([{"p": 1}, None, {"p": 2}])
LISTS = pl.Series([[1, 2], None, [3]])
DAYS = pl.Series([dt.date(2020, 1, 1), None, dt.date(2020, 1, 2)])


def negated(x):
    return -x


def picky(x):
    if x > 4:
        raise ValueError("x is large")
    return x


def risen(x):
    return x[0] - x[-1]


def upper(x: str):
    return x.upper()


def code(x: int):
    return x


def of_point(x):
    return x.p


def length(x):
    return len(x)


def count(state, n):
    return state + n, state


def total(state, n):
    return state + n


def _plugin(target, form=Form.ROW, **options):
    return define(target, name=None, form=form, plugin_type=dfv.PluginType.TRANSFORMER, **options)


CASES = {
    "column kernel": (_plugin(negated, Form.COLUMN), NUMBERS),
    "failed rows": (_plugin(picky), NUMBERS),
    "neighbours": (_plugin(risen, lookback={"x": 1}), NUMBERS),
    "categories": (_plugin(upper), CODES),
    "codes": (_plugin(code), CODES),
    "structs": (_plugin(of_point), POINTS),
    "lists": (_plugin(length), LISTS),
}


@pytest.mark.parametrize("name", ["^x.*$", "*", "^$"])
@pytest.mark.parametrize("case", CASES)
def test_parameters(case, name):
    plugin, values = CASES[case]
    frame = pl.DataFrame({"first": [7, 8, 10], name: values})
    result = dfv.run(frame, plugin, x=name, output="out", on_error="null")
    usual = dfv.run(frame.rename({name: "x"}), plugin, output="out", on_error="null")
    assert result.frame["out"].equals(usual.frame["out"])
    assert result.errors.rows() == usual.errors.rows()
    lazy = frame.lazy().pipe(dfv.apply, plugin, x=name, output="out", on_error="null")
    assert lazy.collect()["out"].equals(usual.frame["out"])


@pytest.mark.parametrize("name", ["^x.*$", "*"])
@pytest.mark.parametrize("values", [NUMBERS, CODES, DAYS], ids=["numbers", "categories", "days"])
def test_keys(values, name):
    frame = pl.DataFrame({"n": [7, 8, 10], name: values})
    for plugin in (_plugin(count, Form.SCAN, init=0), _plugin(total, Form.REDUCE, init=0)):
        result = frame.pipe(dfv.apply, plugin, by=name, output="out")
        usual = frame.rename({name: "key"}).pipe(dfv.apply, plugin, by="key", output="out")
        assert result["out"].equals(usual["out"])


@pytest.mark.parametrize("name", ["^x.*$", "*"])
def test_groups(name):
    frame = pl.DataFrame({"key": [1, 1, 2], name: [3, None, 5]})
    aggregated = dfv.expr(_plugin(total, Form.REDUCE, init=0), name).alias("total")
    got = frame.group_by("key", maintain_order=True).agg(aggregated)
    assert got["total"].to_list() == [3, 5]
