"""What a kernel may call: plain functions, `numba.njit` ones, other plugins."""

from __future__ import annotations

import math

import numba
import polars as pl
import pytest

import dataflare_vec as dfv


def halved(x):
    return x / 2


def quartered(x):
    return halved(halved(x))


@numba.njit
def doubled(x):
    return x * 2


def factorial(n):
    if n < 2:
        return 1
    return n * factorial(n - 1)


def shout(text):
    return text.upper() + "!"


def refused(x):
    if x > 1:
        raise ValueError("too large")
    return x


@pytest.mark.parametrize("mode", ["precise", "libm", "fast"])
def test_plain_functions_are_compiled_with_the_kernel(mode):
    @dfv.plugin(name="outer", replace=True, math=mode)
    def outer(x):
        return quartered(x) + doubled(x) + math.sin(halved(x))

    df = pl.DataFrame({"x": [1.0, 8.0]})
    assert df.pipe(dfv.apply, outer)["outer"].to_list() == pytest.approx([outer(1.0), outer(8.0)])


def test_recursion():
    @dfv.plugin(name="outer", replace=True)
    def outer(x: int):
        return factorial(x)

    df = pl.DataFrame({"x": [1, 5, 10]})
    assert df.pipe(dfv.apply, outer)["outer"].to_list() == [1, 120, 3628800]


@pytest.mark.parametrize("mode", ["precise", "libm"])
def test_strings_and_closures(mode):
    mark = "?"

    def asked(text):
        return shout(text) + mark

    @dfv.plugin(name="outer", replace=True, math=mode)
    def outer(text: str):
        return asked(text)

    df = pl.DataFrame({"text": ["a", "é"]})
    assert df.pipe(dfv.apply, outer)["outer"].to_list() == ["A!?", "É!?"]


def test_errors_of_a_plain_function_are_the_rows():
    @dfv.plugin(name="outer", replace=True)
    def outer(x):
        return refused(x)

    result = dfv.run(pl.DataFrame({"x": [1.0, 2.0]}), outer)
    assert result.frame["outer"].to_list() == [1.0, None]
    assert result.errors["message"].to_list() == ["too large"]


def test_a_kernel_calls_another_plugin():
    @dfv.plugin(name="inner", replace=True)
    def inner(x, by=3):
        return x * by

    @dfv.plugin(name="outer", replace=True)
    def outer(x):
        return inner(x) + inner(x, 10)

    assert pl.DataFrame({"x": [2]}).pipe(dfv.apply, outer)["outer"].to_list() == [26]
    assert outer(2) == 26
