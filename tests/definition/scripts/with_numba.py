"""Functions that are compiled by Numba already, and arrays."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import polars as pl

import dataflare_vec as dfv
from dataflare_vec.vectors import cosine_similarity


@numba.njit(fastmath=True)
def clamp(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


@dfv.plugin
@numba.njit
def clamped(x: float, low: float = 0.0, high: float = 1.0) -> Any:
    return clamp(x, low, high)


@dfv.plugin
def similar(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    value: float = cosine_similarity(a, b)
    return value


@dfv.column
def decibels(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 10.0 * np.log10(power)


frame = pl.DataFrame({"x": [2.0], "power": [100.0], "a": [[1.0, 0.0]], "b": [[1.0, 0.0]]})
done = frame.pipe(dfv.apply, [clamped, decibels, similar])
assert done.select("clamped", "decibels", "similar").row(0) == (1.0, 20.0, 1.0)
direct: npt.NDArray[np.float64] = decibels(np.array([1.0]))
assert direct.tolist() == [0.0]
