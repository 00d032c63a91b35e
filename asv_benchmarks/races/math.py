"""Mathematical functions and the kernels made of them: against copying, SciPy, and Numba with libm."""

from __future__ import annotations

import math
import time
from statistics import median
from typing import TYPE_CHECKING

import numba
import numpy as np
import polars as pl

import dataflare_vec as dfv
from races.common import ONE_THREAD, Figure, Size, at_least, at_most, timed
from testing import formulas
from testing.inputs import options

if TYPE_CHECKING:
    from collections.abc import Iterator


@dfv.plugin
def copied(a):
    return a


@dfv.plugin
def sine(a):
    return math.sin(a)


@dfv.plugin
def exponential(a):
    return math.exp(a)


@dfv.plugin
def logarithm(a):
    return math.log(a)


FUNCTIONS = {"sin": (sine, np.sin), "exp": (exponential, np.exp), "log": (logarithm, np.log)}


def apply(df: pl.DataFrame, plugin: object, **bindings: object) -> pl.DataFrame:
    return dfv.apply(df, plugin, config=ONE_THREAD, keep=False, **bindings)


def functions(size: Size) -> Iterator[Figure]:
    rows = size.rows(10_000_000)
    df = pl.DataFrame({"a": np.random.default_rng(3).uniform(0.1, 10, rows)})
    single = df.cast(pl.Float32)
    for name, (plugin, oracle) in FUNCTIONS.items():
        assert np.allclose(apply(df, plugin).to_series(), oracle(df["a"]), rtol=1e-14)
        assert np.allclose(apply(single, plugin).to_series(), oracle(single["a"]), rtol=1e-5, atol=1e-6)
        ours, copy, f32 = timed(
            [
                lambda plugin=plugin: apply(df, plugin),
                lambda: apply(df, copied),
                lambda plugin=plugin: apply(single, plugin),
            ],
            size.repeats,
        )
        yield Figure(
            f"{name}, f64, one thread: time / copying", ours / copy, at_most(4, aim=1.4), note(ours, rows)
        )
        yield Figure(
            f"{name}, one thread: rows a second in f32 / in f64",
            ours / f32,
            at_least(1.0, aim=1.7),  # both may be bound by memory, and how fast it is varies
            note(f32, rows),
        )


def note(seconds: float, rows: int, other: float | None = None) -> str:
    against = "" if other is None else f" against {other / rows * 1e9:.1f}"
    return f"{seconds / rows * 1e9:.2f} ns a row{against}"


def call_scipy(df: pl.DataFrame) -> np.ndarray:
    return formulas.black_scholes_call(*(column.to_numpy() for column in df))


@numba.njit(error_model="numpy")
def cdf(x):
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


@numba.njit(error_model="numpy")
def call_libm(s, k, t, r, v):
    spread = v * math.sqrt(t)
    d1 = (math.log(s / k) + (r + v * v / 2) * t) / spread
    return s * cdf(d1) - k * math.exp(-r * t) * cdf(d1 - spread)


@numba.njit(error_model="numpy", nogil=True)
def call_loop(s, k, t, r, v, out):
    for i in range(s.size):
        out[i] = call_libm(s[i], k[i], t[i], r[i], v[i])


@numba.njit(error_model="numpy")
def volatility_libm(price, s, k, t, r):
    """Newton's method within brackets, until the steps end: what one would write."""
    low, high, v = 1e-6, 10.0, 0.3
    for _ in range(100):
        error = call_libm(s, k, t, r, v) - price
        if error > 0:
            high = v
        else:
            low = v
        d1 = (math.log(s / k) + (r + v * v / 2) * t) / (v * math.sqrt(t))
        vega = s * math.sqrt(t) * math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
        new = v - error / vega
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - v) < 1e-12:
            return new
        v = new
    return v


@numba.njit(error_model="numpy", nogil=True)
def volatility_loop(price, s, k, t, r, out):
    for i in range(s.size):
        out[i] = volatility_libm(price[i], s[i], k[i], t[i], r[i])


def black_scholes(size: Size) -> Iterator[Figure]:
    rows = size.rows(10_000_000)
    df = options(rows)
    columns, out = [df[c].to_numpy() for c in df.columns], np.empty(rows)
    wanted = call_scipy(df)
    call_loop(*columns, out)
    assert np.allclose(apply(df, "black_scholes_call").to_series(), wanted, atol=1e-11)
    assert np.allclose(out, wanted, atol=1e-11)
    ours, loop = timed(
        [lambda: apply(df, "black_scholes_call"), lambda: call_loop(*columns, np.empty(rows))], size.repeats
    )
    what = f"Black–Scholes call, {rows:,} rows, one thread: times faster than numba.njit with libm"
    yield Figure(what, loop / ours, at_least(1.4, aim=8), note(ours, rows, loop))


def implied_volatility(size: Size) -> Iterator[Figure]:
    rows = size.rows(1_000_000)
    df = options(rows)
    df = df.with_columns(price=pl.Series(call_scipy(df)))
    # Where the price still holds ten digits of the volatility.
    intrinsic = pl.col("spot") - pl.col("strike") * (-pl.col("rate") * pl.col("years")).exp()
    df = df.filter(pl.col("price") - pl.max_horizontal(intrinsic, 0.0) > 0.01)
    columns = [df[c].to_numpy() for c in ("price", "spot", "strike", "years", "rate")]
    out = np.empty(len(df))
    volatility_loop(*columns, out)
    assert np.allclose(apply(df, "implied_volatility").to_series(), df["volatility"], atol=1e-9)
    assert np.allclose(out, df["volatility"], atol=1e-9)
    ours, loop = timed(
        [lambda: apply(df, "implied_volatility"), lambda: volatility_loop(*columns, np.empty(len(df)))],
        size.repeats,
    )
    what = "implied volatility, one thread: times faster than numba.njit with libm"
    yield Figure(what, loop / ours, at_least(1.4, aim=3), note(ours, len(df), loop))


def nulls(size: Size) -> Iterator[Figure]:
    rows = size.rows(4_000_000)
    df = options(rows)
    df = df.with_columns(price=pl.Series(call_scipy(df)) + 1e-3)
    holes = df.with_columns(
        strike=pl.when(pl.Series(np.random.default_rng(5).random(rows)) >= 0.1).then("strike")
    )
    for name in ("black_scholes_call", "implied_volatility"):
        few = 4 if name == "implied_volatility" else 1
        full, part = df.head(rows // few), holes.head(rows // few)
        valid = part["strike"].is_not_null()
        with_nulls, without = apply(part, name), apply(full, name)
        assert with_nulls.filter(valid).equals(without.filter(valid))
        assert with_nulls.to_series().null_count() == part["strike"].null_count()
        a, b = timed([lambda n=name, p=part: apply(p, n), lambda n=name, f=full: apply(f, n)], size.repeats)
        yield Figure(
            f"{name}: time with 10 % nulls / without", a / b, at_most(1.4, aim=1.15), note(a, rows // few)
        )


def haversine_of(n: int) -> object:
    """A new function each time, with a radius of its own: nothing of it has been compiled or kept yet."""
    radius = 6371 + n / 1e9

    def kernel(lat1, lon1, lat2, lon2):
        u = math.sin(math.radians(lat2 - lat1) / 2)
        v = math.sin(math.radians(lon2 - lon1) / 2)
        h = u * u + math.cos(math.radians(lat1)) * math.cos(math.radians(lat2)) * v * v
        return 2 * radius * math.asin(math.sqrt(1.0 if h > 1.0 else h))

    kernel.__name__ = f"haversine_{n}"
    return kernel


def compile_time(size: Size) -> Iterator[Figure]:
    names = ("lat1", "lon1", "lat2", "lon2")
    df = pl.DataFrame({name: [10.0, 20.0] for name in names})
    columns = [df[n].to_numpy() for n in names]
    ours, theirs = [], []
    for n in range(size.repeats + 1):
        plugin = dfv.plugin(haversine_of(n))
        start = time.perf_counter()
        got = apply(df, plugin)
        ours.append(time.perf_counter() - start)
        kernel = numba.njit(error_model="numpy")(haversine_of(n))

        @numba.njit(error_model="numpy")
        def loop(a, b, c, d, out, kernel=kernel):
            for i in range(a.size):
                out[i] = kernel(a[i], b[i], c[i], d[i])

        out = np.empty(2)
        start = time.perf_counter()
        loop(*columns, out)
        theirs.append(time.perf_counter() - start)
        assert np.allclose(got.to_series(), out, atol=1e-6)
    a, b = median(ours[1:]), median(theirs[1:])  # the first ones load the compilers
    yield Figure(
        "compiling haversine: first call / numba.njit's",
        a / b,
        at_most(2.5, aim=2),
        f"{a * 1e3:.0f} ms against {b * 1e3:.0f}",
    )


RACES = [functions, black_scholes, implied_volatility, nulls, compile_time]
