"""How a race is run and how its figure is told."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

import dataflare_vec as dfv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ONE_THREAD = dfv.BatchConfig(enable_parallel=False)


@dataclass
class Size:
    """How large the data is, and how often a race is run."""

    scale: int  # rows are divided by it
    repeats: int

    def rows(self, full: int) -> int:
        return max(full // self.scale, 1000)


@dataclass(frozen=True)
class Bar:
    """What a figure is held against: the aim is wanted, the limit must be kept to.

    Limits lie a third to a half beyond the worst figure that machines like the README's have given.
    """

    sign: Literal["≥", "≤"]
    aim: float
    limit: float

    def __post_init__(self) -> None:
        assert self.reached(self.aim, self.limit), "the aim lies beyond the limit"

    def reached(self, value: float, mark: float) -> bool:
        return value >= mark if self.sign == "≥" else value <= mark


def at_least(limit: float, *, aim: float = 1.0) -> Bar:
    """Return a bar for what had better be large; a lead beyond the aim is the aim from then on."""
    return Bar("≥", max(aim, limit), limit)


def at_most(limit: float, *, aim: float | None = None) -> Bar:
    """Return a bar for what had better be small; without an aim the limit is what is wanted."""
    return Bar("≤", limit if aim is None else aim, limit)


@dataclass(frozen=True)
class Figure:
    """One line of the table: a ratio, and the bar it is held against."""

    what: str
    ratio: float
    bar: Bar
    note: str = ""

    @property
    def at_aim(self) -> bool:
        return self.bar.reached(self.ratio, self.bar.aim)

    @property
    def within_limit(self) -> bool:
        return self.bar.reached(self.ratio, self.bar.limit)

    @property
    def cells(self) -> list[str]:
        aim, limit = (f"{self.bar.sign} {mark:g}" for mark in (self.bar.aim, self.bar.limit))
        return [self.what, f"{self.ratio:.2f}", aim, limit, self.note]

    def __str__(self) -> str:
        mark = "✓" if self.at_aim else "·" if self.within_limit else "✗"
        what, ratio, aim, limit, note = self.cells
        return f"{what:<84} {ratio:>8} {mark}  aim {aim:<7} limit {limit:<7} {note}"


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


def numbers(rows: int, *names: str) -> pl.DataFrame:
    random = np.random.default_rng(1)
    return pl.DataFrame({name: random.random(rows) for name in names})
