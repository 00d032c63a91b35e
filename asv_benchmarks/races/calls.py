"""Whole calls against Polars' expression of the same: what they take beside the rows."""

from __future__ import annotations

import threading
import time
from statistics import median
from typing import TYPE_CHECKING, TypeVar

import polars as pl
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from races.common import Figure, Size, at_least, at_most, numbers, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    Frame = TypeVar("Frame", pl.DataFrame, pd.DataFrame)


@dfv.plugin
def weighted(a, b, weight=2.5):
    return a * weight + b


@dfv.plugin
def squared(a, b):
    return a * a + b


@dfv.plugin
def apart(weighted, b):
    return weighted - b


@dfv.filter
def outweighing(a, b):
    return a * 2.5 > b


def by_plugin(df: Frame) -> Frame:
    return df.pipe(dfv.apply, weighted)


def by_expression(df: pl.DataFrame) -> pl.DataFrame:
    return df.with_columns((pl.col("a") * 2.5 + pl.col("b")).alias("weighted"))


def many(call: Callable[[Frame], object], df: Frame, calls: int) -> Callable[[], None]:
    """Return a turn of calls: one takes so little that the clock and what ran before would count."""

    def turn() -> None:
        for _ in range(calls):
            call(df)

    return turn


def against_expression(
    what: str,
    df: pl.DataFrame,
    size: Size,
    bar: tuple[float, float],
    ours: Callable[[pl.DataFrame], pl.DataFrame] = by_plugin,
    expression: Callable[[pl.DataFrame], pl.DataFrame] = by_expression,
) -> Figure:
    assert_frame_equal(ours(df), expression(df), check_exact=True)
    calls = max(2, min(50, 500_000 // (df.height * df.width)))
    turns = 4 * size.repeats if df.height >= 100_000 else 30 * size.repeats
    mine, theirs = timed([many(ours, df, calls), many(expression, df, calls)], turns)
    note = f"{mine / calls * 1e6:.0f} µs against {theirs / calls * 1e6:.0f}"
    limit, aim = bar
    return Figure(
        f"{what}: time / Polars' expression of the same", mine / theirs, at_most(limit, aim=aim), note
    )


def whole_calls(size: Size) -> Iterator[Figure]:
    bars = {1: (1.1, 0.8), 1_000: (1.1, 0.8), 10_000: (1.2, 0.8), 100_000: (1.3, 0.8), 1_000_000: (1.8, 0.7)}
    for rows, bar in bars.items():
        yield against_expression(f"a * 2.5 + b, {rows:,} rows", numbers(rows, "a", "b"), size, bar)


@dfv.plugin
def louder(s: str):
    return s.upper()


def calls_of_texts(size: Size) -> Iterator[Figure]:
    def ours(df: pl.DataFrame) -> pl.DataFrame:
        return df.pipe(dfv.apply, louder)

    def expression(df: pl.DataFrame) -> pl.DataFrame:
        return df.with_columns(pl.col("s").str.to_uppercase().alias("louder"))

    for rows, bar in {1: (1.5, 0.8), 1_000: (0.8, 0.5)}.items():
        texts = pl.DataFrame({"s": [f"line {i}: a block was read in {i % 97} ms" for i in range(rows)]})
        yield against_expression(f"upper case, {rows:,} rows", texts, size, bar, ours, expression)


def bound_calls(size: Size) -> Iterator[Figure]:
    def ours(df: pl.DataFrame) -> pl.DataFrame:
        return dfv.apply(df, weighted, output="weighted", a="a", weight=2.5, on_error="null")

    df = numbers(1_000, "a", "b")
    yield against_expression("the same with bindings, 1,000 rows", df, size, (1.2, 0.8), ours)


def expressions(size: Size) -> Iterator[Figure]:
    """In queries, where Polars hands what reads several columns to its threads.

    Where these sleep that takes 85 µs, of an expression as of a function, but for one with a literal. So
    the second one to compare with is without.
    """

    def ours(df: pl.DataFrame) -> pl.DataFrame:
        return df.with_columns(dfv.expr(weighted, "a", "b"))

    def without_literal(df: pl.DataFrame) -> pl.DataFrame:
        return df.with_columns(dfv.expr(squared, "a", "b"))

    def theirs(df: pl.DataFrame) -> pl.DataFrame:
        return df.with_columns((pl.col("a") * pl.col("a") + pl.col("b")).alias("squared"))

    df = numbers(1_000, "a", "b")
    yield against_expression("the same by `dfv.expr`, 1,000 rows", df, size, (14.0, 4.0), ours)
    yield against_expression(
        "a * a + b by `dfv.expr`, 1,000 rows", df, size, (7.0, 2.0), without_literal, theirs
    )


def wide_frames(size: Size) -> Iterator[Figure]:
    df = numbers(2, "a", "b", *(f"c{i}" for i in range(2_998)))
    yield against_expression("the same in a frame of 3,000 columns", df, size, (1.0, 0.8))


def filters(size: Size) -> Iterator[Figure]:
    def ours(df: pl.DataFrame) -> pl.DataFrame:
        return df.pipe(dfv.apply, outweighing)

    def expression(df: pl.DataFrame) -> pl.DataFrame:
        return df.filter(pl.col("a") * 2.5 > pl.col("b"))

    df = numbers(1_000, "a", "b")
    yield against_expression("a filter, 1,000 rows", df, size, (0.9, 0.6), ours, expression)


def pipelines(size: Size) -> Iterator[Figure]:
    def ours(df: pl.DataFrame) -> pl.DataFrame:
        return df.pipe(dfv.apply, [weighted, apart])

    def expression(df: pl.DataFrame) -> pl.DataFrame:
        return by_expression(df).with_columns((pl.col("weighted") - pl.col("b")).alias("apart"))

    df = numbers(1_000, "a", "b")
    yield against_expression("a pipeline of two, 1,000 rows", df, size, (0.8, 0.6), ours, expression)


@dfv.scan(init=0.0)
def so_far(state, a):
    return state + a, state + a


@dfv.reduce(init=0.0)
def greatest(state, a):
    return a if a > state else state


def stateful_calls(size: Size) -> Iterator[Figure]:
    """Scans and reduces, alone and by key: what they take beside the rows."""
    a, k = pl.col("a"), pl.col("k")
    races: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], ...]] = {
        "a scan": (
            lambda df: df.pipe(dfv.apply, so_far),
            lambda df: df.with_columns(so_far=a.cum_sum()),
        ),
        "a scan by key": (
            lambda df: df.pipe(dfv.apply, so_far, by="k"),
            lambda df: df.with_columns(so_far=a.cum_sum().over(k)),
        ),
        "a reduce": (lambda df: df.pipe(dfv.apply, greatest), lambda df: df.select(greatest=a.max())),
        "a reduce by key": (
            lambda df: df.pipe(dfv.apply, greatest, by="k"),
            lambda df: df.group_by("k", maintain_order=True).agg(greatest=a.max()),
        ),
    }
    bars = {"a scan": (2.5, 1.5), "a reduce": (5.5, 2.0)}
    for rows in (1_000, 10_000):
        df = numbers(rows, "a").with_columns(k=pl.int_range(rows) % 10)
        for what, (ours, expression) in races.items():
            bar = bars.get(what, (1.5, 1.0))
            yield against_expression(f"{what}, {rows:,} rows", df, size, bar, ours, expression)


def calls_of_threads(size: Size) -> Iterator[Figure]:
    """Eight threads of a service, each with small frames of its own."""
    frames = [numbers(100, "a", "b") for _ in range(8)]
    seconds = 0.4 if size.repeats > 1 else 0.05

    def rate(call: Callable[[pl.DataFrame], object]) -> float:
        end = time.perf_counter() + seconds
        counts = []

        def work(df: pl.DataFrame) -> None:
            done = 0
            while time.perf_counter() < end:
                call(df)
                done += 1
            counts.append(done)

        threads = [threading.Thread(target=work, args=(df,)) for df in frames]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / seconds

    rates = [(rate(by_plugin), rate(by_expression)) for _ in range(size.repeats)]
    ours, theirs = (median(one) for one in zip(*rates, strict=True))
    yield Figure(
        "8 threads, 100-row frames: calls a second / Polars' expression",
        ours / theirs,
        at_least(0.8, aim=1.0),
        f"{ours:,.0f} against {theirs:,.0f}",
    )


def pandas_frames(size: Size) -> Iterator[Figure]:
    for rows, limit, aim in ((1_000, 3.0, 1.5), (1_000_000, 1.2, 1.0)):
        df = numbers(rows, "a", "b").to_pandas()

        def theirs(df: pd.DataFrame) -> pd.DataFrame:
            return df.assign(weighted=df["a"] * 2.5 + df["b"])

        assert by_plugin(df).equals(theirs(df))
        calls = max(1, 20_000 // rows)
        mine, others = timed([many(by_plugin, df, calls), many(theirs, df, calls)], 5 * size.repeats)
        note = f"{mine / calls * 1e3:.2f} ms against {others / calls * 1e3:.2f}"
        what = f"a * 2.5 + b of pandas, {rows:,} rows: time / pandas' own"
        yield Figure(what, mine / others, at_most(limit, aim=aim), note)


RACES = [
    whole_calls,
    calls_of_texts,
    bound_calls,
    expressions,
    wide_frames,
    filters,
    pipelines,
    stateful_calls,
    calls_of_threads,
    pandas_frames,
]
