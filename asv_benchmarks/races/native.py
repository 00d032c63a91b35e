"""Native Polars plugins: against Polars' expression, a plugin in Rust, and the same kernel by Python."""

from __future__ import annotations

import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import polars as pl
import polars_ds as pds
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from races.common import Figure, Size, at_most, numbers, timed
from testing.formulas import haversine_expression
from testing.inputs import coordinates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POINTS = ("lat1", "lon1", "lat2", "lon2")


@dfv.plugin
def product_plus_one(a, b):
    return a * b + 1.0


@cache
def library() -> dfv.PluginLibrary:
    return dfv.build(["haversine", product_plus_one], output=tempfile.mkdtemp())


def haversines() -> dict[str, pl.Expr]:
    """Return the contenders, each as a column `km`."""
    contenders = {
        "native": library().expr("haversine", *POINTS),
        "by Python": dfv.expr("haversine", *POINTS),
        "Rust": pds.haversine(*POINTS),
        "expression": haversine_expression(6371.0),
    }
    return {name: expr.alias("km") for name, expr in contenders.items()}


def many(df: pl.DataFrame, expr: pl.Expr, calls: int) -> Callable[[], None]:
    def turn() -> None:
        for _ in range(calls):
            df.select(expr)

    return turn


def small_frames(size: Size) -> Iterator[Figure]:
    df, contenders = coordinates(1_000), haversines()
    assert df.select(contenders["native"]).equals(df.select(contenders["by Python"]))
    calls = 20
    times = timed([many(df, expr, calls) for expr in contenders.values()], 20 * size.repeats)
    of = dict(zip(contenders, times, strict=True))
    for other, limit, aim in (("Rust", 0.85, 0.5), ("expression", 0.5, 0.3), ("by Python", 0.7, 0.25)):
        note = f"{of['native'] / calls * 1e6:.0f} µs against {of[other] / calls * 1e6:.0f}"
        what = f"native haversine, 1,000 rows: time / {other}"
        yield Figure(what, of["native"] / of[other], at_most(limit, aim=aim), note)


def busy(function: Callable[[], object]) -> float:
    """Return the seconds of all processors that a call takes."""
    began = time.process_time()
    function()
    return time.process_time() - began


def added(df: pl.DataFrame, contenders: dict[str, pl.Expr], repeats: int) -> dict[str, float]:
    """Return the CPU seconds that each adds to a scan of Parquet and a sum, in the streaming engine."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.parquet"
        df.write_parquet(path)
        scan = pl.scan_parquet(path)
        read = pl.col(df.columns).max()
        queries = {"bare": scan.select(read)}
        queries |= {name: scan.select(read, expr.sum().alias("it")) for name, expr in contenders.items()}
        taken: dict[str, list[float]] = {name: [] for name in queries}
        for _ in range(repeats + 1):  # the first isn't counted
            for name, query in queries.items():
                taken[name].append(busy(lambda query=query: query.collect(engine="streaming")))
    seconds = {name: median(times[1:]) for name, times in taken.items()}
    return {name: seconds[name] - seconds["bare"] for name in contenders}


def streaming(size: Size) -> Iterator[Figure]:
    contenders = haversines()
    of = added(coordinates(size.rows(20_000_000)), contenders, max(3, size.repeats))
    for other, limit, aim in (("Rust", 0.2, 0.10), ("expression", 0.2, 0.12), ("by Python", 0.9, 0.6)):
        note = f"{of['native']:.2f} s against {of[other]:.2f}"
        what = f"native haversine, Parquet → sum, streaming: CPU time added / {other}"
        yield Figure(what, of["native"] / of[other], at_most(limit, aim=aim), note)


def arithmetic(size: Size) -> Iterator[Figure]:
    df = numbers(size.rows(20_000_000), "a", "b")
    contenders = {
        "native": library().expr("product_plus_one", "a", "b").alias("it"),
        "expression": (pl.col("a") * pl.col("b") + 1.0).alias("it"),
    }
    assert_frame_equal(*(df.select(expr) for expr in contenders.values()), check_exact=True)
    of = added(df, contenders, max(3, size.repeats))
    note = f"{of['native']:.2f} s against {of['expression']:.2f}"
    what = "native a * b + 1, Parquet → sum, streaming: CPU time added / expression"
    yield Figure(what, of["native"] / of["expression"], at_most(1.1, aim=0.8), note)


def beside_python(size: Size) -> Iterator[Figure]:
    """A thread that never waits has the GIL nearly always."""
    lazy = coordinates(size.rows(20_000_000)).lazy().select(haversines()["native"].sum())
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            pass

    def run() -> None:
        lazy.collect(engine="streaming")

    (alone,) = timed([run], 5 * size.repeats)
    thread = threading.Thread(target=spin)
    thread.start()
    try:
        (beside,) = timed([run], 5 * size.repeats)
    finally:
        stop.set()
        thread.join()
    note = f"{beside:.2f} s against {alone:.2f}"
    what = "native haversine beside a busy Python thread: time / without"
    yield Figure(what, beside / alone, at_most(3.0, aim=1.15), note)


def built(size: Size) -> Iterator[Figure]:
    """What a user of a plugin installs."""
    with tempfile.TemporaryDirectory() as folder:
        kilobytes = dfv.build("haversine", output=folder).write_wheel(folder).stat().st_size / 1000
    yield Figure("wheel of native haversine: kB", kilobytes, at_most(100))


RACES = [small_frames, streaming, arithmetic, beside_python, built]
