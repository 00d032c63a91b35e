"""Remainders and rounding: exact, whatever the quotient."""

from __future__ import annotations

import math

import numpy as np
import pytest
from evaluate import compiled, evaluate
from test_accuracy import VALUES, assert_same

REMAINDERS = {
    "math.fmod": (lambda x, y: math.fmod(x, y), np.fmod),
    "np.fmod": (lambda x, y: np.fmod(x, y), np.fmod),
    "math.remainder": (lambda x, y: math.remainder(x, y), np.vectorize(math.remainder)),
    "np.remainder": (lambda x, y: np.remainder(x, y), np.remainder),
    "np.mod": (lambda x, y: np.mod(x, y), np.remainder),
}


@pytest.mark.parametrize("spread", [3, 14, 300])
@pytest.mark.parametrize("name", REMAINDERS)
def test_remainders_are_exact(name, spread):
    rng = np.random.default_rng(15)
    y = rng.normal(size=4000) * 10.0 ** rng.integers(-150, 150, 4000)
    with np.errstate(over="ignore"):
        x = np.clip(y * 10.0 ** rng.uniform(-2, spread, 4000), -1e308, 1e308)
    x[::4] = y[::4] * (rng.integers(-9, 9, 1000) + 0.5)
    x[1::4] = np.nextafter(y[1::4] * rng.integers(-1000, 1000, 1000), 0.0)
    kernel, oracle = REMAINDERS[name]
    assert_same(evaluate(kernel, x, y), oracle(x, y))


@pytest.mark.parametrize("name", REMAINDERS)
def test_single_precision(name):
    rng = np.random.default_rng(16)
    y = rng.normal(size=4000).astype(np.float32)
    x = (y * 10.0 ** rng.uniform(-2, 20, 4000)).astype(np.float32)
    kernel, oracle = REMAINDERS[name]
    got = evaluate(kernel, x, y)
    assert got.dtype == np.float32
    assert_same(got, oracle(x, y).astype(np.float32))


NUMBERS = [0.0, 1.0, 1.5, 5e-324, 1e308, math.inf]
NUMBERS = [*NUMBERS, *(-n for n in NUMBERS), math.nan]


def remainder_of_c(x, y):
    try:
        return math.remainder(x, y)
    except ValueError:
        return math.nan


@pytest.mark.parametrize("name", REMAINDERS)
def test_special_values(name):
    x, y = (np.repeat(column.ravel(), 9) for column in np.meshgrid(NUMBERS, NUMBERS))
    kernel, oracle = REMAINDERS[name]
    if name == "math.remainder":
        oracle = np.vectorize(remainder_of_c)
    with np.errstate(invalid="ignore"):
        wanted = oracle(x, y)
    assert_same(evaluate(kernel, x, y), wanted)


@pytest.mark.usefixtures("usual_processor")
@pytest.mark.parametrize("name", REMAINDERS)
def test_loops_are_vectorised(name):
    ir = compiled(REMAINDERS[name][0], np.ones(1), np.ones(1)).llvm_ir()
    assert "frem" not in ir
    assert "x double>" in ir


@pytest.mark.parametrize("kernel", [lambda x: np.rint(x), lambda x: np.round(x), lambda x: np.around(x)])
def test_rounding(kernel):
    x = np.repeat(np.array(VALUES), 9)
    assert_same(evaluate(kernel, x), np.rint(x))


def test_python_rounds_ties_to_even_integers():
    x = np.concatenate([np.arange(-9, 9) / 2, np.random.default_rng(17).normal(size=500) * 100])
    got = evaluate(lambda x: round(x), x)
    assert got.dtype == np.int64
    assert got.tolist() == [round(v) for v in x.tolist()]
    assert evaluate(lambda x: round(x, 1), x).tolist() == pytest.approx([round(v, 1) for v in x.tolist()])


@pytest.mark.skipif(not hasattr(math, "cbrt"), reason="not before Python 3.11")
def test_a_function_that_numba_lacks():
    x = np.array([8.0, -27.0])
    assert evaluate(lambda x: math.cbrt(x), x).tolist() == [2.0, -3.0]
