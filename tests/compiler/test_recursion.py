"""Helpers that call themselves: right up to Python's limit, and a RecursionError for the row beyond."""

from __future__ import annotations

import math

import numba
import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import interpret, plugin

FRAME = pl.DataFrame({"x": [5, 10, 850, 5000, 20]})


def product(n):
    return 1 if n < 2 else n % 7 * product(n - 1) % 1009


@numba.njit
def compiled_product(n):
    return 1 if n < 2 else n % 7 * compiled_product(n - 1) % 1009


def even(n):
    return True if n == 0 else odd(n - 1)


def odd(n):
    return False if n == 0 else even(n - 1)


def in_place_of_a_loop(n):
    return 0 if n == -1 else in_place_of_a_loop(n - 1)


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def fails_deep_down(n):
    if n == 0:
        raise ValueError("zero")
    return 1 if n == 77 else fails_deep_down(n - 1)


def caught_often(x):
    caught = 0
    for _ in range(2000):
        try:
            caught += fails_deep_down(2)
        except Exception:
            caught += 1
    return caught + product(x)


def text_of(n):
    return "" if n == 0 else text_of(n - 1) + "x"


@numba.njit
def runaway(n):
    return 0 if n == -1 else 1 + runaway(n + 1)


@pytest.mark.parametrize(
    "kernel",
    [
        lambda x: product(x),
        lambda x: even(x),
        lambda x: in_place_of_a_loop(x),
        lambda x: fibonacci(x % 20),
        lambda x: len(text_of(x)),
        caught_often,
    ],
)
def test_as_in_python(kernel):
    recursive = plugin(kernel, name="recursive")
    outcome = dfv.run(FRAME, recursive, keep=False)
    wanted = [outcome.value for outcome in interpret(recursive, FRAME.iter_rows())]
    assert outcome.frame.to_series().to_list() == wanted
    assert set(outcome.errors["error"]) <= {"RecursionError"}


def test_a_compiled_helper_whose_own_recursion_has_no_limit():
    plugin = dfv.plugin(lambda x: compiled_product(x), name="recursive", replace=True)
    outcome = dfv.run(FRAME, plugin, keep=False)
    expected = [product(x) if x < 1000 else None for x in FRAME["x"]]
    assert outcome.frame.to_series().to_list() == expected
    assert outcome.errors.select("row", "error", "message").rows() == [
        (3, "RecursionError", "compiled code goes 1000 calls deep; write it as a loop")
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_runaway_fails_its_row_and_nothing_else(threads):
    config = dfv.BatchConfig(parallelism=threads, default_batch_size=64, tuner="fixed")
    frame = pl.DataFrame({"x": [-1, -5, 3] * 100, "k": ["a", "b", "c"] * 100})
    plugin = dfv.plugin(lambda x: runaway(x), name="away", replace=True)
    outcome = dfv.run(frame, plugin, keep=False, config=config)
    assert outcome.frame.to_series().to_list() == [0, 4, None] * 100
    scan = dfv.scan(lambda total, x: (total + 1, runaway(x) + total), init=0, name="away_scan", replace=True)
    assert dfv.run(frame, scan, config=config).error_count == 100
    fold = {"init": 0, "name": "away_fold", "replace": True}
    finish = dfv.reduce(lambda total, x: total + 1, finish=lambda total: runaway(total), **fold)
    with pytest.raises(dfv.RowError, match="with RecursionError: compiled code goes 1000 calls deep"):
        dfv.run(frame, finish, on_error="raise")
    merge = dfv.reduce(lambda total, x: total + 1, merge=lambda a, b: a + runaway(b), **fold)
    with pytest.raises(dfv.RowError, match="with RecursionError: compiled code goes 1000 calls deep"):
        dfv.run(pl.DataFrame({"x": [1] * 150_000}), merge)


def gcd(x, n):
    return math.gcd(x, n)


def test_how_deep_an_earlier_row_went_is_not_asked_by_a_kernel():
    """A kernel of the name of what it calls may seem to call itself."""
    too_deep = dfv.plugin(lambda x: runaway(x), name="away", replace=True)
    frame = pl.DataFrame({"x": [12, 5], "n": [18, 7]})
    assert dfv.run(frame, too_deep, keep=False).error_count == 2
    outcome = dfv.run(frame, dfv.plugin(gcd, name="common", replace=True), keep=False)
    assert outcome.frame["common"].to_list() == [6, 1]


@numba.njit
def steps(n):
    return 0 if n < 1 else 1 + steps(n - 1)


def test_a_helper_that_is_handed_on_begins_anew_in_each_call():
    plugin = dfv.plugin(lambda values: sorted([v for v in values], key=steps)[0], name="least", replace=True)
    frame = pl.DataFrame({"values": [[7.0, 3.0, 5.0] * 400] * 2})
    assert dfv.run(frame, plugin, keep=False).frame["least"].to_list() == [3.0, 3.0]
