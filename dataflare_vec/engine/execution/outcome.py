"""What a plan made of a frame: columns out, rows remaining, rows failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

    from dataflare_vec.engine.execution.resume import OpenStates
    from dataflare_vec.engine.stages.failures import Failures
    from dataflare_vec.engine.tuner import TracedTuner


class InPlace(NamedTuple):
    """That rows keep their places, whatever becomes of them; what isn't computed is null."""

    selected: pl.Series | None = None  # which rows are to be computed at all; None for all


@dataclass(slots=True)
class Outcome:
    """What a plan made of a frame.

    Attributes
    ----------
    series
        The new columns, named; of the rows that remain.
    remaining
        Which rows of the data stay: a Boolean Series, or None for all.
    source
        Where rows became several, or none: of which row of the data each is.
    failures
        The stages on which rows failed, with those rows.
    rows, filtered, added
        Rows that came in, those that filters took out (failed ones not counted), and by how many there are
        more, or fewer, because some became several or none.
    tuner
        What chose the chunk sizes; None if nothing was cut.
    reduced
        Whether the columns stand for all rows together, or for keys, and not for the rows of the data.
    states
        What stages have carried.
    reads
        The columns of the data that were read, where that isn't a Polars frame.
    owns_columns
        Whether nothing else refers to the memory of the new columns.
    selected
        Of rows that keep their places, or have come of them: which went through all stages; None for all.
    """

    series: list[pl.Series]
    remaining: pl.Series | None
    failures: list[Failures]
    rows: int
    filtered: int
    tuner: TracedTuner | None = None
    reduced: bool = False
    states: OpenStates | None = None
    reads: Collection[str] = ()
    owns_columns: bool = False
    selected: pl.Series | None = None
    source: pl.Series | None = None
    added: int = 0

    @property
    def failed(self) -> int:
        """How many rows failed."""
        return sum(one.count for one in self.failures)
