"""Smoothing of series: averages, filters, seasons."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

import dataflare_vec as dfv

#: Values that `rolling_median` and `hampel` look at, and steps of a season, at most.
LONGEST_WINDOW = 64


@dfv.scan(init=(0.0, 0.0), author="dataflare_vec")
def ewma(state, x, alpha=0.1):
    """Exponentially weighted moving average.

    Parameters
    ----------
    x : float
        In the order of time; nulls are passed over.
    alpha : float
        Weight of the newest value, above 0 to 1.

    Returns
    -------
    float
        Average with weights (1 - alpha)^age of the values so far, which sum to 1 from the first row on.

    Notes
    -----
    The same as Polars' ``ewm_mean(alpha=…, ignore_nulls=True)``.

    Source: S. W. Roberts, "Control Chart Tests Based on Geometric Moving Averages", Technometrics 1 (1959).

    Examples
    --------
    >>> ewma((0.0, 0.0), 3.0, alpha=0.5)
    ((3.0, 1.0), 3.0)
    """
    total, weight = state
    total = x + (1.0 - alpha) * total
    weight = 1.0 + (1.0 - alpha) * weight
    return (total, weight), total / weight


@dfv.scan(init=(0.0, 0.0, False), author="dataflare_vec")
def kalman(state, x, process=1e-3, noise=1.0):
    """Kalman filter of a level that drifts: the best guess of it after each measurement.

    Parameters
    ----------
    x : float
        Measurements in the order of time.
    process, noise : float
        Variances of the level's drift between two rows and of a measurement.

    Returns
    -------
    float
        The estimated level; of the first row, its measurement.

    Notes
    -----
    Source: R. E. Kalman, Journal of Basic Engineering 82 (1960); the local level model of A. C. Harvey,
    Forecasting, Structural Time Series Models and the Kalman Filter (1989), section 3.2.

    Examples
    --------
    >>> kalman((10.0, 1.0, True), 12.0, process=0.0, noise=1.0)
    ((11.0, 0.5, True), 11.0)
    """
    level, variance, started = state
    if not started:
        return (x * 1.0, noise * 1.0, True), x * 1.0
    variance += process
    gain = variance / (variance + noise)
    level += gain * (x - level)
    return (level, (1.0 - gain) * variance, True), level


class Window(NamedTuple):
    """The last values: in a ring, and in order of size."""

    values: np.ndarray
    ordered: np.ndarray
    seen: int


def _window() -> Window:
    return Window(np.zeros(LONGEST_WINDOW), np.zeros(LONGEST_WINDOW), 0)


def _slide(state, x, window):
    """Put a value into the window, and the oldest one out of it; return how many are there."""
    if window < 1 or window > LONGEST_WINDOW:
        raise ValueError("the window must be 1 to 64")
    values, ordered, seen = state
    count = min(seen, window)
    if seen >= window:  # close the gap
        oldest = values[seen % window]
        count -= 1
        i = 0
        while ordered[i] < oldest:
            i += 1
        while i < count:
            ordered[i] = ordered[i + 1]
            i += 1
    i = count
    while i > 0 and ordered[i - 1] > x:
        ordered[i] = ordered[i - 1]
        i -= 1
    ordered[i] = values[seen % window] = x
    return count + 1


def _middle(ordered, count):
    half = count // 2
    return ordered[half] if count % 2 else 0.5 * (ordered[half - 1] + ordered[half])


@dfv.scan(init=_window(), author="dataflare_vec")
def rolling_median(state, x, window=5):
    """Median of the last values, including the current one: a smoother robust to single spikes.

    Parameters
    ----------
    x : float
        In the order of time. A NaN gives NaN, and isn't put into the window.
    window : int
        1 to 64 values; at the start, as many as there are.

    Returns
    -------
    float
        The median; of an even number of values, the mean of the middle two.

    Raises
    ------
    ValueError
        If the window has another size: the row fails.

    Notes
    -----
    The window is kept in order, a row takes time with its size. The same as Polars'
    ``rolling_median(window, min_samples=1)`` for numbers.

    Source: J. W. Tukey, Exploratory Data Analysis (1977), chapter 7.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> frame = pl.DataFrame({"x": [1.0, 9.0, 2.0, 3.0]})
    >>> frame.pipe(dfv.apply, "rolling_median", window=3)["rolling_median"].to_list()
    [1.0, 5.0, 2.0, 3.0]
    """
    if x != x:
        return state, math.nan
    count = _slide(state, x, window)
    return Window(state.values, state.ordered, state.seen + 1), _middle(state.ordered, count)


class Hampel(NamedTuple):
    """What the filter made of a value."""

    cleaned: float
    outlier: bool


def _typical_distance(ordered, count, middle):
    """Median of the distances from the median; they grow to both sides of it, and are merged."""
    left, right = count // 2 - 1, count // 2
    last = before = 0.0
    for _ in range(count // 2 + 1):
        below = middle - ordered[left] if left >= 0 else math.inf
        above = ordered[right] - middle if right < count else math.inf
        before = last
        if below < above:
            last = below
            left -= 1
        else:
            last = above
            right += 1
    return last if count % 2 else 0.5 * (before + last)


@dfv.scan(init=_window(), author="dataflare_vec")
def hampel(state, x, window=7, limit=3.0):
    """Hampel filter: values far from the median of the last ones are outliers, and replaced by it.

    Parameters
    ----------
    x : float
        In the order of time. A NaN gives NaN, no outlier, and isn't put into the window.
    window : int
        1 to 64 values, this one included; at the start, as many as there are.
    limit : float
        How many standard deviations away is far. The deviation is estimated as 1.4826 times the median
        distance from the median, as of normal noise.

    Returns
    -------
    Hampel
        ``cleaned``, ``outlier``.

    Raises
    ------
    ValueError
        If the window has another size: the row fails.

    Notes
    -----
    Looks at the past alone, so that it can run on a stream.

    Source: F. R. Hampel, "The Influence Curve and its Role in Robust Estimation", Journal of the American
    Statistical Association 69 (1974).

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> frame = pl.DataFrame({"x": [1.0, 1.1, 0.9, 50.0, 1.0]})
    >>> frame.pipe(dfv.apply, "hampel", keep=False).rows()[2:]
    [(0.9, False), (1.05, True), (1.0, False)]
    """
    if x != x:
        return state, Hampel(math.nan, False)
    count = _slide(state, x, window)
    middle = _middle(state.ordered, count)
    far = abs(x - middle) > limit * 1.4826 * _typical_distance(state.ordered, count, middle)
    return Window(state.values, state.ordered, state.seen + 1), Hampel(middle if far else x * 1.0, far)


class Season(NamedTuple):
    """Level, trend and the deviations of a season's steps."""

    level: float
    trend: float
    season: np.ndarray
    seen: int


class Forecast(NamedTuple):
    """What was expected of a row, and the level it left."""

    expected: float
    level: float


@dfv.scan(init=Season(0.0, 0.0, np.zeros(LONGEST_WINDOW), 0), author="dataflare_vec")
def holt_winters(state, x, period=12, alpha=0.3, beta=0.1, gamma=0.1):
    """Holt–Winters smoothing with an additive season: what each row was expected to be.

    Parameters
    ----------
    x : float
        At regular times.
    period : int
        Rows of a season, 1 to 64.
    alpha, beta, gamma : float
        Weights of the newest value in level, trend and season, 0 to 1.

    Returns
    -------
    Forecast
        ``expected``: the forecast made before the row was seen; NaN within the first season, from whose mean
        the level starts. ``level``: without season.

    Raises
    ------
    ValueError
        If the period has another size: the row fails.

    Notes
    -----
    Source: P. R. Winters, "Forecasting Sales by Exponentially Weighted Moving Averages", Management Science 6
    (1960).

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> frame = pl.DataFrame({"x": [1.0, 3.0, 1.0, 3.0, 1.0]})
    >>> frame.pipe(dfv.apply, "holt_winters", period=2)["expected"].to_list()
    [nan, nan, 1.0, 3.0, 1.0]
    """
    if period < 1 or period > LONGEST_WINDOW:
        raise ValueError("the period must be 1 to 64")
    level, trend, season, seen = state
    step = seen % period
    if seen < period:
        season[step] = x
        level += x / period
        if seen == period - 1:
            for i in range(period):
                season[i] -= level
        return Season(level, trend, season, seen + 1), Forecast(math.nan, math.nan)
    expected = level + trend + season[step]
    before = level
    level = alpha * (x - season[step]) + (1.0 - alpha) * (level + trend)
    trend = beta * (level - before) + (1.0 - beta) * trend
    season[step] = gamma * (x - level) + (1.0 - gamma) * season[step]
    return Season(level, trend, season, seen + 1), Forecast(expected, level)
