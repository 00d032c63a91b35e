"""How a race is run and how its figure is told."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

import dataflare_vec as dfv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EARTH = 6371.0088
ONE_THREAD = dfv.BatchConfig(enable_parallel=False)


@dataclass
class Size:
    """How large the data is, and how often a race is run."""

    scale: int  # rows are divided by it
    repeats: int

    def rows(self, full: int) -> int:
        return max(full // self.scale, 1000)


@dataclass
class Figure:
    """One line of the table: a ratio, and the bar it is held against (``≤ 1.1`` or ``≥ 30``)."""

    what: str
    ratio: float
    bar: str
    note: str = ""

    @property
    def held(self) -> bool:
        limit = float(self.bar[2:])
        return self.ratio <= limit if self.bar.startswith("≤") else self.ratio >= limit

    def __str__(self) -> str:
        mark = "✓" if self.held else "✗"
        return f"{self.what:<84} {self.ratio:>8.2f}  {self.bar:<8} {mark}  {self.note}"


def timed(functions: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """Median seconds of each, run in turn, after one run that isn't counted."""
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(repeats):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [median(taken) for taken in times]


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


def numbers(rows: int, *names: str) -> pl.DataFrame:
    random = np.random.default_rng(1)
    return pl.DataFrame({name: random.random(rows) for name in names})
