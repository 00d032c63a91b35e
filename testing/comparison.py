"""What stands in the table of peers, and when a kernel and a peer agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

import dataflare_vec as dfv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Peer:
    """A library that says what a kernel says.

    Parameters
    ----------
    library
        Its name, as tables have it.
    call
        Returns its values for a frame of the kernel's columns, with the kernel's bindings as keywords.
    rtol, atol
        By how much values may differ, as in `numpy.isclose`; by default they must be equal.
    agree
        The least share of rows that agree.
    where
        The rows for which both mean the same; all by default.
    differs
        What isn't alike.
    least
        How many times faster than this peer the kernel is at least, with reserve for another machine of the
        kind; None: only values are compared.
    aim
        How many times faster it should be.
    lost
        Why it isn't faster.
    """

    library: str
    call: Callable[..., Any]
    rtol: float = 0.0
    atol: float = 0.0
    agree: float = 1.0
    where: pl.Expr | None = None
    differs: str = ""
    least: float | None = None
    aim: float = 1.0
    lost: str = ""

    @property
    def exact(self) -> bool:
        """Whether values must be equal."""
        return self.rtol == self.atol == 0.0

    def agreement(self, df: pl.DataFrame, ours: pl.DataFrame, **bindings: Any) -> float:
        """Return the share of rows in which a kernel's values are this peer's."""
        theirs = _columns(self.call(df, **bindings))
        same = np.ones(ours.height, bool)
        for x, y in zip(ours, theirs, strict=True):
            same &= self._same(x, y)
        if self.where is not None:
            same = same[df.select(self.where).to_series().to_numpy()]
        return float(same.mean()) if same.size else 1.0

    def _same(self, x: pl.Series, y: pl.Series) -> np.ndarray:
        if len(x) != len(y):
            msg = f"{len(x)} values of the kernel, {len(y)} of {self.library}"
            raise ValueError(msg)
        if self.exact:
            return x.eq_missing(y.cast(x.dtype)).to_numpy()
        a, b = (series.cast(pl.Float64).to_numpy() for series in (x, y))
        near = np.isclose(a, b, rtol=self.rtol, atol=self.atol, equal_nan=True)
        return (pl.Series(near) & (x.is_null() == y.is_null())).to_numpy()


@dataclass(frozen=True)
class Comparison:
    """A kernel, its data, and its peers.

    Parameters
    ----------
    kernel
        Its name.
    inputs
        Returns that many rows of data, in columns that have the names of the kernel's parameters.
    peers
        The libraries.
    rows
        How many rows they race over.
    bindings
        Constants: values are compared with each of them, the race has the first.
    by
        The column of keys, of scans.
    threads
        Whether they race on all threads, not on one.
    """

    kernel: str
    inputs: Callable[[int], pl.DataFrame]
    peers: tuple[Peer, ...]
    rows: int = 0
    bindings: tuple[Mapping[str, Any], ...] = ({},)
    by: str | None = None
    threads: bool = False

    @property
    def name(self) -> str:
        """The kernel, and whether it has keys."""
        return f"{self.kernel} by key" if self.by else self.kernel

    def run(self, df: pl.DataFrame, config: dfv.BatchConfig | None = None, **bindings: Any) -> pl.DataFrame:
        """Return the kernel's values."""
        result = dfv.run(df, self.kernel, by=self.by, keep=False, config=config, **bindings)
        frame: pl.DataFrame = result.frame
        return frame


def _columns(values: Any) -> list[pl.Series]:
    """Return what a library gave, a frame, a column, an array or a number, as columns."""
    if isinstance(values, pl.DataFrame):
        return values.get_columns()
    return [values if isinstance(values, pl.Series) else pl.Series(np.atleast_1d(values))]
