"""Every figure of the README, side by side in one run, as ratios.

    python asv_benchmarks/compare.py            # all, a few minutes
    python asv_benchmarks/compare.py --quick    # small data, to see that it runs

Machines are noisy, so each race alternates its contenders and takes medians; results are compared for
equality before anything is timed.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import polars as pl

import dataflare_vec as dfv

if TYPE_CHECKING:
    from collections.abc import Callable

EARTH = 6371.0088
ONE_THREAD = dfv.BatchConfig(enable_parallel=False)


@dfv.plugin
def axpy(a, b):
    return a * b + 1.0


@dfv.plugin
def add4(a, b, c, d):
    return a + b + c + d


@numba.njit(error_model="numpy")
def triad(a, b, out):
    for i in range(a.size):
        out[i] = a[i] * b[i] + 1.0


def timed(functions: list[Callable[[], Any]], repeats: int) -> list[float]:
    """Median seconds of each, run in turn."""
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(repeats):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [median(taken) for taken in times]


def row(what: str, ratio: float, bar: str, note: str = "") -> None:
    print(f"{what:<66} {ratio:>8.2f}  {bar:<8} {note}", flush=True)


def coordinates(rows: int) -> pl.DataFrame:
    random = np.random.default_rng(7)
    return pl.DataFrame(
        {
            "lat1": random.uniform(-90, 90, rows),
            "lon1": random.uniform(-180, 180, rows),
            "lat2": random.uniform(-90, 90, rows),
            "lon2": random.uniform(-180, 180, rows),
        }
    )


def haversine_expression() -> pl.Expr:
    lat1, lon1, lat2, lon2 = (pl.col(c).radians() for c in ("lat1", "lon1", "lat2", "lon2"))
    h = ((lat2 - lat1) / 2).sin() ** 2 + lat1.cos() * lat2.cos() * ((lon2 - lon1) / 2).sin() ** 2
    return (2 * EARTH * h.sqrt().arcsin()).alias("haversine")


def haversine_python(row: dict[str, float]) -> float:
    lat1, lat2 = math.radians(row["lat1"]), math.radians(row["lat2"])
    u = math.sin((lat2 - lat1) / 2)
    v = math.sin(math.radians(row["lon2"] - row["lon1"]) / 2)
    return 2 * EARTH * math.asin(math.sqrt(u * u + math.cos(lat1) * math.cos(lat2) * v * v))


def light_kernel(rows: int, repeats: int) -> None:
    random = np.random.default_rng(1)
    df = pl.DataFrame({"a": random.random(rows), "b": random.random(rows)})
    a, b, out = df["a"].to_numpy(), df["b"].to_numpy(), np.zeros(rows)
    triad(a, b, out)
    got = df.pipe(dfv.apply, axpy, keep=False)["axpy"].to_numpy()
    assert np.array_equal(got, out)
    ours, theirs = timed([lambda: dfv.apply(df, axpy, config=ONE_THREAD), lambda: triad(a, b, out)], repeats)
    row(f"a*b+1, {rows:,} rows, one thread: time / triad loop", ours / theirs, "≤ 1.1")


def haversine(rows: int, repeats: int) -> None:
    import polars_ds as pds

    df = coordinates(rows)
    sample = df.head(rows // 100)
    expression = haversine_expression()
    rust = pds.haversine("lat1", "lon1", "lat2", "lon2")
    one = dfv.apply(df, "haversine", keep=False)["haversine"]
    assert np.allclose(one, df.select(expression).to_series(), rtol=1e-7)
    # polars_ds takes 6371 km
    assert np.allclose(one * 6371 / EARTH, df.select(rust).to_series(), rtol=1e-7)
    ours, single, theirs, rusts, interpreted = timed(
        [
            lambda: dfv.apply(df, "haversine"),
            lambda: dfv.apply(df, "haversine", config=ONE_THREAD),
            lambda: df.select(expression),
            lambda: df.select(rust),
            lambda: sample.select(
                pl.struct(pl.all()).map_elements(haversine_python, return_dtype=pl.Float64)
            ),
        ],
        repeats,
    )
    threads = pl.thread_pool_size()
    what = f"haversine, {rows:,} rows, {threads} threads: times faster than"
    note = f"{ours / rows * 1e9:.1f} ns/row against"
    row(f"{what} map_elements", interpreted * 100 / ours, "≥ 30", "(map_elements: 1 % of the rows)")
    row(f"{what} Rust (polars_ds)", rusts / ours, "≥ 1", f"{note} {rusts / rows * 1e9:.1f}")
    row(f"{what} Polars expression", theirs / ours, "≥ 1", f"{note} {theirs / rows * 1e9:.1f}")
    row(f"haversine: one thread / {threads} threads", single / ours, "≥ 1.9")


def small_calls(repeats: int) -> None:
    for rows in (1000, 1):
        df = pl.DataFrame({c: np.random.default_rng(2).random(rows) for c in "abcd"})
        assert (
            dfv.apply(df, add4)["add4"].to_list()
            == df.select(pl.sum_horizontal("a", "b", "c", "d")).to_series().to_list()
            or rows > 1
        )

        def ours(df: pl.DataFrame = df) -> None:
            for _ in range(200):
                df.pipe(dfv.apply, add4)

        def theirs(df: pl.DataFrame = df) -> None:
            for _ in range(200):
                df.select(pl.col("a") + pl.col("b"))

        a, b = timed([ours, theirs], repeats * 3)
        note = f"{a / 200 * 1e6:.0f} µs against {b / 200 * 1e6:.0f}"
        row(f"whole call, {rows} rows × 4 columns: time / select(a + b)", a / b, "≤ 1", note)


def imports(repeats: int) -> None:
    def seconds(code: str) -> float:
        probe = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
        done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True)
        return float(done.stdout)

    pairs = [(seconds("import polars, dataflare_vec"), seconds("import polars")) for _ in range(repeats * 3)]
    extra = median(a for a, _ in pairs) - median(b for _, b in pairs)
    row("import on top of polars, ms", extra * 1e3, "≤ 30")


def streaming(rows: int, repeats: int) -> None:
    import polars_ds as pds

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "points.parquet")
        coordinates(rows).write_parquet(path, compression="uncompressed")
        scan = pl.scan_parquet(path)
        columns = ["lat1", "lon1", "lat2", "lon2"]
        queries = [
            scan.select(pl.sum(*columns)),
            scan.pipe(dfv.apply, "haversine").select(pl.sum(*columns, "haversine")),
            scan.with_columns(haversine=pds.haversine(*columns)).select(pl.sum(*columns, "haversine")),
        ]
        bare, ours, rust = timed([lambda q=q: q.collect(engine="streaming") for q in queries], repeats)
    note = f"scan {bare:.2f} s, + kernel {ours:.2f} s, + Rust {rust:.2f} s"
    row(
        f"scan Parquet → haversine → sum, {rows:,} rows, streaming: added time / Rust's",
        (ours - bare) / (rust - bare),
        "≤ 0.6",
        note,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small data: does it run?")
    scale, repeats = (20, 1) if parser.parse_args().quick else (1, 7)
    print(
        f"polars {pl.__version__}, numba {numba.__version__}, {pl.thread_pool_size()} threads"
        + (", quick: the figures mean nothing" if scale > 1 else "")
    )
    print(f"{'figure':<66} {'ratio':>8}  bar")
    light_kernel(20_000_000 // scale, repeats)
    haversine(10_000_000 // scale, repeats)
    small_calls(repeats)
    imports(repeats)
    streaming(20_000_000 // scale, repeats)


if __name__ == "__main__":
    main()
