"""Indicators of price series."""

from __future__ import annotations

import math
from typing import NamedTuple

import dataflare_vec as dfv


@dfv.scan(init=-math.inf, author="dataflare_vec")
def drawdown(state, price):
    """Decline of a price from its running maximum, as a share of that maximum.

    Parameters
    ----------
    price : float
        Above 0.

    Returns
    -------
    float
        -1 to 0.

    Examples
    --------
    >>> drawdown(120.0, 90.0)
    (120.0, -0.25)
    """
    peak = max(state, price * 1.0)
    return peak, price / peak - 1.0


class Candle(NamedTuple):
    """A candle of averages."""

    ha_open: float
    ha_high: float
    ha_low: float
    ha_close: float


@dfv.scan(init=(0.0, 0.0, False), author="dataflare_vec")
def heikin_ashi(state, open, high, low, close):
    """Heikin-Ashi candles: trends without single rows' jumps.

    Parameters
    ----------
    open, high, low, close : float
        Prices of a row's time.

    Returns
    -------
    Candle
        ``ha_open``: the middle of the candle before; ``ha_close``: the mean of the four prices.

    Notes
    -----
    Source: D. Valcu, "Using The Heikin-Ashi Technique", Stocks & Commodities 22 (2) (2004).

    Examples
    --------
    >>> heikin_ashi((10.0, 12.0, True), 11.0, 14.0, 10.0, 13.0)[1]
    Candle(ha_open=11.0, ha_high=14.0, ha_low=10.0, ha_close=12.0)
    """
    last_open, last_close, started = state
    mean = (open + high + low + close) / 4.0
    start = (last_open + last_close) / 2.0 if started else (open + close) / 2.0
    return (start, mean, True), Candle(start, max(high, start, mean), min(low, start, mean), mean)


def _wilder(average, value, seen, period):
    """Average after ``seen`` values before: the mean of the first ones, then smoothed by 1/period."""
    if seen < period:
        return average + value / period
    return average + (value - average) / period


@dfv.scan(init=(0.0, 0.0, 0.0, -1), author="dataflare_vec")
def rsi(state, price, period=14):
    """Relative strength index: share of the gains in the last changes of a price, in percent.

    Parameters
    ----------
    price : float
        In the order of time.
    period : int
        Over how many changes gains and losses are averaged.

    Returns
    -------
    float or None
        0 to 100; None until there were as many changes. 50 if nothing changed.

    Notes
    -----
    Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978), section VI.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> prices = pl.DataFrame({"price": [10.0, 11.0, 12.0, 11.0]})
    >>> prices.pipe(dfv.apply, "rsi", period=2)["rsi"].to_list()
    [None, None, 100.0, 50.0]
    """
    last, gain, loss, seen = state
    if seen < 0:
        return (price * 1.0, 0.0, 0.0, 0), None
    change = price - last
    gain = _wilder(gain, max(change, 0.0), seen, period)
    loss = _wilder(loss, max(-change, 0.0), seen, period)
    after = (price * 1.0, gain, loss, seen + 1)
    if seen + 1 < period:
        return after, None
    if gain + loss == 0.0:
        return after, 50.0
    return after, 100.0 * gain / (gain + loss)


class Macd(NamedTuple):
    """The indicator, its average, and their difference."""

    macd: float
    signal: float
    histogram: float


@dfv.scan(init=(0.0, 0.0, 0.0, False), author="dataflare_vec")
def macd(state, price, fast=12, slow=26, smooth=9):
    """Moving average convergence/divergence: a fast average of a price less a slow one.

    Parameters
    ----------
    price : float
        In the order of time.
    fast, slow, smooth : int
        Spans of the exponential averages of the price, and of their difference; alpha is 2 / (span + 1).

    Returns
    -------
    Macd
        ``macd``, ``signal``, ``histogram``. The averages start at the first row's price.

    Notes
    -----
    The same as differences of Polars' ``ewm_mean(span=…, adjust=False)``.

    Source: G. Appel, The Moving Average Convergence-Divergence Trading Method (1985).

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> prices = pl.DataFrame({"price": [10.0, 10.0, 12.0]})
    >>> prices.pipe(dfv.apply, "macd", fast=1, slow=3, smooth=1)["macd"].to_list()
    [0.0, 0.0, 1.0]
    """
    quick, slowly, signal, started = state
    if not started:
        return (price * 1.0, price * 1.0, 0.0, True), Macd(0.0, 0.0, 0.0)
    quick += (price - quick) * 2.0 / (fast + 1)
    slowly += (price - slowly) * 2.0 / (slow + 1)
    value = quick - slowly
    signal += (value - signal) * 2.0 / (smooth + 1)
    return (quick, slowly, signal, True), Macd(value, signal, value - signal)


@dfv.scan(init=(0.0, 0.0, 0), author="dataflare_vec")
def atr(state, high, low, close, period=14):
    """Average true range: how much a price moves in a row's time.

    Parameters
    ----------
    high, low, close : float
        Prices of a row's time.
    period : int
        Over how many rows it is averaged, by Wilder's smoothing.

    Returns
    -------
    float or None
        None until there were as many rows.

    Notes
    -----
    The true range is the largest of high - low and the distances of both from the close before; of the first
    row, high - low.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978), section III.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> bars = pl.DataFrame({"high": [5.0, 6.0, 8.0], "low": [4.0, 5.0, 5.0], "close": [4.5, 5.5, 7.0]})
    >>> bars.pipe(dfv.apply, "atr", period=2)["atr"].to_list()
    [None, 1.25, 2.125]
    """
    last, average, seen = state
    span = high - low
    if seen > 0:
        span = max(span, abs(high - last), abs(low - last))
    average = _wilder(average, span, seen, period)
    after = (close * 1.0, average, seen + 1)
    if seen + 1 < period:
        return after, None
    return after, average
