"""Row kernels over frames: against loops, Polars expressions, `map_elements` and a plugin written in Rust."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numba
import numpy as np
import polars as pl
import polars_ds as pds
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from races.common import ONE_THREAD, Figure, Size, at_least, at_most, numbers, timed
from testing.inputs import coordinates

if TYPE_CHECKING:
    from collections.abc import Iterator


@dfv.plugin
def axpy(a, b):
    return a * b + 1.0


@dfv.plugin
def add4(a, b, c, d):
    return a + b + c + d


@dfv.plugin
def escape(a, b):
    """Steps until a point of the Mandelbrot set's neighbourhood escapes: arithmetic, and nothing else."""
    x = y = 0.0
    steps = 0
    while x * x + y * y <= 4.0 and steps < 60:
        x, y = x * x - y * y + a - 0.7, 2.0 * x * y + b
        steps += 1
    return steps


@numba.njit(error_model="numpy")
def triad(a, b, out):
    for i in range(a.size):
        out[i] = a[i] * b[i] + 1.0


def haversine_python(row: dict[str, float]) -> float:
    lat1, lat2 = math.radians(row["lat1"]), math.radians(row["lat2"])
    u = math.sin((lat2 - lat1) / 2)
    v = math.sin(math.radians(row["lon2"] - row["lon1"]) / 2)
    return 2 * 6371.0088 * math.asin(math.sqrt(u * u + math.cos(lat1) * math.cos(lat2) * v * v))


def light_kernel(size: Size) -> Iterator[Figure]:
    rows = size.rows(20_000_000)
    df = numbers(rows, "a", "b")
    a, b, out = df["a"].to_numpy(), df["b"].to_numpy(), np.zeros(rows)
    triad(a, b, out)
    assert np.array_equal(df.pipe(dfv.apply, axpy, keep=False)["axpy"].to_numpy(), out)
    ours, theirs = timed(
        [lambda: dfv.apply(df, axpy, config=ONE_THREAD), lambda: triad(a, b, out)], size.repeats
    )
    yield Figure(f"a*b+1, {rows:,} rows, one thread: time / triad loop", ours / theirs, at_most(1.6, aim=1.1))


def haversine_by_element(size: Size) -> Iterator[Figure]:
    df = coordinates(size.rows(10_000_000))
    sample = df.head(df.height // 100)

    def by_element() -> pl.DataFrame:
        return sample.select(
            haversine=pl.struct(pl.all()).map_elements(haversine_python, return_dtype=pl.Float64)
        )

    assert_frame_equal(dfv.apply(sample, "haversine", keep=False), by_element(), rel_tol=1e-7)
    ours, theirs = timed([lambda: dfv.apply(df, "haversine"), by_element], size.repeats)
    what = f"haversine, {df.height:,} rows, {pl.thread_pool_size()} threads: times faster than map_elements"
    yield Figure(what, theirs * 100 / ours, at_least(80), "map_elements: 1 % of the rows")


def threads(size: Size) -> Iterator[Figure]:
    rows = size.rows(4_000_000)
    df = numbers(rows, "a", "b")
    two_threads = dfv.BatchConfig(parallelism=2)
    one, two = timed(
        [lambda: dfv.apply(df, escape, config=ONE_THREAD), lambda: dfv.apply(df, escape, config=two_threads)],
        size.repeats,
    )
    yield Figure(
        "heavy kernel: time on one thread / on two",
        one / two,
        at_least(1.2, aim=1.9),
        f"{one / rows * 1e9:.0f} ns a row",
    )


def small_calls(size: Size) -> Iterator[Figure]:
    for rows in (1000, 1):
        df = numbers(rows, *"abcd")
        wanted = df.select(pl.col("a") + pl.col("b") + pl.col("c") + pl.col("d")).to_series()
        assert dfv.apply(df, add4)["add4"].to_list() == wanted.to_list()

        def ours(df: pl.DataFrame = df) -> None:
            for _ in range(200):
                df.pipe(dfv.apply, add4)

        def theirs(df: pl.DataFrame = df) -> None:
            for _ in range(200):
                df.select(pl.col("a") + pl.col("b"))

        a, b = timed([ours, theirs], size.repeats * 3)
        note = f"{a / 200 * 1e6:.0f} µs against {b / 200 * 1e6:.0f}"
        yield Figure(
            f"whole call, {rows} rows × 4 columns: time / select(a + b)", a / b, at_most(2, aim=1), note
        )


def imports(size: Size) -> Iterator[Figure]:
    def seconds(code: str) -> float:
        probe = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
        done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True)
        return float(done.stdout)

    code = "import polars; t = time.perf_counter(); import dataflare_vec"
    extra = [seconds(code) for _ in range(size.repeats * 3)]
    yield Figure("import dataflare_vec on top of polars, ms", median(extra) * 1e3, at_most(30))


def streaming(size: Size) -> Iterator[Figure]:
    rows = size.rows(20_000_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.parquet"
        coordinates(rows).write_parquet(path, compression="uncompressed")
        scan = pl.scan_parquet(path)
        columns = ["lat1", "lon1", "lat2", "lon2"]
        queries = [
            scan.select(pl.sum(*columns)),
            scan.pipe(dfv.apply, "haversine").select(pl.sum(*columns, "haversine")),
            scan.with_columns(haversine=pds.haversine(*columns)).select(pl.sum(*columns, "haversine")),
        ]
        bare, ours, rust = timed([lambda q=q: q.collect(engine="streaming") for q in queries], size.repeats)
    yield Figure(
        f"scan Parquet → haversine → sum, {rows:,} rows, streaming: added time / the Rust plugin's",
        (ours - bare) / (rust - bare),
        at_most(0.5, aim=0.15),
        f"scan {bare:.2f} s, + kernel {ours:.2f} s, + Rust {rust:.2f} s",
    )


def many_chunks(size: Size) -> Iterator[Figure]:
    rows = size.rows(1_000_000)
    whole = numbers(rows, "a", "b")
    for chunks in (1_000, 10_000):
        df = pl.concat(whole.iter_slices(max(rows // chunks, 1)), rechunk=False)
        both = [partial(dfv.apply, df, axpy), partial(df.with_columns, axpy=pl.col("a") * pl.col("b") + 1.0)]
        ours, theirs = timed(both, 3 * size.repeats)
        yield Figure(
            f"a * b + 1, {rows:,} rows in {df.n_chunks():,} chunks: time / Polars",
            ours / theirs,
            at_most(1.5 if size.scale == 1 else 4.0, aim=1.0),
            f"{ours * 1e3:.1f} ms against {theirs * 1e3:.1f}",
        )


RACES = [many_chunks, light_kernel, haversine_by_element, threads, small_calls, imports, streaming]
