"""Constants of text in the tuples that kernels return: types alone to Numba, values in a column."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import check, plugin

PAIR = ("EUR", "größe")


class Money(NamedTuple):
    currency: str | None
    amount: int | None


def number_first(x, s):
    return 1, "a", x


def unlike_texts(x, s):
    if x == 1:
        return x, "a", b"a"
    if x == 2:
        return x, "é", b""
    return x, s.upper(), b"xyz"


def sometimes_none(x, s):
    if x == 1:
        return None
    return (None, "b") if x == 2 else (x, None)


def named(x, s):
    if x == 1:
        return Money("EUR", x * 100)
    return Money(None, x) if x == 2 else Money("größe", None)


def named_or_none(x, s):
    return None if x == 1 else Money("EUR", 3)


def of_a_global(x, s):
    return PAIR[0], PAIR[1], x


def a_whole_global(x, s):
    return PAIR


def lists(x, s):
    return x, ["a", s], [b"b"]


def nested(x, s):
    return "a", Money("EUR" if x > 1 else "größe", x)


def through_a_variable(x, s):
    pair = (x, "a")
    if x > 1:
        pair = (x, "é")
    return pair


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return pl.DataFrame({"x": [1, 2, 3], "s": ["a", "é", "z"], "k": ["a", "b", "a"]})


@pytest.mark.parametrize(
    "function",
    [
        number_first,
        unlike_texts,
        sometimes_none,
        named,
        named_or_none,
        of_a_global,
        a_whole_global,
        lists,
        nested,
        through_a_variable,
    ],
)
def test_rows(frame, function):
    assert check(plugin(function), frame).error_count == 0


@pytest.mark.parametrize("form", ["named", "plain"])
def test_declared_struct(frame, form):
    function = (lambda x: Money("EUR", x)) if form == "named" else (lambda x: ("EUR", x))
    dtype = pl.Struct({"currency": pl.String, "amount": pl.Int32})
    plugin = dfv.plugin(function, name="money", returns=dtype, replace=True)
    out = frame.pipe(dfv.apply, plugin)["money"]
    assert out.dtype == dtype
    assert out.to_list() == [{"currency": "EUR", "amount": x} for x in (1, 2, 3)]


@pytest.mark.parametrize("by", [None, "k"])
def test_scan(frame, by):
    def running(total, x):
        return total + x, (("a", total) if x > 1 else ("é", total))

    out = dfv.run(frame, dfv.scan(running, init=0, replace=True), by=by, keep=False).frame
    assert out.rows() == [("é", 0), ("a", 1), ("a", 3)] if by is None else [("é", 0), ("a", 0), ("a", 1)]


def test_finish(frame):
    def finish(total):
        return "sum", ["a", "b"], total

    plugin = dfv.reduce(lambda total, x: total + x, init=0, finish=finish, name="total", replace=True)
    assert dfv.run(frame, plugin).frame.rows() == [("sum", ["a", "b"], 6)]
    plugin = dfv.reduce(
        lambda total, x: total + x, init=0, finish=lambda t: Money("EUR", t), name="total", replace=True
    )
    assert dfv.run(frame, plugin).frame.rows() == [("EUR", 6)]
