"""Tuners against simulated machines: cost per chunk, per row, caches, noise, outliers, a change half-way."""

from __future__ import annotations

import heapq
import math
import random
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflare_vec.config.settings import BatchConfig
from dataflare_vec.engine.tuner import (
    CallableTuner,
    ChunkTuner,
    FixedTuner,
    RuleTuner,
    TunerMemory,
    make_tuner,
    plot_trace,
)
from dataflare_vec.engine.tuner.sharing import Sharing
from dataflare_vec.exceptions import PluginError

CHUNK = 15e-6  # Python's seconds for a chunk


def cached(near, far, knee, chunk=CHUNK):
    """Cost of a chunk whose rows cost `near`, and `far` once more than about `knee` of them leave a cache."""

    def seconds(rows):
        outside = 1 / (1 + (knee / rows) ** 2)
        return chunk + rows * (near + (far - near) * outside)

    return seconds


def linear(row, chunk=CHUNK):
    return lambda rows: chunk + rows * row


MEMORY = cached(0.45e-9, 0.61e-9, 6e6)
# name → (cost before, cost after half of the chunks, σ of the noise)
WORKLOADS = {
    "memory-bound": (MEMORY, MEMORY, 0.04),
    "compute-bound": (linear(47e-9), linear(47e-9), 0.04),
    "pipeline of 5": (cached(2e-9, 3e-9, 2e5, 5 * CHUNK), cached(2e-9, 3e-9, 2e5, 5 * CHUNK), 0.04),
    # The chunk is run again in the error-recording loop, each failing row in Python up to a limit.
    "raising 1 %": (linear(8e-9, 3 * CHUNK), linear(8e-9, 3 * CHUNK), 0.04),
    "strings": (linear(30e-9), linear(30e-9), 0.1),
    "slower half-way": (MEMORY, linear(50e-9), 0.04),
    "quicker half-way": (linear(50e-9), MEMORY, 0.04),
    "larger values half-way": (MEMORY, cached(1e-9, 2e-9, 1e5), 0.04),
}
many = settings(max_examples=150)
SIZES = [64 << level for level in range(17)]


class Machine:
    """Runs chunks in simulated time."""

    def __init__(self, before, after=None, *, noise=0.04, outliers=0.005, seed=0):
        self.costs = (before, after or before)
        self.noise, self.outliers = noise, outliers
        self.random = random.Random(seed)

    def seconds(self, rows, *, second_half=False):
        value = self.costs[second_half](rows) * math.exp(self.random.gauss(0, self.noise))
        if self.random.random() < self.outliers:
            value *= 2 + self.random.expovariate(1 / 4)
        return value

    def run(self, tuner, chunks=200):
        """Return regret: true time over that of the best fixed size for the same rows, less 1."""
        spent = best = 0.0
        for i in range(chunks):
            half = 2 * i >= chunks
            rows = tuner.next_size()
            tuner.record(rows, self.seconds(rows, second_half=half))
            cost = self.costs[half]
            spent += cost(rows)
            best += rows * min(cost(n) / n for n in SIZES if 1.3 * cost(n) < tuner.target)
        return spent / best - 1


def settled(cost, config=None, chunks=90, **noise):
    tuner = ChunkTuner(config or BatchConfig())
    Machine(cost, **noise).run(tuner, chunks)
    return tuner


# -- the default tuner ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKLOADS)
def test_regret_is_below_five_percent(name):
    before, after, noise = WORKLOADS[name]
    regrets = sorted(
        Machine(before, after, noise=noise, seed=seed).run(ChunkTuner(BatchConfig())) for seed in range(40)
    )
    assert sum(regrets) / len(regrets) < 0.05
    if name != "larger values half-way":  # the few chunks of the old size alone cost 4 %
        assert regrets[-5] < 0.05


@pytest.mark.parametrize("row", [1e-9, 50e-9, 1e-6, 10e-6, 300e-6])
@pytest.mark.parametrize("change", [1, 3])
def test_latency_is_held(row, change):
    late = chunks = 0
    for seed in range(20):
        tuner = ChunkTuner(BatchConfig())
        Machine(linear(row), linear(row * change), noise=0.1, outliers=0.0, seed=seed).run(tuner)
        entries = list(tuner.trace)[10:]
        late += sum(entry.latency > tuner.target for entry in entries)
        chunks += len(entries)
    assert late <= 0.01 * chunks


def test_tight_target():
    tuner = settled(linear(100e-9), BatchConfig(target_latency=0.001), noise=0.05, outliers=0.0)
    assert all(entry.latency <= 0.001 for entry in list(tuner.trace)[10:])
    assert 2048 <= tuner.best_size <= 8192


def test_slow_chunks_often_mean_smaller_ones():
    # One chunk in thirty takes eight times as long, more than the target for chunks above an eighth of it.
    tuner = ChunkTuner(BatchConfig())
    machine = Machine(linear(10e-6), noise=0.02, outliers=0.0)
    for i in range(2000):
        rows = tuner.next_size()
        tuner.record(rows, machine.seconds(rows) * (8 if i % 30 == 29 else 1))
    late = sum(entry.latency > tuner.target for entry in list(tuner.trace)[-1000:])
    assert late <= 10


@pytest.mark.parametrize(
    ("cost", "sizes"),
    [(MEMORY, (1 << 20, 1 << 22)), (WORKLOADS["pipeline of 5"][0], (1 << 16, 1 << 19))],
)
def test_finds_the_best_size_in_few_chunks(cost, sizes):
    tuner = settled(cost, chunks=60, noise=0.01, outliers=0.0)
    assert tuner.state == "hold"
    assert sizes[0] <= tuner.best_size <= sizes[1]
    assert sum(entry.reason == "hold" for entry in tuner.trace) >= 10


def test_goes_to_the_default_size_where_all_are_equal():
    tuner = settled(linear(50e-9, chunk=0.0), chunks=60, noise=0.001, outliers=0.0)
    assert tuner.best_size == BatchConfig().default_batch_size


@pytest.mark.parametrize("factor", [2, 10, 500, 1e6])
def test_one_outlier_moves_nothing(factor):
    tuner = settled(MEMORY, noise=0.01, outliers=0.0)
    size = tuner.best_size
    tuner.record(tuner.next_size(), factor * MEMORY(size))
    assert tuner.trace[-1].reason in ("outlier ignored", "latency")
    sizes = []
    for _ in range(5):
        sizes.append(tuner.next_size())
        tuner.record(sizes[-1], MEMORY(sizes[-1]))
    assert sizes[1:] == [size] * 4
    assert sizes[0] == size or factor >= 500  # one shorter chunk tells that the slow one was an outlier
    assert tuner.state == "hold"


def test_a_moment_of_the_machine_slows_each_thread_once_and_moves_nothing():
    tuner = settled(MEMORY, noise=0.01, outliers=0.0)
    size = tuner.best_size
    for _ in range(8):
        tuner.next_size(10**9, 8)
    for _ in range(8):
        tuner.record(size, 3 * MEMORY(size))
    assert tuner.state == "hold"
    assert tuner.next_size(10**9, 8) == size


def test_slow_first_chunks_of_many_threads_count_as_one():
    tuner = ChunkTuner(BatchConfig())
    size = tuner.next_size(10**9, 16)
    for _ in range(16):
        tuner.record(size, size * 100e-6)
    assert 256 <= tuner.next_size(10**9, 16) <= 512  # 25 to 50 ms


def test_a_chunk_over_the_target_shortens_the_next():
    tuner = settled(linear(1e-6), noise=0.01, outliers=0.0)
    size = tuner.best_size
    tuner.record(size, 0.4)
    shorter = tuner.next_size()
    assert shorter * 0.4 / size <= 0.05
    tuner.record(shorter, shorter * 0.4 / size)  # it is as slow per row: a change
    assert tuner.trace[-1].reason == "drift"
    for _ in range(60):
        rows = tuner.next_size()
        tuner.record(rows, rows * 0.4 / size)
        assert tuner.trace[-1].latency <= 0.1


def test_follows_a_change():
    tuner = settled(linear(50e-9), noise=0.02, outliers=0.0)
    size = tuner.best_size
    Machine(MEMORY, noise=0.02, outliers=0.0).run(tuner, 80)
    assert "drift" in {entry.reason for entry in tuner.trace}
    assert tuner.best_size > size


def test_frame_in_one_call():
    tuner = ChunkTuner(BatchConfig())
    for _ in range(2000):
        assert tuner.next_size(1000) >= 1000
        tuner.record(1000, 20e-6)
    assert {entry.reason for entry in tuner.trace} == {"tail"}


def test_small_frames_of_a_slow_kernel_are_cut_to_the_target():
    tuner = ChunkTuner(BatchConfig())
    tuner.record(5000, 5.0)
    assert tuner.next_size(5000) <= 64


def test_frames_shorter_than_the_size_on_trial_are_no_dead_end():
    tuner = ChunkTuner(BatchConfig())
    calls = []
    for _ in range(300):
        remaining, count = 50_000, 0
        while remaining:
            rows = min(tuner.next_size(remaining), remaining)
            tuner.record(rows, linear(1e-9)(rows))
            remaining -= rows
            count += 1
        calls.append(count)
    assert calls[-1] == 1  # as 15 µs a chunk are much against 50 µs for all rows


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf, 5e-324, 1e300])
@pytest.mark.parametrize("kind", ["chunk", "rule", "fixed"])
def test_what_is_no_measurement_changes_nothing(kind, seconds):
    tuner = make_tuner(BatchConfig(tuner=kind))
    size = tuner.next_size()
    tuner.record(size, seconds)
    tuner.record(0, 1.0)
    assert tuner.next_size() == size
    assert tuner.next_size(100 * size, 4) == size
    assert tuner.trace_frame().height == 2


def test_starts_where_the_last_run_ended():
    first = settled(MEMORY)
    second = ChunkTuner(BatchConfig(), start=first.best_size)
    assert second.next_size() == first.best_size
    assert second.state == "search"


@many
@given(
    bounds=st.tuples(st.integers(1, 1 << 23), st.integers(1, 1 << 23)).map(sorted),
    default=st.integers(1, 1 << 24),
    kind=st.sampled_from(["chunk", "rule"]),
    target=st.floats(1e-6, 10.0),
    steps=st.lists(
        st.tuples(
            st.none() | st.integers(1, 1 << 24),  # remaining
            st.integers(1, 64),  # threads
            st.integers(1, 4),  # chunks on their way
            st.floats(0, 1) | st.just(1.0),  # part of the rows asked for
            st.floats(allow_nan=True, allow_infinity=True) | st.floats(1e-12, 1e-3),  # seconds a row
        ),
        max_size=120,
    ),
)
def test_sizes_are_multiples_of_64_within_the_bounds(bounds, default, kind, target, steps):
    config = BatchConfig(
        default_batch_size=default, min_batch_size=bounds[0], max_batch_size=bounds[1], tuner=kind,
        target_latency=max(target, 1e-6),
    )  # fmt: skip
    tuner = make_tuner(config)
    for remaining, threads, count, part, cost in steps:
        for size in [tuner.next_size(remaining, threads) for _ in range(count)]:
            assert size % 64 == 0
            assert tuner.smallest <= size <= tuner.largest
            tuner.record(int(part * size), cost * size)
    assert tuner.best_size % 64 == 0
    assert tuner.trace_frame().height == sum(step[2] for step in steps)


@many
@given(
    row=st.floats(1e-10, 1e-3),
    chunk=st.floats(0, 1e-4),
    target=st.floats(1e-3, 1.0),
    threads=st.sampled_from([1, 2, 7]),
)
def test_target_holds_where_a_smaller_size_can_hold_it(row, chunk, target, threads):
    tuner = ChunkTuner(BatchConfig(target_latency=target))
    tuner.target = target  # a timedelta rounds to microseconds
    late = 0
    for i in range(150):
        rows = tuner.next_size(10**9, threads)
        seconds = linear(row, chunk)(rows)
        tuner.record(rows, seconds)
        late += i >= 10 and seconds > target
    assert not late or linear(row, chunk)(64) > target / 2


# -- several threads --------------------------------------------------------------------------------------


def schedule(tuner, rows, threads, cost, seed=0):
    """Run a frame on simulated threads; return the time it took over that of perfectly balanced work."""
    machine = Machine(cost, noise=0.05, outliers=0.0, seed=seed)
    free = [(0.0, i, 0, 0.0) for i in range(threads)]  # when, thread, rows and seconds just done
    heapq.heapify(free)
    busy = end = 0.0
    done = 0
    while free:
        now, thread, finished, took = heapq.heappop(free)
        if finished:
            tuner.record(finished, took)
            done += finished
        end = now
        if rows:
            size = min(tuner.next_size(rows, threads), rows)
            rows -= size
            took = machine.seconds(size)
            busy += took
            heapq.heappush(free, (now + took, thread, size, took))
    return end * threads / busy, done


@pytest.mark.parametrize("threads", [2, 4, 16])
@pytest.mark.parametrize("cost", [MEMORY, linear(50e-9)], ids=["memory-bound", "compute-bound"])
def test_threads_finish_together(threads, cost):
    tuner = ChunkTuner(BatchConfig())
    for seed in range(12):
        idle, done = schedule(tuner, 20_000_000, threads, cost, seed)
        assert done == 20_000_000
    # At most a chunk of 250 µs, or of half an equal share of the rest, is awaited at the end.
    limit = 1 + 1.3 * threads * 250e-6 / cost(20_000_000)
    assert idle < max(limit, 1.1)


def test_shares_shrink_towards_the_end():
    tuner = settled(linear(50e-9), noise=0.01, outliers=0.0)
    size = tuner.best_size
    assert tuner.next_size(100 * size, 4) == size
    remaining, sizes = 8 * size, []
    while remaining > 0:
        sizes.append(min(tuner.next_size(remaining, 4), remaining))
        remaining -= sizes[-1]
    assert all(later <= earlier for earlier, later in pairwise(sizes))
    assert sizes[0] > sizes[-2] >= 2048


# -- rules ------------------------------------------------------------------------------------------------


def guide(current_size, latency, throughput):
    """`optimize_batch_size` as the guide of the original system has it."""
    if latency > timedelta(milliseconds=100) and current_size > 10:
        return current_size * 80 // 100
    if throughput < 1000.0 and current_size < 1000:
        return current_size * 120 // 100
    return current_size


@many
@given(
    start=st.integers(13, 800),
    latencies=st.lists(st.sampled_from(["0.05", "0.1", "0.1001", "0.5", "3"]), max_size=40),
)
def test_rule_is_the_guides(start, latencies):
    config = BatchConfig(
        default_batch_size=start, min_batch_size=10, max_batch_size=1000, tuner="rule"
    )  # the guide's 100 ms and 1000 records a second are the defaults
    tuner = make_tuner(config)
    assert isinstance(tuner, RuleTuner)
    size = start
    for text in latencies:
        rows = tuner.next_size()
        assert rows == max(64, math.ceil(Fraction(size, 64)) * 64) or rows == tuner.largest
        tuner.record(rows, float(text))
        size = min(max(guide(size, timedelta(seconds=float(text)), rows / float(text)), 10), 960)
        assert tuner._exact == size


def test_rule_shrinks_and_grows():
    tuner = RuleTuner(BatchConfig(default_batch_size=1000, target_latency=0.05, min_throughput=1e6))
    tuner.record(tuner.next_size(), 0.06)
    assert tuner.next_size() == 832  # 800 rounded up
    tuner.record(832, 0.01)
    assert tuner.next_size() == 960
    tuner.record(100, 0.01)  # a tail: its throughput says little
    assert tuner.next_size() == 960
    tuner.record(100, 0.06)
    assert tuner.next_size() == 768
    tuner.record(960, 0.06)  # asked for before the size shrank
    assert tuner.next_size() == 768
    assert [entry.reason for entry in tuner.trace] == ["shrink", "grow", "tail", "shrink", "stale"]


def test_fixed_stays():
    tuner = FixedTuner(BatchConfig(default_batch_size=1000))
    for seconds in (1e-9, 5.0):
        assert tuner.next_size(70, 8) == 1024
        tuner.record(1024, seconds)


def test_callable_gets_what_the_guide_gives():
    seen = []

    def rule(current_size, latency, throughput):
        seen.append((current_size, latency, throughput))
        return 10**9

    tuner = CallableTuner(BatchConfig(default_batch_size=100, max_batch_size=1 << 20), rule)
    tuner.record(tuner.next_size(), 0.5)
    assert seen == [(100, timedelta(seconds=0.5), 256.0)]
    assert tuner.next_size() == tuner.best_size == 1 << 20


def test_callable_must_return_rows():
    tuner = CallableTuner(BatchConfig(), lambda size, latency, throughput: size * 0.8)
    with pytest.raises(
        PluginError, match=r"`optimize_batch_size` must return a whole number of rows, got 1048"
    ):
        tuner.record(tuner.next_size(), 0.5)


# -- choice and memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "rule", "kind"),
    [
        (BatchConfig(), None, ChunkTuner),
        (BatchConfig(), guide, CallableTuner),
        (BatchConfig(tuner="rule"), None, RuleTuner),
        (BatchConfig(tuner="fixed"), guide, FixedTuner),
        (BatchConfig(enable_auto_optimization=False), guide, FixedTuner),
    ],
)
def test_settings_choose_the_tuner(config, rule, kind):
    assert type(make_tuner(config, rule)) is kind


def test_memory_forgets_what_was_unused_longest():
    memory, config = TunerMemory(limit=2), BatchConfig()
    a, b = memory.get("a", config), memory.get("b", config)
    assert memory.get("a", config) is a
    memory.get("c", config)
    assert len(memory) == 2
    assert memory.get("a", config) is a
    assert memory.get("b", config) is not b
    memory.clear()
    assert len(memory) == 0


def test_memory_keeps_settings_and_rules_apart():
    class Plugin:
        def optimize_batch_size(self, size, latency, throughput):
            return size

    memory, plugin = TunerMemory(), Plugin()
    one = memory.get("a", BatchConfig())
    assert memory.get("a", BatchConfig(target_latency=0.05)) is not one
    assert memory.get("a", BatchConfig(target_latency=timedelta(milliseconds=100))) is one
    ruled = memory.get("a", BatchConfig(), plugin.optimize_batch_size)
    assert memory.get("a", BatchConfig(), plugin.optimize_batch_size) is ruled


def test_memory_limit():
    with pytest.raises(ValueError, match="`limit` must be 1 or more, got 0"):
        TunerMemory(limit=0)


# -- trace and settings -----------------------------------------------------------------------------------


def test_trace_frame():
    tuner = FixedTuner(BatchConfig(default_batch_size=128))
    tuner.record(128, 0.5)
    tuner.record(100, 0.25)
    expected = pl.DataFrame(
        {
            "index": [0, 1],
            "size": [128, 128],
            "rows": [128, 100],
            "latency": [0.5, 0.25],
            "throughput": [256.0, 400.0],
            "reason": ["fixed", "tail"],
        }
    )
    assert tuner.trace_frame().equals(expected)
    assert tuner.trace_frame().schema == expected.schema


def test_trace_is_bounded():
    tuner = settled(MEMORY, chunks=3000)
    assert len(tuner.trace) == tuner.trace.maxlen
    assert tuner.trace[-1].index == 2999
    assert ChunkTuner(BatchConfig()).trace_frame().schema == tuner.trace_frame().schema


def test_plot():
    tuner = settled(MEMORY)
    chart = plot_trace(tuner).to_dict()
    titles = [panel["layer"][0]["encoding"]["y"]["title"] for panel in chart["vconcat"][:2]]
    assert titles == ["rows asked for", "million rows/s"]
    limits = [rows[0]["limit"] for rows in chart["datasets"].values() if "limit" in rows[0]]
    assert limits == [tuner.best_size, 100.0]


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        (
            {"max_batch_size": 10},
            ValueError,
            r"`max_batch_size` must not be below `min_batch_size` \(64\), got 10",
        ),
        ({"min_batch_size": 0}, ValueError, "`min_batch_size` must be 1 or more, got 0"),
        ({"target_latency": 0}, ValueError, "`target_latency` must be more than 0"),
        ({"target_latency": "1s"}, TypeError, "`target_latency` must be a timedelta or a number of seconds"),
        (
            {"min_throughput": math.nan},
            ValueError,
            "`min_throughput` must be finite and non-negative, got nan",
        ),
        ({"min_throughput": "fast"}, TypeError, "`min_throughput` must be a number, got 'fast'"),
        ({"tuner": "best"}, ValueError, "`tuner` must be one of 'chunk', 'rule', 'fixed'; got 'best'"),
        (
            {"enable_auto_optimization": 1},
            TypeError,
            "`enable_auto_optimization` must be True or False, got 1",
        ),
    ],
)
def test_settings_refuse_what_makes_no_sense(values, error, text):
    with pytest.raises(error, match=text):
        BatchConfig(**values)


def test_guides_settings_are_accepted():
    config = BatchConfig(
        default_batch_size=100,
        max_batch_size=1000,
        target_latency=timedelta(milliseconds=50),
        min_throughput=2000.0,
        enable_auto_optimization=True,
        enable_parallel=True,
        parallelism=4,
    )
    assert make_tuner(config).largest == 960


# -- threads for a frame ----------------------------------------------------------------------------------


def taken(sharing, frames, rows, cost, alone, shared, threads=2):
    """Let frames pass that take so long alone and shared; return with how many threads each was taken."""
    chosen = []
    for _ in range(frames):
        chosen.append(sharing.threads(rows, threads, cost))
        sharing.record(rows, chosen[-1], alone if chosen[-1] == 1 else shared)
    return chosen


def test_a_frame_is_shared_where_that_pays_and_seldom_where_it_does_not():
    sharing = Sharing()
    assert taken(sharing, 5, 100_000, 1e-8, alone=1e-3, shared=3e-3) == [2, 1, 1, 1, 2]
    later = taken(sharing, 2000, 100_000, 1e-8, alone=1e-3, shared=3e-3)
    assert 0 < later.count(2) <= 10
    later = taken(sharing, 2000, 300_000, 1e-8, alone=3e-3, shared=2e-3)  # another size
    assert 3 < later.count(1) <= 24


def test_a_gain_of_little_is_none():
    later = taken(Sharing(), 2000, 100_000, 1e-8, alone=1e-3, shared=0.97e-3)
    assert later.count(2) <= 10


def test_where_every_third_shared_frame_waits_few_are_shared():
    sharing, chosen = Sharing(), []
    for i in range(2000):
        chosen += taken(sharing, 1, 100_000, 1e-8, alone=1e-3, shared=0.6e-3 if i % 3 else 6e-3)
    assert chosen.count(2) <= 40


def test_what_pays_is_found_again_when_the_machine_is_idle():
    sharing = Sharing()
    taken(sharing, 500, 100_000, 1e-8, alone=1e-3, shared=3e-3)  # a busy machine
    taken(sharing, 600, 100_000, 1e-8, alone=1e-3, shared=0.6e-3)
    taken(sharing, 1, 100_000, 1e-8, alone=1e-3, shared=3e-3)  # one that had to wait
    assert taken(sharing, 1000, 100_000, 1e-8, alone=1e-3, shared=0.6e-3).count(2) >= 950


def test_first_frames_that_took_long_alone_are_soon_forgotten():
    sharing = Sharing()
    assert 1 in taken(sharing, 4, 100_000, 1e-8, alone=2e-4, shared=1.2e-4)  # nothing is in cache yet
    later = taken(sharing, 300, 100_000, 1e-8, alone=6e-5, shared=1.2e-4)
    assert later.count(2) <= 16


def test_what_is_shared_for_long_is_seldom_taken_alone():
    later = taken(Sharing(), 5000, 100_000, 1e-8, alone=1e-3, shared=0.6e-3)
    assert later.count(1) <= 45


def test_what_a_frame_takes_alone_is_looked_at_again():
    sharing = Sharing()
    taken(sharing, 10, 100_000, 1e-8, alone=1e-3, shared=0.6e-3)
    taken(sharing, 600, 100_000, 1e-8, alone=0.5e-3, shared=0.6e-3)  # what was kept says that it pays
    assert taken(sharing, 500, 100_000, 1e-8, alone=0.5e-3, shared=0.6e-3).count(2) <= 10


def test_long_frames_and_first_ones_are_shared():
    sharing = Sharing()
    assert sharing.threads(1 << 30, 8, 0.0) == 8
    assert set(taken(sharing, 50, 1_000_000, 1e-7, alone=0.1, shared=0.2, threads=8)) == {8}
    assert sharing.threads(1 << 30, 1, 0.0) == 1
