"""Series without their noise: averages, filters, seasons."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

import dataflare_vec as dfv

#: Values that `rolling_median` and `hampel` look at, at most; and steps of a season.
LONGEST_WINDOW = 64


@dfv.scan(init=(0.0, 0.0), author="dataflare_vec")
def ewma(state, x, alpha=0.1):  # type: ignore[no-untyped-def]
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
def kalman(state, x, process=1e-3, noise=1.0):  # type: ignore[no-untyped-def]
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


def _median(values, count):  # type: ignore[no-untyped-def]
    """Median of the first values, which get sorted."""
    for i in range(1, count):
        value, j = values[i], i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    middle = count // 2
    return values[middle] if count % 2 else 0.5 * (values[middle - 1] + values[middle])


class Window(NamedTuple):
    """The last values, in a ring."""

    values: np.ndarray
    sorted: np.ndarray
    seen: int


def _window() -> Window:
    return Window(np.zeros(LONGEST_WINDOW), np.zeros(LONGEST_WINDOW), 0)


@dfv.scan(init=_window(), author="dataflare_vec")
def rolling_median(state, x, window=5):  # type: ignore[no-untyped-def]
    """Median of the last values, this one included: a smoother that single spikes don't get through.

    Parameters
    ----------
    x : float
        In the order of time.
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
    Source: J. W. Tukey, Exploratory Data Analysis (1977), chapter 7.
    """
    if window < 1 or window > LONGEST_WINDOW:
        raise ValueError("the window must be 1 to 64")
    values, ordered, seen = state
    values[seen % window] = x
    count = min(seen + 1, window)
    ordered[:count] = values[:count]
    return Window(values, ordered, seen + 1), _median(ordered, count)


class Hampel(NamedTuple):
    """What the filter made of a value."""

    cleaned: float
    outlier: bool


@dfv.scan(init=_window(), author="dataflare_vec")
def hampel(state, x, window=7, limit=3.0):  # type: ignore[no-untyped-def]
    """Hampel filter: values far from the median of the last ones are outliers, and replaced by it.

    Parameters
    ----------
    x : float
        In the order of time.
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
    Source: F. R. Hampel, "The Influence Curve and its Role in Robust Estimation", Journal of the American
    Statistical Association 69 (1974).
    """
    if window < 1 or window > LONGEST_WINDOW:
        raise ValueError("the window must be 1 to 64")
    values, ordered, seen = state
    values[seen % window] = x
    count = min(seen + 1, window)
    ordered[:count] = values[:count]
    median = _median(ordered, count)
    for i in range(count):
        ordered[i] = abs(values[i] - median)
    far = abs(x - median) > limit * 1.4826 * _median(ordered, count)
    return Window(values, ordered, seen + 1), Hampel(median if far else x * 1.0, far)


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
def holt_winters(state, x, period=12, alpha=0.3, beta=0.1, gamma=0.1):  # type: ignore[no-untyped-def]
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
