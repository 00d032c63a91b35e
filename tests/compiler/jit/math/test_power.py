"""Powers, by whatever name: errors against mpmath, special values as in C99, types as Numba's."""

from __future__ import annotations

import builtins
import math

import mpmath as mp
import numpy as np
import polars as pl
import pytest
from evaluate import evaluate
from test_accuracy import assert_same, ulp_error

import dataflare_vec as dfv

INF, NAN = math.inf, math.nan


def exact_powers(x, y):
    """x^y by mpmath as high + low doubles."""
    with mp.workprec(150):
        values = [mp.power(mp.mpf(float(a)), mp.mpf(float(b))) for a, b in zip(x, y, strict=True)]
        high = np.array([float(v) for v in values])
        low = [float(v - mp.mpf(h)) if math.isfinite(h) else 0.0 for v, h in zip(values, high, strict=True)]
    return high, np.array(low)


def pairs(dtype, count):
    """Bases of every size and near 1, with exponents that give every size of result, subnormals too."""
    rng = np.random.default_rng(11)
    info = np.finfo(dtype)
    exponents = rng.integers(info.minexp - info.nmant, info.maxexp, count).astype(np.int64)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        near = 1 + rng.normal(size=count) * 10.0 ** -rng.integers(0, 2 * info.precision // 2 + 1, count)
        x = np.concatenate(
            [np.ldexp(1 + rng.random(count), exponents), np.abs(near), rng.uniform(0, 10, count)]
        )
        x = x.astype(dtype)
        wanted = rng.uniform((info.minexp - info.nmant) * math.log(2), info.maxexp * math.log(2), len(x))
        y = (wanted * rng.choice([1.0, 0.01], len(x)) / np.log(x.astype(float))).astype(dtype)
    good = np.isfinite(y) & (x > 0)
    return x[good], y[good]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_error(dtype):
    x, y = pairs(dtype, 1500)
    high, low = exact_powers(x, y)
    fits = high < float(np.finfo(dtype).max)
    error = ulp_error(evaluate(lambda x, y: x**y, x, y)[fits], high[fits], low[fits])
    worst = np.argmax(error)
    assert error[worst] <= 1.1, f"{x[fits][worst]!r} ** {y[fits][worst]!r}: {error[worst]:.3f} ULP"


def of_constant(exponent):
    scope: dict = {}
    exec(f"def kernel(x): return x ** ({exponent!r})", scope)
    return scope["kernel"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 7, 16, 17, 2.0, -1, -2, -3, -17])
def test_constant_integer_exponents(exponent, dtype):
    x = np.random.default_rng(12).uniform(0.1, 3, 400).astype(dtype)
    x[::2] *= -1
    got = evaluate(of_constant(exponent), x)
    assert got.dtype == dtype
    assert ulp_error(got, *exact_powers(x, [exponent] * len(x))).max() <= 2.0


@pytest.mark.parametrize("exponent", [0.5, -0.5, 1.5, 1 / 3])
def test_constant_fractions(exponent):
    x = np.random.default_rng(13).uniform(0, 3, 400)
    assert ulp_error(evaluate(of_constant(exponent), x), *exact_powers(x, [exponent] * len(x))).max() <= 1.1


NUMBERS = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 2.0**53 - 1, 1e300, 1e-310, 5e-324, INF]
NUMBERS = [*NUMBERS, *(-n for n in NUMBERS), NAN]


def power_of_c(x, y):
    """C's, where Python's raises or is complex."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return -INF if x < 0 and y % 2 == 1 else INF
    except ValueError:  # 0 ** -1, (-1) ** 0.5
        return NAN if x < 0 else math.copysign(INF, x) if y % 2 == 1 else INF


POWERS = {
    "**": lambda x, y: x**y,
    "pow": lambda x, y: pow(x, y),
    "math.pow": lambda x, y: math.pow(x, y),
    "np.power": lambda x, y: np.power(x, y),
}


def augmented(x, y):
    x **= y
    return x


@pytest.mark.parametrize("name", [*POWERS, "**="])
def test_special_values(name):
    x, y = (np.repeat(column.ravel(), 9) for column in np.meshgrid(NUMBERS, NUMBERS))
    got = evaluate(POWERS.get(name, augmented), x, y)
    wanted = np.array([power_of_c(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)])
    is_special = ~np.isfinite(wanted) | (wanted == 0) | (np.abs(wanted) == 1)
    assert_same(got[is_special], wanted[is_special])
    with np.errstate(invalid="ignore"):
        error = np.abs(got - wanted)[~is_special] / np.spacing(np.abs(wanted[~is_special]))
    assert error.max() <= 2


@pytest.mark.parametrize("exponent", [0, 2, 3, 4, 5, 6, -1, -2, -3, -4, 0.5, 17])
def test_special_values_of_constants(exponent):
    x = np.repeat(NUMBERS, 9)
    wanted = np.array([power_of_c(v, exponent) for v in x.tolist()])
    is_special = ~np.isfinite(wanted) | (wanted == 0)
    assert_same(evaluate(of_constant(exponent), x)[is_special], wanted[is_special])


def test_no_call_is_left():
    from evaluate import compiled

    columns = np.ones(1), np.ones(1)
    for kernel in POWERS.values():
        assert "@pow" not in compiled(kernel, *columns).llvm_ir()
        assert "llvm.pow" not in compiled(kernel, *columns).llvm_ir()


@pytest.mark.parametrize("name", ["**"])
def test_types_are_those_of_numba(name):
    dtypes = ("int64", "float32", "float64")
    for first in dtypes:
        for second in dtypes:
            columns = np.array([3, 2], first), np.array([2, 3], second)
            ours, theirs = (evaluate(POWERS[name], *columns, math=math) for math in ("precise", "libm"))
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, rtol=2e-7)


def test_integers_stay_numbas():
    assert evaluate(lambda x: x**3, np.array([-3, 4])).tolist() == [-27, 64]
    assert evaluate(lambda x: builtins.pow(x, 2), np.array([-3, 4])).tolist() == [9, 16]
    assert evaluate(lambda x, y: x**y, np.array([2, 3]), np.array([62, 3])).tolist() == [2**62, 27]


def test_arrays_fall_through():
    assert evaluate(lambda x: (np.array([x, 2 * x]) ** 2).sum(), np.array([1.0, 2.0])).tolist() == [5.0, 20.0]


def test_optional_arguments():
    def kernel(x: float | None, y: float) -> float | None:
        if x is None:
            return None
        return x**y + math.exp(x) + x**2

    plugin = dfv.register("optional_power", kernel, replace=True)
    frame = pl.DataFrame({"x": [2.0, None], "y": [3.0, 1.0]})
    assert dfv.apply(frame, plugin)["optional_power"].to_list() == [pytest.approx(12 + math.e**2), None]
