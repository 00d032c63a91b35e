"""The tuner against the best fixed chunk size of a sweep, and against a latency it has to hold."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

import dataflare_vec as dfv
from dataflare_vec.service.manager import default_manager
from races.batches import blend_or_fail
from races.common import ONE_THREAD, Figure, Size, at_least, at_most, numbers, timed
from races.rows import axpy

if TYPE_CHECKING:
    from collections.abc import Iterator

SWEEP = [1 << bits for bits in range(14, 22)]


@dfv.plugin
def heavy(a, b):
    s = 0.0
    for _ in range(40):
        s = s * a + b / (1.0 + s * s)
    return s


@dfv.plugin
def uneven(a, steps):
    s = a
    for _ in range(steps):
        s = s * a + 1.0 / (1.0 + s * s)
    return s


def _workloads(size: Size) -> Iterator[tuple[str, pl.DataFrame, Any, dict[str, Any]]]:
    rows = size.rows(20_000_000)
    two = numbers(rows, "a", "b")
    yield "memory-bound", two, axpy, {}
    yield "compute-bound", two.head(rows // 8), heavy, {}
    yield "pipeline of 5", two, _pipeline(), {}
    yield "raising 1 %", two.head(rows // 2), blend_or_fail, {"on_error": "null"}
    half = rows // 16
    steps = np.repeat([2, 40], half)
    changing = two.head(2 * half).with_columns(steps=pl.Series(steps))
    yield "another cost half-way", changing, uneven, {}


def _pipeline() -> list[Any]:
    steps, source = [], "a"
    for i in range(5):
        steps.append(dfv.step(axpy, a=source, output=f"x{i}", keep=i == 4))
        source = f"x{i}"
    return steps


def against_the_best_fixed_size(size: Size) -> Iterator[Figure]:
    for name, df, plugin, options in _workloads(size):

        def fresh(df: Any = df, plugin: Any = plugin, options: Any = options) -> None:
            default_manager().runtime.tuners.clear()  # exploring is part of the time
            dfv.apply(df, plugin, config=dfv.BatchConfig(enable_parallel=False), **options)

        def fixed(rows: int, df: Any = df, plugin: Any = plugin, options: Any = options) -> None:
            config = dfv.BatchConfig(tuner="fixed", default_batch_size=rows, enable_parallel=False)
            dfv.apply(df, plugin, config=config, **options)

        ours, *swept = timed([fresh, *(lambda n=n: fixed(n) for n in SWEEP)], size.repeats)
        best = min(swept)
        note = f"best fixed {SWEEP[swept.index(best)]:,} rows; worst {max(swept) / best:.2f}×"
        yield Figure(
            f"tuner, exploring included / best fixed size: {name}", ours / best, at_most(1.7, aim=1.05), note
        )


def latency(size: Size) -> Iterator[Figure]:
    target = 0.005
    df = numbers(size.rows(4_000_000), "a", "b")
    runtime = default_manager().runtime
    runtime.tuners.clear()
    config = dfv.BatchConfig(target_latency=target)
    for _ in range(3):
        dfv.apply(df, heavy, config=config)
    (trace,) = [tuner.trace for _, tuner in runtime.tuners.items()]
    after = list(trace)[10:]
    held = sum(entry.latency <= target for entry in after) / max(len(after), 1)
    yield Figure(
        f"target_latency {target * 1e3:.0f} ms held, share of {len(after)} chunks",
        held,
        at_least(0.9, aim=0.99),
    )


def threads_of_short_frames(size: Size) -> Iterator[Figure]:
    """All threads against one, for frames of microseconds to milliseconds: sharing them mustn't cost more."""
    for kernel in (axpy, heavy):
        for rows in (1_000, 10_000, 100_000, size.rows(1_000_000)):
            df = numbers(rows, "a", "b")

            def apply(config: dfv.BatchConfig, kernel: Any = kernel, df: pl.DataFrame = df) -> object:
                return dfv.apply(df, kernel, config=config)

            both = [partial(apply, dfv.BatchConfig()), partial(apply, ONE_THREAD)]
            timed(both, 12)  # what pays has been found
            shared, alone = timed(both, 20 * size.repeats)
            yield Figure(
                f"{kernel.name}, {rows:,} rows: all threads / one",
                shared / alone,
                at_most(1.5 if size.scale == 1 else 5.0, aim=1.05),
                f"{shared * 1e6:.0f} µs against {alone * 1e6:.0f}",
            )


RACES = [against_the_best_fixed_size, latency, threads_of_short_frames]
