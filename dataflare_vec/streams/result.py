"""What became of the rows of a stream, so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec.engine.stages.failures import ERROR_SCHEMA

if TYPE_CHECKING:
    from dataflare_vec.engine.execution.outcome import Outcome

_SCHEMA = {"file": pl.String, **ERROR_SCHEMA}


@by_public_name
@dataclass
class StreamResult:
    """Counts and failed rows of a stream, which grow while it runs.

    Attributes
    ----------
    processed_count, success_count, error_count, filtered_count : int
        Rows that came in, were computed, failed, and were filtered out, as in `BatchResult`.
    added_count : int
        How many more rows `explode` has given than it was given, as in `BatchResult`.
    output_count : int
        Rows that came out.
    state_count, expired_count : int
        States that scans and reduces carry, and sessions of keys that have expired, as in `BatchResult`.
    total_count : int or None
        Rows there are to come in all, if that is known.
    batches : int
        Runs of the plugins.
    finished, skipped : list of str
        Files that were written, and with ``resume=True`` those that were there already.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def inverted(x):
    ...     return 1 // x
    >>> stream = dfv.stream(pl.DataFrame({"x": [1, 0]}), "inverted", on_error="drop")
    >>> frames = list(stream)
    >>> stream.result.processed_count, stream.result.error_count, stream.result.output_count
    (2, 1, 1)
    >>> stream.result.errors["error"].to_list()
    ['ZeroDivisionError']
    """

    total_count: int | None = None
    processed_count: int = 0
    error_count: int = 0
    filtered_count: int = 0
    output_count: int = 0
    batches: int = 0
    finished: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    _began: float | None = field(default=None, repr=False)
    _ended: float | None = field(default=None, repr=False)
    _details: list[pl.DataFrame] = field(default_factory=list, repr=False)
    _recorded: int = field(default=0, repr=False)
    added_count: int = 0
    state_count: int = 0
    expired_count: int = 0

    def begin(self) -> None:
        """Start the clock, if it isn't running."""
        if self._began is None:
            self._began = perf_counter()

    def end(self) -> None:
        """Stop the clock."""
        self._ended = perf_counter()

    def add(self, outcome: Outcome, output: int) -> None:
        """Count a batch of which ``output`` rows come out."""
        self.processed_count += outcome.rows
        self.error_count += outcome.failed
        self.filtered_count += outcome.filtered
        self.added_count += outcome.added
        self.output_count += output
        self.batches += 1
        if outcome.states:
            self.state_count, self.expired_count = outcome.states.count, outcome.states.expired

    def has_room(self, limit: int) -> bool:
        """Whether there are details of fewer than ``limit`` failed rows."""
        return self._recorded < limit

    def add_errors(self, errors: pl.DataFrame, label: str | None, row: int, limit: int) -> None:
        """Keep details of failed rows, ``limit`` in all; their batch begins at ``row`` of file ``label``."""
        if not self.has_room(limit):
            return
        details = errors.head(limit - self._recorded)
        file = pl.lit(label, pl.String).alias("file")
        self._details.append(details.select(file, pl.col("row") + row, pl.all().exclude("row")))
        self._recorded += details.height

    @property
    def success_count(self) -> int:
        """Rows that didn't fail."""
        return self.processed_count + self.added_count - self.error_count

    @property
    def processing_time(self) -> float:
        """Seconds from the first batch asked for to the end, or to now."""
        if self._began is None:
            return 0.0
        return (self._ended or perf_counter()) - self._began

    @property
    def throughput_per_second(self) -> float:
        """Rows per second."""
        return self.processed_count / self.processing_time if self.processing_time else 0.0

    @property
    def errors(self) -> pl.DataFrame:
        """The first failed rows: file, row in it, plugin, exception, and the values the kernel was given."""
        if not self._details:
            return pl.DataFrame(schema=_SCHEMA)
        return pl.concat(self._details, how="diagonal_relaxed")

    def _repr_html_(self) -> str:
        from dataflare_vec._util.formatting import amount, duration, percent
        from dataflare_vec._util.html import card

        computed = self.processed_count + self.added_count
        share = self.error_count / computed if computed else 0.0
        rows = [
            ("rows processed", amount(self.processed_count)),
            ("failed", f"{amount(self.error_count)} ({percent(share)})"),
            ("filtered out", amount(self.filtered_count)),
            *([("added", amount(self.added_count))] if self.added_count else []),
            ("rows out", amount(self.output_count)),
            ("batches", amount(self.batches)),
            *([("states", amount(self.state_count))] if self.state_count > 1 else []),
            *([("expired", amount(self.expired_count))] if self.expired_count else []),
            ("time", duration(self.processing_time)),
            ("throughput", f"{amount(self.throughput_per_second)} rows/s"),
        ]
        if self.finished or self.skipped:
            rows.append(("files written", amount(len(self.finished))))
        if self.skipped:
            rows.append(("files left out", amount(len(self.skipped))))
        return card("stream", rows)
