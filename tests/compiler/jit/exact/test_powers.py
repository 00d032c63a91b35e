"""Powers of integers: the exact one, a float where the exponent is a negative constant, or a failed row."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from columns import check, computed, run

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.definition.uses import TOO_LARGE
from testing.oracle import FAILED

BASES = [0, 1, -1, 2, -2, 3, -3, 7, -10, 2097151, -2097152, 3037000499, -3037000500]
BASES += [2**62, 2**63 - 1, -(2**63)]
EXPONENTS = [0, 1, 2, 3, 4, 5, 15, 31, 39, 61, 62, 63, 64, 65, 1000, 5000, 10**15, 2**63 - 1]


def power(x, n):
    return x**n


def called(x, n):
    return pow(x, n)


def by_name(x, n):
    return pow(base=x, exp=n)


def in_place(x, n):
    x **= n
    return x


def of_two(n):
    return 2**n


def of_minus_three(n):
    return (-3) ** n


def to_constant(exponent):
    scope: dict = {}
    exec(f"def power(x): return x ** {exponent}", scope)
    return scope["power"]


def pairs(exponents=EXPONENTS):
    # Python's own power of a large number to a large one would fill the memory
    rows = [(x, n) for x in BASES for n in exponents if abs(x) < 2 or n <= 5000]
    return pl.DataFrame(rows, schema=["x", "n"], orient="row")


@pytest.mark.parametrize("function", [power, called, by_name, in_place])
def test_integer_powers_are_exact_or_fail(function):
    check(function, pairs(), pl.Int64)


@pytest.mark.parametrize("function", [of_two, of_minus_three])
def test_of_a_constant(function):
    check(function, pl.DataFrame({"n": [*range(70), 1000]}), pl.Int64)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 5, 16, 17, 62, 63, 64, 65, 100])
def test_to_a_constant(exponent):
    near = [x + d for x in BASES for d in (-1, 0, 1) if -(2**63) <= x + d < 2**63]
    check(to_constant(exponent), pl.DataFrame({"x": near}), pl.Int64)


@pytest.mark.parametrize("exponent", [-1, -2, -3, -16, -17, -64])
def test_to_a_negative_constant_is_a_float(exponent):
    values = [1, -1, 2, -2, 3, 10, 2**53 + 1, 2**63 - 1, -(2**63), 0]
    dtype, got = computed(to_constant(exponent), pl.DataFrame({"x": values}))
    assert dtype == pl.Float64
    assert got[-1] is FAILED
    np.testing.assert_array_max_ulp(got[:-1], [x**exponent for x in values[:-1]], 2)
    errors = run(to_constant(exponent), pl.DataFrame({"x": [0]})).errors
    assert errors["error"].to_list() == ["ZeroDivisionError"]


@pytest.mark.parametrize("function", [power, called, in_place])
def test_a_negative_exponent_that_no_one_could_know_fails(function):
    frame = pl.DataFrame({"x": [2, 5, -1, 0, 1, 3], "n": [-1, -2, -3, -1, -(2**63), 2]})
    result = run(function, frame)
    assert result.frame.to_series().to_list() == [None] * 5 + [9]
    assert result.errors["row"].to_list() == [0, 1, 2, 3, 4]
    assert result.errors["error"][3] == "ZeroDivisionError"


def test_very_large_results_can_be_reported():
    errors = run(power, pl.DataFrame({"x": [10], "n": [5000]})).errors
    assert errors["error"].to_list() == ["OverflowError"]
    assert errors["message"].to_list() == [TOO_LARGE]
    errors = run(lambda x: int(f"1{'0' * x}"), pl.DataFrame({"x": [4000]})).errors
    assert errors["message"].to_list() == ["an integer of 13288 bits does not fit Int64"]


def test_python_is_not_asked_for_a_number_that_fills_the_memory():
    def sum_of_powers(x, n):
        return power(x, n) + of_two(n + 1)

    frame = pl.DataFrame({"x": [3, 3, 1], "n": [10**15, 2**62, 5]})
    for function in (power, sum_of_powers):
        result = run(function, frame)
        assert result.errors["row"].to_list() == [0, 1]
        assert set(result.errors["message"]) == {TOO_LARGE}

    def added(state, n):
        return state + 3**n, state

    scan = define(added, name="scan", form=Form.SCAN, plugin_type=dfv.PluginType.TRANSFORMER, init=0)
    assert dfv.run(frame, scan, on_error="null").errors["message"].to_list() == [TOO_LARGE] * 2


def test_nothing_catches_what_python_does_not_raise():
    def caught(x, n):
        try:
            return float(x**n)
        except Exception:
            return float(x) ** n

    frame = pl.DataFrame({"x": [2, 2, 10], "n": [-1, 3, 30]})
    assert dfv.run(frame, dfv.plugin(caught), on_error="null").frame["caught"].to_list() == [None, 8.0, None]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt8, pl.Int32, pl.UInt32], ids=str)
def test_narrow_integers(dtype):
    frame = pl.DataFrame({"x": [2, 100, 3, 0], "n": [62, 4, 3, 0]}, schema={"x": dtype, "n": dtype})
    check(power, frame, pl.Int64)
    check(to_constant(5), frame.select("x"), pl.Int64)


def test_unsigned_integers():
    frame = pl.DataFrame({"x": [2, 2**32, 2**32 - 1, 2**64 - 1, 0], "n": [63, 2, 2, 1, 0]})
    frame = frame.with_columns(x=pl.Series([2, 2**32, 2**32 - 1, 2**64 - 1, 0], dtype=pl.UInt64))
    wanted = [2**63, FAILED, (2**32 - 1) ** 2, 2**64 - 1, 1]
    assert computed(power, frame) == (pl.UInt64, wanted)
    assert computed(power, frame.cast({"n": pl.UInt64})) == (pl.UInt64, wanted)
    assert computed(to_constant(2), frame.select("x")) == (
        pl.UInt64,
        [4, FAILED, (2**32 - 1) ** 2, FAILED, 0],
    )


def test_bools():
    frame = pl.DataFrame({"x": [2, -3], "n": [True, False]})
    check(power, frame, pl.Int64)
    check(power, pl.DataFrame({"x": [True, False, False], "n": [5, 5, 0]}), pl.Int64)


def test_nulls_and_optional_exponents():
    def optional(x, n: int | None):
        return 1 if n is None else x**n

    frame = pl.DataFrame({"x": [2, 3, 4], "n": [10, None, -1]})
    assert computed(optional, frame)[1] == [1024, 1, FAILED]
    assert computed(power, frame)[1] == [1024, None, FAILED]


def test_numpys_power_wraps_around():
    frame = pl.DataFrame({"x": [3, 2, -3, 5], "n": [70, 63, 41, -1]})
    result = run(lambda x, n: np.power(x, n), frame)
    with np.errstate(all="ignore"):
        wanted = [int(np.power(np.int64(x), np.int64(n))) for x, n in frame.head(3).rows()]
    assert result.frame.to_series().to_list() == [*wanted, None]
    assert result.errors["message"].to_list() == ["Integers to negative integer powers are not allowed."]


def test_floats_are_as_they_were():
    frame = pl.DataFrame({"x": [2, 0, -8], "y": [-1.0, -1.0, 0.5]})
    assert repr(computed(lambda x, y: x**y, frame)[1]) == "[0.5, inf, nan]"
    assert computed(lambda x, y: math.pow(x, y), frame)[0] == pl.Float64


@pytest.mark.usefixtures("usual_processor")
@pytest.mark.parametrize("exponent", [2, 3, 5])
def test_constant_exponents_are_vector_code(exponent):
    function = to_constant(exponent)
    plugin = define(function, name="kernel", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
    (stage,) = dfv.explain(plugin, {"x": pl.Int64}).stages
    assert stage.loop.vectorised
