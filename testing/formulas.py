"""Formulas in NumPy, SciPy and Polars, for peers that have no function of the kernel's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def haversine(*degrees: Floats, radius: float) -> Floats:
    """Return distances along great circles."""
    lat1, lon1, lat2, lon2 = map(np.radians, degrees)
    h = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return 2 * radius * np.arcsin(np.sqrt(h))


def haversine_expression(radius: float) -> pl.Expr:
    """Return the same as a Polars expression."""
    lat1, lon1, lat2, lon2 = (pl.col(c).radians() for c in ("lat1", "lon1", "lat2", "lon2"))
    h = ((lat2 - lat1) / 2).sin() ** 2 + lat1.cos() * lat2.cos() * ((lon2 - lon1) / 2).sin() ** 2
    return 2 * radius * h.sqrt().arcsin()


def black_scholes_call(s: Floats, k: Floats, t: Floats, r: Floats, v: Floats) -> Floats:
    """Return prices of calls: spot, strike, years, rate, volatility."""
    spread = v * np.sqrt(t)
    d1 = (np.log(s / k) + (r + v * v / 2) * t) / spread
    return s * ndtr(d1) - k * np.exp(-r * t) * ndtr(d1 - spread)


def cosine(a: Floats, b: Floats) -> Floats:
    """Return cosines of the angles between the rows of two matrices."""
    squares = np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b)
    with np.errstate(invalid="ignore"):  # of a vector without length it is NaN
        return np.einsum("ij,ij->i", a, b) / np.sqrt(squares)


def dot(a: Floats, b: Floats) -> Floats:
    """Return scalar products of the rows of two matrices."""
    return np.einsum("ij,ij->i", a, b)


def euclidean(a: Floats, b: Floats) -> Floats:
    """Return distances between the rows of two matrices."""
    return np.sqrt(((a - b) ** 2).sum(axis=1))


def different_bits(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many bits of the rows of two matrices differ."""
    return np.bitwise_count(a ^ b).sum(axis=1)


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the value at which the sum of the sorted values' weights passes half of all weight."""
    order = np.argsort(values)
    sums = weights[order].cumsum()
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])


def macd(price: pl.Expr) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Return the difference of two averages, its own average, and what is between them."""
    line = price.ewm_mean(span=12, adjust=False) - price.ewm_mean(span=26, adjust=False)
    signal = line.ewm_mean(span=9, adjust=False)
    return line, signal, line - signal


def sessions(time: pl.Expr) -> pl.Expr:
    """Return how many pauses of more than half an hour there were."""
    return (time.diff() > 1800).fill_null(value=False).cum_sum()


def hysteresis(values: pl.Expr) -> pl.Expr:
    """Return whether the value last beyond either mark was above 1, not below 0."""
    marks = pl.when(values > 1.0).then(statement=True).when(values < 0.0).then(statement=False)
    return marks.forward_fill().fill_null(value=False)
