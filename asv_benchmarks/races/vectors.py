"""Kernels over List and Array columns: against memory bandwidth, and each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from races.common import Figure, Size, at_least, at_most, timed
from testing.inputs import wide_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator


@numba.njit(parallel=True, fastmath=True)
def read(a, b, sums):
    """Read two arrays and do nearly nothing: what the memory gives."""
    for i in numba.prange(sums.size):
        total = np.float32(0)
        for j in range(i * a.size // sums.size, (i + 1) * a.size // sums.size):
            total += a[j] + b[j]
        sums[i] = total


def cosine_of_arrays_and_lists(size: Size) -> Iterator[Figure]:
    arrays = wide_embeddings(size.rows(200_000))
    lists = arrays.cast(pl.List(pl.Float32))
    a, b = (series.to_numpy().ravel() for series in arrays)
    sums = np.zeros(4 * numba.get_num_threads(), np.float32)

    def cosine(df: pl.DataFrame) -> pl.DataFrame:
        return dfv.apply(df, "cosine", keep=False)

    assert_frame_equal(cosine(arrays), cosine(lists), abs_tol=1e-6)
    of_arrays, of_lists, memory = timed(
        [lambda: cosine(arrays), lambda: cosine(lists), lambda: read(a, b, sums)], size.repeats
    )
    yield Figure(
        f"cosine of two 384-wide f32 Array columns, {arrays.height:,} rows: share of the memory's bandwidth",
        memory / of_arrays,
        at_least(1),
        f"{(a.nbytes + b.nbytes) / 1e9 / of_arrays:.1f} GB/s",
    )
    yield Figure(
        "the same of List columns: time / of Array columns", of_lists / of_arrays, at_most(1.3, aim=1.1)
    )


RACES = [cosine_of_arrays_and_lists]
