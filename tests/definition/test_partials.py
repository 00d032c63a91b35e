"""A `functools.partial` as a plugin: what it binds are constants, and all else is the function's."""

from __future__ import annotations

import pickle
from functools import partial

import numba
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, PluginType, define
from testing.oracle import check

FRAME = pl.DataFrame({"a": [1.5, None, -3.0, 8.0], "b": [2, 4, None, 6], "s": ["x", "y", "é", None]})
RATES = {"x": 2.5, "é": 4.0}


def spread(a, b, /, factor=2, *, least=-10.0):
    """Return a weighted difference."""
    return max(a * factor - b, least)


def rated(rates, s: str, a):
    return rates[s] * a


def named(a, b, s: str | None = "none"):
    return f"{a}{b}{s}"


def plugin(function, form=Form.ROW, **about):
    return define(function, name=None, form=form, plugin_type=PluginType.TRANSFORMER, **about)


def around(limit):
    def within(a, below):
        return limit if a > limit else a + below

    return within


@numba.njit
def jitted(a, k):
    return a * k + 1


BOUND = {
    "by name": (partial(spread, least=0.0), ["a", "b"]),
    "by place": (partial(spread, 3.0), ["b"]),
    "the last one": (partial(spread, factor=5), ["a", "b"]),
    "twice": (partial(partial(spread, 1.0), factor=4, least=1.0), ["b"]),
    "a table": (partial(rated, RATES), ["s", "a"]),
    "text in front": (partial(named, b="é", s="-"), ["a"]),
    "of a closure": (partial(around(2.0), below=0.5), ["a"]),
}


@pytest.mark.parametrize(("function", "columns"), BOUND.values(), ids=BOUND)
def test_it_computes_what_the_partial_function_does(function, columns):
    made = plugin(function)
    assert [parameter.name for parameter in made.parameters if parameter.is_column] == columns
    check(made, FRAME)
    given = dict(zip(columns, FRAME.select(columns).row(0), strict=True))
    positional = [given.pop(one) for one in columns if one in ("a", "b") and function.func is spread]
    found = dfv.run(FRAME.head(1), made, keep=False).frame.item()
    assert found == function(*positional, **given)


def test_of_a_compiled_function():
    made = dfv.register("jitted_twice", partial(jitted, k=2.0), replace=True)
    assert dfv.apply(FRAME, made)["jitted_twice"].to_list() == [4.0, None, -5.0, 17.0]


def test_it_is_named_and_told_as_its_function():
    made = plugin(partial(spread, factor=7))
    assert repr(made) == "<row kernel `spread(a, b, factor=7, least=-10.0)`>"
    assert made.info.description == "Return a weighted difference."


def test_of_a_plugin():
    made = dfv.register("of_a_plugin", partial(plugin(spread), factor=7), replace=True)
    assert made.shown_parameters() == ["a", "b", "factor=7", "least=-10.0"]


def test_what_is_bound_may_be_given_again():
    made = plugin(partial(spread, factor=7))
    row = FRAME.head(1)
    assert dfv.apply(row, made, factor=2, output="c")["c"].to_list() == [1.0]


def test_of_a_state():
    def running(state, a, weight):
        state += a * weight
        return state, state

    made = plugin(partial(running, weight=2.0), form=Form.SCAN, init=0.0)
    assert dfv.apply(FRAME, made, output="sum")["sum"].to_list() == [3.0, None, -3.0, 13.0]


def test_it_can_be_pickled():
    made = pickle.loads(pickle.dumps(plugin(partial(spread, factor=7))))
    assert made.shown_parameters() == ["a", "b", "factor=7", "least=-10.0"]
    check(made, FRAME)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (partial(spread, 1, 2, 3, 4), "what it binds doesn't fit `\\(a, b, /, .*too many positional"),
        (partial(spread, nothing=1), "unexpected keyword argument 'nothing'"),
        (partial(jitted, 1.0, 2.0), "it reads no column"),
        (partial(max, 1), "got builtin_function_or_method"),
    ],
)
def test_what_does_not_fit_is_told(function, reason):
    with pytest.raises(dfv.PluginDefinitionError, match=reason):
        dfv.register("wrong", function)
