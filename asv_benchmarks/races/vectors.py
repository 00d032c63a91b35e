"""Kernels over List and Array columns: against NumPy, a plugin written in Rust, and memory bandwidth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
import polars as pl
import polars_distance as pld

import dataflare_vec as dfv
from races.common import Figure, Size, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 384


@numba.njit(parallel=True, fastmath=True)
def read(a, b, sums):
    """Read two arrays and do nearly nothing: what the memory gives."""
    for i in numba.prange(sums.size):
        total = np.float32(0)
        for j in range(i * a.size // sums.size, (i + 1) * a.size // sums.size):
            total += a[j] + b[j]
        sums[i] = total


def einsum(a, b):
    squares = np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b)
    return np.einsum("ij,ij->i", a, b) / np.sqrt(squares)


def cosine_race(size: Size) -> Iterator[Figure]:
    rows = size.rows(200_000)
    random = np.random.default_rng(3)
    a, b = (random.standard_normal((rows, WIDTH), dtype=np.float32) for _ in range(2))
    dtype = pl.Array(pl.Float32, WIDTH)
    df = pl.DataFrame({"a": pl.Series(a, dtype=dtype), "b": pl.Series(b, dtype=dtype)})
    lists = df.cast(pl.List(pl.Float32))
    sums = np.zeros(4 * numba.get_num_threads(), np.float32)

    def ours():
        return df.pipe(dfv.apply, "cosine", keep=False)["cosine"]

    def ours_lists():
        return lists.pipe(dfv.apply, "cosine", keep=False)["cosine"]

    def rust():
        return df.select(1 - pld.col("a").dist_arr.cosine("b")).to_series()

    expected = einsum(a.astype(np.float64), b.astype(np.float64))
    for result in (ours(), ours_lists(), rust(), einsum(a, b)):
        np.testing.assert_allclose(result, expected, atol=1e-6)
    mine, of_lists, numpy, plugin, memory = timed(
        [ours, ours_lists, lambda: einsum(a, b), rust, lambda: read(a.ravel(), b.ravel(), sums)], size.repeats
    )
    what = f"cosine of two {WIDTH}-wide f32 Array columns, {rows:,} rows"
    gigabytes = 2 * a.nbytes / 1e9
    yield Figure(f"{what}: times faster than Rust (polars_distance)", plugin / mine, "≥ 1")
    yield Figure(f"{what}: times faster than NumPy einsum", numpy / mine, "≥ 1")
    yield Figure(
        f"{what}: share of the memory's bandwidth", memory / mine, "≥ 0.7", f"{gigabytes / mine:.1f} GB/s"
    )
    yield Figure("the same of List columns: time / of Array columns", of_lists / mine, "≤ 1.1")


RACES = [cosine_race]
