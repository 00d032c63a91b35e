"""Sketches: few rows, limits, states that are merged, and what can be told of random ones."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from dataflare_vec_kernels import sketches
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import dataflare_vec as dfv
from dataflare_vec.engine.stages.partitioned import PARTITION_ROWS

ROWS = 200_000  # several partitions, whose states are merged


@pytest.fixture(scope="module")
def df():
    random = np.random.default_rng(2)
    return pl.DataFrame(
        {
            "key": random.integers(0, 50_000, ROWS),
            "x": random.gamma(2.0, 3.0, ROWS) - 1.0,
            "group": random.choice([1, 2], ROWS),
        }
    )


def one(df, name, **bindings):
    """The one row, whose bits mustn't depend on threads and chunks."""
    whole = dfv.apply(df, name, **bindings)
    config = dfv.BatchConfig(min_batch_size=30_001, max_batch_size=30_001)
    assert dfv.apply(df, name, config=config, **bindings).equals(whole)
    return whole.row(0)


def test_welford_does_not_cancel():
    x = [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16]  # sums of squares lose the variance
    assert one(pl.DataFrame({"x": x}), "welford") == (4, 1e9 + 10, 30.0)


def test_welford_of_few_rows():
    none = pl.DataFrame({"x": []}, schema={"x": pl.Float64})
    count, mean, variance = one(none, "welford")
    assert count == 0
    assert math.isnan(mean)
    assert math.isnan(variance)
    assert one(pl.DataFrame({"x": [None, 2.0]}), "welford")[:2] == (1, 2.0)


@pytest.mark.parametrize("name", ["skewness", "kurtosis"])
def test_moments_of_equal_values_are_nan(name):
    for x in ([], [1.0], [2.0, 2.0]):
        assert math.isnan(one(pl.DataFrame({"x": x}, schema={"x": pl.Float64}), name)[0])


def test_in_a_group_by(df):
    got = df.group_by("group", maintain_order=True).agg(
        dfv.expr("kurtosis", "x"), dfv.expr("approx_distinct", "key"), dfv.expr("approx_quantile", "x", q=0.9)
    )
    x, key = pl.col("x"), pl.col("key")
    expected = df.group_by("group", maintain_order=True).agg(
        x.kurtosis(), key.n_unique(), x.quantile(0.9).alias("q")
    )
    assert got["kurtosis"].to_list() == pytest.approx(expected["x"].to_list())
    assert got["approx_distinct"].to_list() == pytest.approx(expected["key"].to_list(), rel=0.05)
    assert got["approx_quantile"].to_list() == pytest.approx(expected["q"].to_list(), rel=0.0101)


def test_moments_are_merged_in_any_place(df):
    x = df["x"].to_list()[:300]
    for cut in (0, 1, 150, 299, 300):
        parts = [sketches.NO_ROWS, sketches.NO_ROWS]
        for i, value in enumerate(x):
            parts[i >= cut] = sketches.kurtosis(parts[i >= cut], value)
        together = sketches._together(*parts)
        assert sketches._kurtosis(together) == pytest.approx(stats.kurtosis(x))
        assert sketches._skewness(together) == pytest.approx(stats.skew(x))


def test_moments_with_a_first_value_far_from_the_others():
    x = np.concatenate([[1e6], np.random.default_rng(3).gamma(2.0, 3.0, 1000)])
    df = pl.DataFrame({"x": x})
    assert one(df, "welford") == pytest.approx((1001, x.mean(), x.var(ddof=1)), rel=1e-12)
    assert one(df, "skewness") == pytest.approx((stats.skew(x),), rel=1e-12)
    assert one(df, "kurtosis") == pytest.approx((stats.kurtosis(x),), rel=1e-12)


@pytest.mark.parametrize("x", [[math.inf, 1.0, 2.0], [1.0, math.inf, 2.0]])
def test_the_mean_of_infinity(x):
    assert one(pl.DataFrame({"x": x}), "welford")[1] == math.inf


@pytest.mark.parametrize("distinct", [0, 1, 100, 3000, 50_000, 1_000_000])
def test_approx_distinct(distinct):
    df = pl.DataFrame(
        {"key": np.resize(np.arange(distinct) * 7919, min(distinct * 3, 1_000_000))}, schema={"key": pl.Int64}
    )
    (got,) = one(df, "approx_distinct")
    assert got == pytest.approx(distinct, rel=0.05)
    assert one(df.reverse(), "approx_distinct") == (got,)  # in whatever order they are merged


def test_approx_distinct_of_strings(df):
    names = df.select(name=pl.format("customer {}", "key"))
    (got,) = dfv.apply(
        names, "approx_distinct", key=dfv.expr("xxhash64", "name").reinterpret(signed=True)
    ).row(0)
    assert got == pytest.approx(names["name"].n_unique(), rel=0.05)


def test_approx_quantile_of_few_values():
    def quantile(*x, q=0.5):
        return one(pl.DataFrame({"x": x}, schema={"x": pl.Float64}), "approx_quantile", q=q)[0]

    assert math.isnan(quantile())
    assert math.isnan(quantile(math.nan))
    assert quantile(0.0, None, math.nan) == 0.0
    assert quantile(-5.0, 0.0, 3.0) == 0.0
    assert quantile(-5.0, 0.0, 3.0, q=0.0) == pytest.approx(-5, rel=0.01)
    assert quantile(1e300) == pytest.approx(2.0**30, rel=0.01)  # beyond the last bucket
    assert quantile(-math.inf) == pytest.approx(-(2.0**30), rel=0.01)
    assert quantile(1e-10) == 0.0
    assert quantile(1e-9) == pytest.approx(1e-9, rel=0.01)


@given(st.floats(2.0**-30, 2.0**30, exclude_max=True), st.sampled_from([1, -1]))
def test_a_bucket_stands_for_its_values(size, sign):
    x = sign * size
    bucket = sketches._bucket(x)
    middle = sketches._middle(bucket)
    assert middle == pytest.approx(x, rel=0.0078)
    assert sketches._bucket(middle) == bucket


@given(st.lists(st.floats(allow_nan=False), min_size=2))
def test_buckets_are_in_order(values):
    buckets = [sketches._bucket(x) for x in sorted(values)]
    assert buckets == sorted(buckets)


def test_the_quantile_is_the_one_asked_for_whatever_partitions_are_null():
    x = pl.Series([None] * PARTITION_ROWS + list(range(100)) + [None] * 2 * PARTITION_ROWS, dtype=pl.Float64)
    (got,) = one(pl.DataFrame({"x": x}), "approx_quantile", q=0.9)
    assert got == pytest.approx(89, rel=0.01)


@pytest.mark.parametrize(("weight", "match"), [(-1.0, "negative weight"), (float("nan"), "a weight is NaN")])
def test_weighted_median_refuses_what_is_no_weight(weight, match):
    df = pl.DataFrame({"x": [1.0, 2.0, 3.0], "weight": [1.0, weight, 1.0]})
    with pytest.raises(dfv.RowError, match=match):
        dfv.apply(df, "weighted_median")


def test_reservoir():
    df = pl.DataFrame({"x": np.arange(100.0)})
    drawn = [one(df, "reservoir", size=20, seed=seed)[0] for seed in range(300)]
    assert all(len(set(sample)) == 20 for sample in drawn)
    # Each value has the same chance: 60 of 300 samples hold it, and none far fewer or more.
    often = np.bincount(np.concatenate(drawn).astype(int), minlength=100)
    assert stats.chisquare(often).pvalue > 0.01
    assert one(df, "reservoir", size=20, seed=1) == (drawn[1],)


def test_reservoir_of_fewer_values_is_all_of_them():
    df = pl.DataFrame({"x": [3.0, None, 1.0]})
    assert sorted(one(df, "reservoir")[0]) == [1.0, 3.0]
    assert one(df.clear(), "reservoir") == ([],)
    with pytest.raises(dfv.RowError, match="1 to 64 values"):
        dfv.apply(df, "reservoir", size=65)


@given(
    st.lists(st.sampled_from([1.0, 2.0, math.inf]) | st.just(-math.inf), min_size=1, max_size=9),
    st.sampled_from([1, 70, 300]),
)
def test_means_over_infinite_values_are_polars_own(parts, rows):
    x = pl.Series("x", [value for part in parts for value in [part] * rows])
    assert one(x.to_frame(), "welford")[1] == pytest.approx(x.mean(), nan_ok=True)
