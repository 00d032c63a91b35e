"""Names of columns: those that Polars would take for patterns, and those that no column of the data has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Seen by nobody, and in no name that somebody writes: a word joiner, which is as wide as nothing.
_MARK = "\u2060"


def unnamed(series: pl.Series) -> pl.Series:
    """Return a Series without its name: as `^…$` methods of a Series too would take that for a pattern."""
    return series.alias("")


def internal(name: str) -> str:
    """Return a name for a column that the data doesn't have, which reads as the one given."""
    return f"{name}{_MARK}"


def named(columns: Sequence[pl.Series]) -> pl.DataFrame:
    """Return a frame of columns; in a list Polars would rename one that is called ``""``."""
    if not columns:
        return pl.DataFrame()
    first, *others = columns
    frame = first.to_frame()  # asks nothing about what it is given, which takes longer
    return frame.hstack(others) if others else frame
