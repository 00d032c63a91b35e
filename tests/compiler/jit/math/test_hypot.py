"""The length of a vector: no overflow or underflow on the way."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from evaluate import evaluate
from test_accuracy import assert_same, ulp_error


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_error(dtype):
    rng = np.random.default_rng(14)
    info = np.finfo(dtype)
    exponents = rng.integers(info.minexp - info.nmant, info.maxexp - 1, 3000).astype(np.int64)
    with np.errstate(under="ignore", over="ignore"):
        x = np.ldexp(rng.uniform(1, 2, 3000), exponents).astype(dtype)
        y = (-x * 2.0 ** rng.uniform(-4, 4, 3000)).astype(dtype)
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    with mp.workprec(150):
        values = [mp.hypot(mp.mpf(float(a)), mp.mpf(float(b))) for a, b in zip(x, y, strict=True)]
        high = np.array([float(v) for v in values])
        low = [float(v - mp.mpf(h)) if math.isfinite(h) else 0 for v, h in zip(values, high, strict=True)]
    fits = high < float(info.max)
    got = evaluate(lambda x, y: math.hypot(x, y), x, y)
    assert ulp_error(got[fits], high[fits], np.array(low)[fits]).max() <= 1.5


INF, NAN = math.inf, math.nan
PAIRS = [
    (0.0, 0.0),
    (-0.0, 0.0),
    (3.0, -4.0),
    (INF, NAN),
    (NAN, -INF),
    (INF, 1.0),
    (NAN, 1.0),
    (1e308, 1e308),
]


def test_special_values():
    x, y = np.repeat(np.array(PAIRS), 9, axis=0).T.copy()
    assert_same(evaluate(lambda x, y: np.hypot(x, y), x, y), np.hypot(x, y))
