"""Series kernels against plain loops and NumPy; with keys and for any chunk size."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv

ROWS = 400


@pytest.fixture(scope="module")
def df():
    random = np.random.default_rng(11)
    price = 100 + random.normal(size=ROWS).cumsum()
    low, high = price - random.uniform(0.1, 2, ROWS), price + random.uniform(0.1, 2, ROWS)
    return pl.DataFrame(
        {
            "key": random.integers(0, 3, ROWS),
            "x": np.round(random.normal(size=ROWS), 1),
            "level": random.integers(0, 3, ROWS).astype(float),
            "time": random.integers(0, 4000, ROWS).cumsum(),
            "price": price,
            "open": np.roll(price, 1),
            "high": high,
            "low": low,
            "close": random.uniform(low, high),
        }
    )


def run(df, name, chunk=None, **bindings):
    config = None if chunk is None else dfv.BatchConfig(min_batch_size=chunk, max_batch_size=chunk)
    return dfv.run(df, name, keep=False, config=config, **bindings).frame


@pytest.fixture
def check(df):
    """Compare a kernel with a function from columns to columns: one series, one for each key, in chunks."""

    def compare(name, oracle, *columns, bindings=None, rtol=1e-9):
        bindings = bindings or {}
        whole = run(df, name, **bindings)

        def assert_same(got, part):
            expected = oracle(*[part[column].to_numpy() for column in columns])
            expected = expected if isinstance(expected, tuple) else (expected,)
            assert got.width == len(expected)
            for series, wanted in zip(got, expected, strict=True):
                values = series.to_list()
                assert [v is None for v in values] == [v is None for v in wanted]
                values = np.array([math.nan if v is None else v for v in values], float)
                wanted = np.array([math.nan if v is None else v for v in wanted], float)
                np.testing.assert_allclose(values, wanted, rtol=rtol, atol=1e-9)

        assert_same(whole, df)
        for chunk in (1, 7, 64):
            assert run(df, name, chunk, **bindings).equals(whole)
        by_key = run(df, name, by="key", **bindings)
        for key in range(3):
            here = pl.Series(df["key"] == key)
            assert_same(by_key.filter(here), df.filter(here))

    return compare


def test_ewma_passes_over_nulls():
    df = pl.DataFrame({"x": [1.0, None, 3.0]})
    expected = df.select(pl.col("x").ewm_mean(alpha=0.1, ignore_nulls=True))["x"].to_list()
    assert run(df, "ewma").to_series().to_list() == [expected[0], None, pytest.approx(expected[2])]


def local_level(process, noise):
    """Regression on all measurements so far: the covariance matrix of random walk and noise, inverted."""

    def oracle(values):
        expected = []
        for n in range(1, len(values) + 1):
            lags = np.arange(n)
            covariance = process * np.minimum.outer(lags, lags) + noise * np.eye(n)
            # The level starts anywhere: generalised least squares for it, then the last state's prediction.
            inverse_ones = np.linalg.solve(covariance, np.ones(n))
            start = inverse_ones @ values[:n] / inverse_ones.sum()
            to_last = process * np.minimum(lags, n - 1)
            expected.append(start + to_last @ np.linalg.solve(covariance, values[:n] - start))
        return expected

    return oracle


def test_kalman(check):
    check("kalman", local_level(0.05, 1.0), "x", bindings={"process": 0.05}, rtol=1e-6)


def test_a_nan_stays_out_of_the_window():
    df = pl.DataFrame({"x": [1.0, math.nan, 3.0]})
    got = run(df, "rolling_median").to_series().to_list()
    assert got == [1.0, pytest.approx(math.nan, nan_ok=True), 2.0]
    assert run(df, "hampel")["outlier"].to_list() == [False, False, False]


@pytest.mark.parametrize("name", ["rolling_median", "hampel"])
def test_a_window_of_another_size_fails(name):
    for size in (0, 65):
        with pytest.raises(dfv.RowError, match="the window must be 1 to 64"):
            dfv.apply(pl.DataFrame({"x": [1.0]}), name, window=size)


def test_hampel(check):
    def oracle(values, window=7, limit=1.0):
        cleaned, outliers = [], []
        for i, x in enumerate(values):
            last = values[max(0, i + 1 - window) : i + 1]
            middle = np.median(last)
            outlier = abs(x - middle) > limit * 1.4826 * np.median(np.abs(last - middle))
            cleaned.append(middle if outlier else x)
            outliers.append(outlier)
        assert 0 < sum(outliers) < len(outliers)
        return cleaned, outliers

    check("hampel", oracle, "x", bindings={"limit": 1.0})
    check("hampel", lambda x: oracle(x, 10), "x", bindings={"limit": 1.0, "window": 10})


def test_holt_winters(check):
    def oracle(values, m=12, alpha=0.3, beta=0.1, gamma=0.1):
        levels, trends = [math.nan] * (m - 1) + [np.mean(values[:m])], [0.0] * m
        seasons = list(values[:m] - levels[-1])
        expected, shown = [math.nan] * m, [math.nan] * m
        for t in range(m, len(values)):
            expected.append(levels[-1] + trends[-1] + seasons[t - m])
            levels.append(alpha * (values[t] - seasons[t - m]) + (1 - alpha) * (levels[-1] + trends[-1]))
            trends.append(beta * (levels[-1] - levels[-2]) + (1 - beta) * trends[-1])
            seasons.append(gamma * (values[t] - levels[-1]) + (1 - gamma) * seasons[t - m])
            shown.append(levels[-1])
        return expected, shown

    check("holt_winters", oracle, "price", bindings={"x": "price"})
    check("holt_winters", lambda x: oracle(x, 5), "x", bindings={"period": 5})


def test_cusum(check):
    def oracle(values):
        up, down, ups, downs, alarms = 0.0, 0.0, [], [], []
        for x in values:
            up, down = max(0.0, up + x - 0.25), max(0.0, down - x - 0.25)
            ups.append(up)
            downs.append(down)
            alarms.append(up > 2 or down > 2)
            if alarms[-1]:
                up = down = 0.0
        assert any(alarms)
        return ups, downs, alarms

    check("cusum", oracle, "x", bindings={"slack": 0.25, "limit": 2.0})


def test_sessionise_counts_times_in_their_own_unit(df):
    times = df.select(time=pl.col("time").cast(pl.Datetime("us")))
    assert run(times, "sessionise").equals(run(df, "sessionise"))


def test_debounce(check):
    def oracle(values):
        settled, out = values[0], []
        for i, x in enumerate(values):
            if i >= 1 and all(values[max(0, i - 1) : i + 1] == x):
                settled = x
            out.append(settled)
        return out

    check("debounce", oracle, "level", bindings={"x": "level", "rows": 2})


def test_heikin_ashi(check):
    def oracle(first, high, low, last):
        closes = (first + high + low + last) / 4
        opens = [(first[0] + last[0]) / 2]
        for close in closes[:-1]:
            opens.append((opens[-1] + close) / 2)
        highs = np.max([high, opens, closes], axis=0)
        return opens, highs, np.min([low, opens, closes], axis=0), closes

    check("heikin_ashi", oracle, "open", "high", "low", "close")


def smoothed(values, period):
    """Wilder's averages: a mean of the first values, then exponential."""
    averages = [None] * (period - 1) + [np.mean(values[:period])]
    for value in values[period:]:
        averages.append((averages[-1] * (period - 1) + value) / period)
    return averages


def test_rsi(check):
    def oracle(values, period=14):
        changes = np.diff(values)
        gains, losses = smoothed(np.maximum(changes, 0), period), smoothed(np.maximum(-changes, 0), period)
        pairs = zip(gains, losses, strict=True)
        return [None, *[None if g is None else 100 - 100 / (1 + g / loss) for g, loss in pairs]]

    check("rsi", oracle, "price")


def test_rsi_of_a_price_that_stands_still():
    df = pl.DataFrame({"price": [1.0] * 4})
    assert run(df, "rsi", period=2).to_series().to_list() == [None, None, 50.0, 50.0]


def test_atr(check):
    def oracle(high, low, close, period=14):
        before = np.roll(close, 1)
        spans = np.max([high - low, np.abs(high - before), np.abs(low - before)], axis=0)
        spans[0] = high[0] - low[0]
        return smoothed(spans, period)

    check("atr", oracle, "high", "low", "close")
