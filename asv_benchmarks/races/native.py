"""Native Polars plugins: against Polars' expression, a plugin in Rust, and the same kernel by Python."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
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
    """Mostly what Polars takes for any expression, and for handing over four columns.

    Of 40 µs, one call after the other, 12 are the library's, and 6 of these the kernel's. Where Polars hands
    an expression to a sleeping thread, `a + b` alone takes 90 to 130: of 122 µs measured there, a plugin that
    returns one of its four columns took 113, Rust 171.
    """
    df, contenders = coordinates(1_000), haversines()
    assert df.select(contenders["native"]).equals(df.select(contenders["by Python"]))
    calls = 20
    times = timed([many(df, expr, calls) for expr in contenders.values()], 20 * size.repeats)
    of = dict(zip(contenders, times, strict=True))
    for other, limit, aim in (("Rust", 0.85, 0.5), ("expression", 0.6, 0.3), ("by Python", 0.7, 0.25)):
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
    """A thread that never waits has the GIL nearly always, and its share of the processors from any query.

    With as many threads of Polars as processors, and one more, that share alone takes half of the time again
    on two. So Polars' own expression is asked, too.
    """
    df = coordinates(size.rows(20_000_000)).lazy()
    contenders = haversines()
    queries = [df.select(contenders[name].sum()) for name in ("native", "expression")]
    turns = [lambda query=query: query.collect(engine="streaming") for query in queries]
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            pass

    alone = timed(turns, 3 * size.repeats)
    thread = threading.Thread(target=spin)
    thread.start()
    try:
        beside = timed(turns, 3 * size.repeats)
    finally:
        stop.set()
        thread.join()
    native, own = (one / other for one, other in zip(beside, alone, strict=True))
    note = f"{beside[0]:.2f} s against {alone[0]:.2f}"
    what = "native haversine beside a busy Python thread: time / without"
    yield Figure(what, native, at_most(3.0, aim=1.15), note)
    what = "the same / what the thread takes from Polars' own expression"
    yield Figure(what, native / own, at_most(1.3, aim=1.15), f"{native:.2f} against {own:.2f}")


# Where there is Polars and the package: what the package takes on top of Polars and an expression of its own.
START = """
import json, sys, time
import polars as pl

df = pl.DataFrame({name: [float(i)] * 3 for i, name in enumerate(("lat1", "lon1", "lat2", "lon2"))})

def took(function):
    began = time.perf_counter()
    function()
    return (time.perf_counter() - began) * 1000

def first():
    import haversine
    df.select(haversine.haversine(*df.columns))

own = took(lambda: df.select((pl.col("lat1") * pl.col("lon1")).sin()))
print(json.dumps([took(first) - own, "numba" in sys.modules or "dataflare_vec" in sys.modules]))
"""


def built(size: Size) -> Iterator[Figure]:
    """What a user of a plugin installs, and waits for at the start."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = dfv.build("haversine", output=folder).write_wheel(folder)
        kilobytes = wheel.stat().st_size / 1000
        zipfile.ZipFile(wheel).extractall(folder)
        starts = []
        for _ in range(3 * size.repeats):
            done = subprocess.run(
                [sys.executable, "-c", START], cwd=folder, check=True, capture_output=True, text=True
            )
            milliseconds, ours = json.loads(done.stdout)
            assert not ours
            starts.append(milliseconds)
    yield Figure("wheel of native haversine: kB", kilobytes, at_most(100))
    what = "native haversine, import and first result above Polars' own expression: ms"
    yield Figure(what, min(starts), at_most(120, aim=60))


# In a process of its own, as somebody builds: Numba is imported, and nothing compiled yet.
BUILD = """
import json, sys, time
began = time.perf_counter()
import dataflare_vec as dfv
from dataflare_vec.polars_plugin import build

linking = []
link = build.link

def timed(*arguments):
    start = time.perf_counter()
    try:
        return link(*arguments)
    finally:
        linking.append(time.perf_counter() - start)

build.link = timed
dfv.build("haversine", output=sys.argv[1])
print(json.dumps([time.perf_counter() - began, sum(linking)]))
"""


def building(size: Size) -> Iterator[Figure]:
    """The second library of a kernel on a machine: Python starts, and what can be kept has been."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(1 + size.repeats):
            done = subprocess.run(
                [sys.executable, "-c", BUILD, folder], check=True, capture_output=True, text=True
            )
            runs.append(json.loads(done.stdout))
    seconds, linking = (min(column) for column in zip(*runs[1:], strict=True))
    yield Figure("native haversine, second build on a machine: s", seconds, at_most(8, aim=4))
    yield Figure(
        "native haversine, second build on a machine, linking alone: s", linking, at_most(1, aim=0.5)
    )


@dfv.plugin
def share_of(a: float, b: float, least=0.25):
    if b == 0.0:
        raise ZeroDivisionError("b is 0")
    return math.atan2(a, b) if a > least else a % b


@dfv.plugin
def parts_of(m: int, n: int):
    return m // n, m % n, m > n


SPECIAL = [0.0, -0.0, 1.0, -1.5, math.inf, -math.inf, math.nan, 1e300, 5e-324, 1e15 + 0.5]
WHOLE = [0, 1, -1, 7, -7, (1 << 63) - 1, -(1 << 63), 1 << 53]


def pool(rows: int) -> pl.DataFrame:
    """Return columns with values of all kinds, and nulls, of which frames are cut."""
    random = np.random.default_rng(7)

    def column(values: np.ndarray, special: list[float]) -> pl.Series:
        chosen = random.choice(np.array(special, values.dtype), rows)
        mixed = np.where(random.random(rows) < 0.3, chosen, values)
        return pl.select(pl.when(pl.lit(random.random(rows)) > 0.1).then(pl.lit(mixed))).to_series()

    floats = {name: column(random.normal(0, 50, rows), SPECIAL) for name in ("a", "b", *POINTS)}
    return pl.DataFrame(floats | {name: column(random.integers(-99, 99, rows), WHOLE) for name in ("m", "n")})


def identical(a: pl.DataFrame, b: pl.DataFrame) -> bool:
    """Whether two results have the same bits, but for those of NaN."""
    if not a.equals(b):
        return False
    structs = [name for name, dtype in a.schema.items() if dtype == pl.Struct]
    inverse = 1.0 / pl.selectors.float()  # of -0.0 isn't that of 0.0, which it equals
    one, other = (frame.unnest(structs).select(inverse) for frame in (a, b))
    return one.equals(other)


def same_bits(size: Size) -> Iterator[Figure]:
    """Random frames of up to 40 rows, with nulls, slices and several chunks, rows that fail among them."""
    frames = size.rows(100_000)
    source, random = pool(100_000), np.random.default_rng(8)
    whole = pl.concat([source[:333], source[333:50_000], source[50_000:]], rechunk=False)
    library = dfv.build(["haversine", product_plus_one, share_of, parts_of], output=tempfile.mkdtemp())
    calls = [("haversine", POINTS), (product_plus_one, "ab"), (share_of, "ab"), (parts_of, "mn")]
    pairs = []
    for plugin, columns in calls:
        name = plugin if isinstance(plugin, str) else plugin.name
        native = library.expr(name, *columns, on_error="null").alias("it")
        pairs.append((native, dfv.expr(plugin, *columns, on_error="null").alias("it")))
    differing = 0
    for i in range(frames):
        df = whole.slice(int(random.integers(0, 99_000)), int(random.integers(0, 40)))
        native, ours = pairs[i % len(pairs)]
        differing += not identical(df.select(native), df.select(ours))
    note = f"of {frames:,} random frames"
    yield Figure("native, results that differ from Python's road in any bit", differing, at_most(0), note)


RACES = [small_frames, streaming, arithmetic, beside_python, built, building, same_bits]
