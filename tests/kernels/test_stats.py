"""Identities and limits, and what SciPy says where numbers have fewer digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

INF = math.inf


def test_quantile_of_the_smallest_numbers(over):
    assert over("normal_quantile", p=5e-324) == pytest.approx(special.ndtri(5e-324), rel=1e-6)
    tiny = np.array([1e-302, 1e-307])
    np.testing.assert_allclose(over("normal_quantile", p=tiny), special.ndtri(tiny), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "column", "pairs"),
    [
        ("normal_pdf", "x", {INF: 0.0, -INF: 0.0}),
        ("normal_cdf", "x", {INF: 1.0, -INF: 0.0, 0.0: 0.5}),
        ("normal_quantile", "p", {0.0: -INF, 1.0: INF, 0.5: 0.0, -0.1: math.nan, 1.1: math.nan}),
        ("expit", "x", {INF: 1.0, -INF: 0.0, 1e4: 1.0, -1e4: 0.0, 0.0: 0.5}),
        ("logit", "p", {0.0: -INF, 1.0: INF, 0.5: 0.0, -0.1: math.nan, 1.1: math.nan}),
        ("softplus", "x", {INF: INF, -INF: 0.0, 1e4: 1e4, 0.0: math.log(2)}),
        ("gelu", "x", {INF: INF, -INF: 0.0, 0.0: 0.0}),
    ],
)
def test_limits(over, name, column, pairs):
    got = over(name, **{column: list(pairs)})
    np.testing.assert_allclose(got, list(pairs.values()), rtol=1e-15)


def test_mean_and_deviation(over):
    x = np.linspace(-5, 9, 50)
    scale = {"mean": 2.0, "sd": 3.0}
    np.testing.assert_allclose(over("normal_pdf", bindings=scale, x=x), stats.norm.pdf(x, 2, 3), rtol=1e-14)
    np.testing.assert_allclose(over("normal_cdf", bindings=scale, x=x), stats.norm.cdf(x, 2, 3), rtol=1e-14)
    p = over("normal_cdf", bindings=scale, x=x)
    np.testing.assert_allclose(over("normal_quantile", bindings=scale, p=p), x, rtol=1e-12)


@given(st.lists(st.floats(-30, 8), min_size=1, max_size=20))
def test_quantile_of_cdf(over, xs):
    p = over("normal_cdf", x=xs)
    # A probability near 1 holds x to the rounding of 1 only.
    np.testing.assert_allclose(
        over("normal_quantile", p=p), xs, rtol=1e-12, atol=2e-16 / np.exp(-0.5 * max(0.0, *xs, 0.0) ** 2)
    )


@given(st.lists(st.floats(-700, 30), min_size=1, max_size=20))
def test_logit_of_expit(over, xs):
    got = over("logit", p=over("expit", x=xs))
    np.testing.assert_allclose(got, xs, rtol=1e-12, atol=4e-16 * np.exp(max(0.0, *xs, 0.0)) + 1e-15)
