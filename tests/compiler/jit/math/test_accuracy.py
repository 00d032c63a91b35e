"""Errors in ULP against mpmath (f64) and double precision (f32); special values as in C99, Annex F."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from evaluate import evaluate
from scipy import special

from dataflare_vec.compiler.jit.lowering.math.table import FUNCTIONS

KERNELS = {
    "exp": lambda x: math.exp(x),
    "exp2": lambda x: np.exp2(x),
    "expm1": lambda x: math.expm1(x),
    "log": lambda x: math.log(x),
    "log2": lambda x: math.log2(x),
    "log10": lambda x: math.log10(x),
    "log1p": lambda x: math.log1p(x),
    "sin": lambda x: math.sin(x),
    "cos": lambda x: math.cos(x),
    "tan": lambda x: math.tan(x),
    "asin": lambda x: math.asin(x),
    "acos": lambda x: math.acos(x),
    "atan": lambda x: math.atan(x),
    "sinh": lambda x: math.sinh(x),
    "cosh": lambda x: math.cosh(x),
    "tanh": lambda x: math.tanh(x),
    "asinh": lambda x: math.asinh(x),
    "acosh": lambda x: math.acosh(x),
    "atanh": lambda x: math.atanh(x),
    "erf": lambda x: math.erf(x),
    "erfc": lambda x: math.erfc(x),
    "gamma": lambda x: math.gamma(x),
    "lgamma": lambda x: math.lgamma(x),
    "cbrt": lambda x: np.cbrt(x),
    "sqrt": lambda x: math.sqrt(x),
    "degrees": lambda x: math.degrees(x),
    "radians": lambda x: math.radians(x),
}
ORACLES = {
    **{name: getattr(mp, name) for name in ("exp", "expm1", "log", "sin", "cos", "tan", "sqrt")},
    **{name: getattr(mp, name) for name in ("asin", "acos", "atan", "degrees", "radians", "log1p", "log10")},
    **{name: getattr(mp, name) for name in ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")},
    "erf": lambda x: mp.erf(max(-30, min(x, 30))),
    "erfc": lambda x: mp.erfc(max(-30, x)),
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "gamma": mp.gamma,
    "lgamma": mp.loggamma,
    "exp2": lambda x: mp.power(2, x),
    "log2": lambda x: mp.log(x, 2),
}
BOUNDS = {f.name: (f.ulp64, f.ulp32) for f in FUNCTIONS}
# Where a function is defined and doesn't overflow, and where it is interesting.
DOMAINS = {
    "exp": (-745.0, 709.7),
    "exp2": (-1074.0, 1023.9),
    "expm1": (-745.0, 709.7),
    "log": (0.0, np.inf),
    "log2": (0.0, np.inf),
    "log10": (0.0, np.inf),
    "log1p": (-1.0, np.inf),
    "sinh": (-710.4, 710.4),
    "cosh": (-710.4, 710.4),
    "acosh": (1.0, np.inf),
    "atanh": (-1.0, 1.0),
    "erfc": (-100.0, 28.0),
    "gamma": (-190.0, 171.6),
    "lgamma": (0.0, np.inf),  # and below: test_lgamma_of_negative_numbers
    "asin": (-1.0, 1.0),
    "acos": (-1.0, 1.0),
    "sqrt": (0.0, np.inf),
    "degrees": (-1e300, 1e300),
}
INTERESTING = (-1.0, 1.0, 0.5, 2.0, 0.7, 1.4, 10.0, 100.0)


def samples(name: str, dtype, rng, count: int):
    """Every binade, dense samples around where things happen, and multiples of π/2."""
    info = np.finfo(dtype)
    low, high = (
        end if abs(end) < float(info.max) else math.copysign(math.inf, end)
        for end in DOMAINS.get(name, (-math.inf, math.inf))
    )
    exponents = np.arange(info.minexp - info.nmant, info.maxexp)
    binades = np.ldexp(1.0 + rng.random((2, len(exponents))), exponents.astype(np.int64)).ravel()
    parts = [binades, -binades]
    parts += [
        at + rng.normal(size=count // 16) * 10.0 ** -rng.integers(0, 8, count // 16) for at in INTERESTING
    ]
    finite = (max(low, -1e5), min(high, 1e5))
    parts += [rng.uniform(*finite, count), rng.uniform(-10, 10, count)]
    if name in ("sin", "cos", "tan"):
        parts += [np.round(10 ** rng.uniform(0, 22, count // 4)) * (np.pi / 2)]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        x = np.concatenate(parts).astype(dtype)
    if name == "gamma":
        x = x[(x > 0) | (x != np.floor(x))]  # no poles
    return x[(x > low) & (x < high) & np.isfinite(x)]


def ulp_error(got, high, low):
    """Error of ``got`` against high + low, in units in the last place of the result."""
    unit = np.spacing(np.abs(high.astype(got.dtype))).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs((got.astype(np.float64) - high) - low) / unit
    return np.where((got == high) & np.isinf(high), 0.0, error)


def exact(name, x):
    """Values of mpmath as high + low doubles."""
    with mp.workprec(150):
        values = [ORACLES[name](mp.mpf(float(v))) for v in x]
        high = np.array([float(v) for v in values])
        low = np.array(
            [float(v - mp.mpf(h)) if math.isfinite(h) else 0.0 for v, h in zip(values, high, strict=True)]
        )
    return high, low


@pytest.mark.parametrize("name", KERNELS)
def test_f64(name):
    x = samples(name, np.float64, np.random.default_rng(1), 1000)
    error = ulp_error(evaluate(KERNELS[name], x), *exact(name, x))
    worst = np.argmax(error)
    assert error[worst] <= BOUNDS[name][0], f"{name}({x[worst]!r}): {error[worst]:.3f} ULP"


NUMPY = {
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    **{name: getattr(np, "arc" + name[1:]) for name in ("asinh", "acosh", "atanh")},
    "erf": np.vectorize(math.erf),
    "erfc": np.vectorize(math.erfc),
    "gamma": special.gamma,
    "lgamma": special.gammaln,
}


@pytest.mark.parametrize("name", KERNELS)
def test_f32(name):
    x = samples(name, np.float32, np.random.default_rng(2), 100_000)
    with np.errstate(all="ignore"):
        high = NUMPY.get(name, getattr(np, name, None))(x.astype(np.float64))
        fits = np.abs(high) < float(np.finfo(np.float32).max)
    x, high = x[fits], high[fits]
    got = evaluate(KERNELS[name], x)
    assert got.dtype == np.float32
    with np.errstate(under="ignore"):
        error = ulp_error(got, high, 0.0)
    worst = np.argmax(error)
    assert error[worst] <= BOUNDS[name][1], f"{name}({x[worst]!r}): {error[worst]:.3f} ULP"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_atan2(dtype):
    rng = np.random.default_rng(3)
    info = np.finfo(dtype)
    size = rng.integers(info.minexp - info.nmant, info.maxexp, (2, 3000)).astype(np.int64)
    with np.errstate(under="ignore"):
        wide = np.ldexp(rng.uniform(-1, 1, size.shape), size)
        y, x = np.concatenate([wide, rng.uniform(-1, 1, size.shape)], axis=1).astype(dtype)
    got = evaluate(lambda y, x: math.atan2(y, x), y, x)
    if dtype is np.float64:
        with mp.workprec(150):
            values = [mp.atan2(mp.mpf(float(a)), mp.mpf(float(b))) for a, b in zip(y, x, strict=True)]
            high = np.array([float(v) for v in values])
            low = np.array([float(v - mp.mpf(h)) for v, h in zip(values, high, strict=True)])
    else:
        high, low = np.arctan2(y.astype(np.float64), x.astype(np.float64)), 0.0
    error = ulp_error(got, high, low)
    worst = np.argmax(error)
    assert error[worst] <= 2.0, f"atan2({y[worst]!r}, {x[worst]!r}): {error[worst]:.3f} ULP"


LGAMMA_ZEROS = (-2.4570247382208006, -2.7476826467274127, -3.143580888349980, -3.9552942848585979)


@pytest.mark.parametrize(("dtype", "nearly"), [(np.float64, 2.0**-54), (np.float32, 2.0**-25)])
def test_lgamma_of_negative_numbers(dtype, nearly):
    """Relative to the result, except near its zeros."""
    rng = np.random.default_rng(9)
    parts = [-rng.uniform(0, 30, 2000), -rng.uniform(0, 1000, 500), -(10 ** rng.uniform(-40, 6, 1000))]
    tiny = np.finfo(dtype).smallest_subnormal
    parts += [-(2.0 ** np.arange(23)) * float(tiny), -(10 ** rng.uniform(-320, -40, 300))]
    parts += [zero + rng.normal(size=200) * 10.0 ** -rng.integers(1, 16, 200) for zero in LGAMMA_ZEROS]
    x = np.concatenate(parts).astype(dtype)
    x = x[(x != np.floor(x)) & (x != 0)]
    with mp.workprec(250):
        values = [mp.re(mp.loggamma(mp.mpf(float(v)))) for v in x]
        got = evaluate(KERNELS["lgamma"], x)
        error = np.array([float(abs(mp.mpf(float(g)) - v)) for g, v in zip(got, values, strict=True)])
        size = np.array([float(v) for v in values]).astype(dtype)
    bound = np.maximum(2 * np.spacing(np.abs(size)), nearly)
    worst = np.argmax(error / bound)
    assert error[worst] <= bound[worst], f"lgamma({x[worst]!r}): {error[worst]}"


# 6381956970095103·2^797 is the double nearest to a multiple of π/2 (J.-M. Muller, Elementary Functions,
# 11.3).
HARD_ANGLES = [
    6381956970095103 * 2.0**797, 1e22, 2.0**48, np.nextafter(2.0**48, 0), 2.0**1023, np.finfo(float).max,
    11.0, 22.0, 355.0, 5.319372648326541e255, 1.5707963267948966, 3.141592653589793, 6.283185307179586,
]  # fmt: skip


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_hard_angles(name):
    x = np.array([*HARD_ANGLES, *(-a for a in HARD_ANGLES)])
    with mp.workprec(1400):
        values = [ORACLES[name](mp.mpf(float(v))) for v in x]
        high = np.array([float(v) for v in values])
        low = np.array([float(v - mp.mpf(h)) for v, h in zip(values, high, strict=True)])
    assert ulp_error(evaluate(KERNELS[name], x), high, low).max() <= 1.0
    single = x[np.abs(x) < 3e38].astype(np.float32)
    with mp.workprec(1400):
        high = np.array([float(ORACLES[name](mp.mpf(float(v)))) for v in single])
    assert ulp_error(evaluate(KERNELS[name], single), high, 0.0).max() <= 1.0


INF, NAN = math.inf, math.nan
SPECIAL = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (1e4, INF), (-1e4, 0.0)],
    "exp2": [(0.0, 1.0), (INF, INF), (-INF, 0.0), (10.0, 1024.0), (-1.0, 0.5), (1e4, INF), (-1e4, 0.0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (1e4, INF), (-1e4, -1.0)],
    "log": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (-1.0, NAN), (-INF, NAN)],
    "log2": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (-1.0, NAN), (8.0, 3.0)],
    "log10": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (-1.0, NAN), (1000.0, 3.0)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (INF, INF), (-2.0, NAN), (-INF, NAN)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "sinh": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (1e4, INF), (-1e4, -INF)],
    "cosh": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF), (1e4, INF), (-1e4, INF)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (30.0, 1.0), (-1e4, -1.0)],
    "asinh": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF)],
    "acosh": [(1.0, 0.0), (INF, INF), (0.5, NAN), (-INF, NAN), (-1.0, NAN), (0.0, NAN)],
    "atanh": [(0.0, 0.0), (-0.0, -0.0), (1.0, INF), (-1.0, -INF), (1.5, NAN), (-INF, NAN)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (10.0, 1.0), (-1e30, -1.0)],
    "erfc": [(0.0, 1.0), (-0.0, 1.0), (INF, 0.0), (-INF, 2.0), (1e30, 0.0), (-1e30, 2.0)],
    "gamma": [
        (0.0, INF),
        (-0.0, -INF),
        (1.0, 1.0),
        (2.0, 1.0),
        (5.0, 24.0),
        (INF, INF),
        (1e4, INF),
        (-1.0, NAN),
        (-1e30, NAN),
        (-INF, NAN),
        (-1000.5, -0.0),
        (-1001.5, 0.0),
    ],
    "lgamma": [
        (0.0, INF),
        (-0.0, INF),
        (1.0, 0.0),
        (2.0, 0.0),
        (INF, INF),
        (-1.0, INF),
        (-1e30, INF),
        (-INF, INF),
    ],
    "cbrt": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (27.0, 3.0), (-8.0, -2.0), (1.0, 1.0)],
    "asin": [(0.0, 0.0), (-0.0, -0.0), (1.5, NAN), (-1.5, NAN), (INF, NAN), (1.0, math.pi / 2)],
    "acos": [(1.0, 0.0), (1.5, NAN), (-1.5, NAN), (INF, NAN), (-1.0, math.pi)],
    "atan": [(0.0, 0.0), (-0.0, -0.0), (INF, math.pi / 2), (-INF, -math.pi / 2)],
    "sqrt": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, NAN), (-1.0, NAN)],
    "degrees": [(0.0, 0.0), (-0.0, -0.0), (INF, INF)],
    "radians": [(0.0, 0.0), (-0.0, -0.0), (-INF, -INF)],
}


def assert_same(got, wanted):
    np.testing.assert_array_equal(got, wanted)
    finite = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got[finite]), np.signbit(wanted[finite]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", KERNELS)
def test_special_values(name, dtype):
    pairs = np.array([*SPECIAL[name], (NAN, NAN)]).astype(dtype)
    # Often enough for the vector body to meet them, not only the tail.
    x, wanted = np.repeat(pairs, 9, axis=0).T.copy()
    assert_same(evaluate(KERNELS[name], x), wanted)


@pytest.mark.parametrize(
    "name", ["expm1", "log1p", "sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh"]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_tiny_numbers_are_themselves(name, dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    x = (np.arange(-40, 41) * tiny).astype(dtype)
    assert_same(evaluate(KERNELS[name], x), x)


ATAN2 = [
    (0.0, 1.0), (-0.0, 1.0), (0.0, -1.0), (-0.0, -1.0), (0.0, 0.0), (-0.0, 0.0), (0.0, -0.0), (-0.0, -0.0),
    (1.0, 0.0), (-1.0, 0.0), (1.0, -0.0), (INF, 1.0), (-INF, 1.0), (INF, INF), (INF, -INF), (-INF, INF),
    (-INF, -INF), (1.0, INF), (-1.0, INF), (1.0, -INF), (-1.0, -INF), (NAN, 1.0), (1.0, NAN), (INF, NAN),
]  # fmt: skip


def test_atan2_special_values():
    y, x = np.repeat(np.array(ATAN2), 9, axis=0).T.copy()
    assert_same(evaluate(lambda y, x: math.atan2(y, x), y, x), np.arctan2(y, x))


VALUES = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e300, -1e-300, 4503599627370497.5, INF, -INF, NAN]
EXACT = [
    (lambda x: np.floor(x), np.floor),
    (lambda x: np.ceil(x), np.ceil),
    (lambda x: np.trunc(x), np.trunc),
    (lambda x: np.fabs(x), np.fabs),
    (lambda x: np.abs(x), np.abs),
    (lambda x: math.copysign(3.0, x), lambda x: np.copysign(3.0, x)),
    (lambda x: math.isnan(x), np.isnan),
    (lambda x: math.isinf(x), np.isinf),
    (lambda x: np.isfinite(x), np.isfinite),
]


@pytest.mark.parametrize(("kernel", "oracle"), EXACT)
def test_exact_functions(kernel, oracle):
    x = np.repeat(np.array(VALUES), 9)
    got = evaluate(kernel, x)
    wanted = oracle(x)
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(np.signbit(got.astype(float)), np.signbit(wanted.astype(float)))


@pytest.mark.parametrize("function", [math.floor, math.ceil, math.trunc])
def test_python_rounds_to_integers(function):
    x = np.random.default_rng(4).normal(size=1000) * 100
    got = evaluate(lambda x: function(x), x)
    assert got.dtype == np.int64
    assert got.tolist() == [function(v) for v in x.tolist()]
