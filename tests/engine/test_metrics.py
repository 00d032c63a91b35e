"""Counts are exact under threads; quantiles are NumPy's, to 1 %."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.engine.context.metrics import Histogram, Metrics

SHARES = (0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
COUNTS = st.integers(1, 3000)
SEEDS = st.integers(0, 2**32 - 1)


def check_quantiles(latencies):
    histogram = Histogram()
    for seconds in latencies:
        histogram.add(seconds)
    assert histogram.count == len(latencies)
    for share in SHARES:
        expected = np.quantile(latencies, share, method="inverted_cdf")
        assert histogram.quantile(share) == pytest.approx(expected, rel=0.01), share


@given(count=COUNTS, seed=SEEDS, middle=st.floats(-12, 3), spread=st.floats(0.01, 2))
def test_quantiles_of_lognormal_latencies(count, seed, middle, spread):
    latencies = np.random.default_rng(seed).lognormal(middle, spread, count)
    check_quantiles(np.clip(latencies, 1e-7, 1e4))


@given(count=COUNTS, seed=SEEDS, low=st.floats(1e-7, 1), width=st.floats(0, 1000))
def test_quantiles_of_uniform_latencies(count, seed, low, width):
    check_quantiles(np.random.default_rng(seed).uniform(low, low + width, count))


@given(seconds=st.floats(1e-7, 1e4), count=st.integers(1, 50))
def test_quantiles_of_constant_latencies(seconds, count):
    check_quantiles(np.full(count, seconds))


@given(seconds=st.lists(st.floats(1e-7, 1e4), min_size=1, max_size=200), bound=st.floats(1e-7, 1e4))
def test_at_most_is_exact_beyond_one_percent_of_the_bound(seconds, bound):
    histogram = Histogram()
    for each in seconds:
        histogram.add(each)
    surely = sum(each < bound * 0.99 for each in seconds)
    maybe = sum(each <= bound * 1.01 for each in seconds)
    assert surely <= histogram.at_most(bound) <= maybe


@pytest.mark.parametrize(
    ("seconds", "counted_as"),
    [(0.0, 1e-7), (-1.0, 1e-7), (1e-12, 1e-7), (float("nan"), 1e-7), (1e9, 1e4), (float("inf"), 1e4)],
)
def test_what_is_out_of_range_counts_as_the_nearest_that_is_not(seconds, counted_as):
    histogram = Histogram()
    histogram.add(seconds)
    assert histogram.count == 1
    assert histogram.quantile(0.5) == pytest.approx(counted_as, rel=0.03)


def test_an_empty_histogram_and_a_copy():
    histogram = Histogram()
    assert (histogram.quantile(0.99), histogram.at_most(1.0)) == (0.0, 0)
    histogram.add(0.5)
    copy = histogram.copy()
    histogram.add(0.5)
    assert (copy.count, copy.at_most(1.0), histogram.count) == (1, 1, 2)


def test_a_million_latencies_take_few_buckets():
    histogram = Histogram()
    for seconds in np.random.default_rng(0).lognormal(-7, 3, 50_000):
        histogram.add(seconds)
    assert len(histogram.buckets) <= 1281


def test_counts_are_exact_under_eight_threads():
    metrics, runs = Metrics(), 2_000
    chunks = [(64, 2.0**-10), (36, 2.0**-12)]  # sums of these are exact
    start = threading.Barrier(8)

    def work():
        start.wait()
        for i in range(runs):
            metrics.count("shared", chunks, failed=i % 3)
            metrics.count(f"own {threading.get_ident()}", chunks[:1], failed=0)
            if i % 100 == 0:
                metrics.fail("shared", 5)
                snapshot = metrics.get("shared")
                assert snapshot.batches == 2 * snapshot.runs  # never amid a run

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = metrics.get("shared")
    whole = 8 * runs // 100 * 5
    assert (found.runs, found.batches) == (8 * runs, 16 * runs)
    assert found.total_processed == 8 * runs * 100 + whole
    assert found.error_count == 8 * sum(i % 3 for i in range(runs)) + whole
    assert found.busy_time == timedelta(seconds=8 * runs * (2.0**-10 + 2.0**-12))
    own = [one for name, one in metrics.all().items() if name != "shared"]
    assert [(one.runs, one.total_processed) for one in own] == [(runs, 64 * runs)] * 8


def test_what_a_snapshot_says():
    metrics = Metrics()
    assert metrics.get("a") is None
    assert metrics.latencies("a") is None
    assert metrics.all() == {}
    before = datetime.now(timezone.utc)
    metrics.count("a", [(300, 0.25), (100, 0.25)], failed=4)
    found = metrics.get("a")
    assert (found.average_latency, found.average_throughput) == (timedelta(seconds=0.25), 800.0)
    assert found.error_rate == 0.01
    assert found.p50 == found.p95 == found.p99
    assert before - timedelta(seconds=1) <= found.last_run <= datetime.now(timezone.utc)
    metrics.count("a", [(100, 0.5)], failed=0)
    assert found.total_processed == 400  # a snapshot stays what it is
    histogram, total = metrics.latencies("a")
    assert (histogram.count, total) == (3, 1.0)
    metrics.forget("a")
    metrics.forget("a")
    assert metrics.get("a") is None


def test_no_run_divides_by_zero():
    metrics = Metrics()
    metrics.fail("a", 10)
    found = metrics.get("a")
    assert (found.average_latency, found.average_throughput) == (timedelta(0), 0.0)
    assert (found.error_rate, found.last_run, found.p99) == (1.0, None, timedelta(0))
    assert "never" in found._repr_html_()
    metrics.count("b", [], failed=0)
    assert metrics.get("b").error_rate == 0.0


def test_rows_of_each_plugin_of_a_pipeline():
    manager = dfv.PluginManager()

    def failing(x):
        if x == 3.0:
            raise ValueError("three")
        return x

    manager.register_plugin("failing", failing)
    manager.register_plugin("small", lambda failing: failing < 6.0, plugin_type="filter")
    manager.register_plugin("last", lambda failing: failing * 2.0)
    records = [{"x": float(i)} for i in range(10)]
    result = manager.process_batch(["failing", "small", "last"], records, on_error="drop")
    assert result.frame["last"].to_list() == [0.0, 2.0, 4.0, 8.0, 10.0]
    counts = {
        name: (one.total_processed, one.error_count, one.runs)
        for name, one in manager.get_system_status().metrics.items()
    }
    assert counts == {"failing": (10, 1, 1), "small": (9, 0, 1), "last": (5, 0, 1)}


def test_metrics_turned_off():
    manager = dfv.PluginManager(dfv.PluginManagerConfig(enable_metrics=False))
    manager.register_plugin("double", lambda x: x * 2.0)
    assert manager.process_batch("double", [{"x": 1.0}]).success_count == 1
    assert manager.get_metrics("double") is None
    status = manager.get_system_status()
    assert (status.metrics, status.total_processed) == ({}, 0)
    manager.unregister("double")
