"""`ErrorLog`: the failed rows of runs whose result is a frame, or a query that runs later."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec.config.settings import check_count
from dataflare_vec.engine.stages.failures import ERROR_SCHEMA, all_details

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.engine.stages.failures import Failures


@by_public_name
class ErrorLog:
    """A log of failed rows: an exact count, and the details of the first ones.

    Parameters
    ----------
    limit
        Maximum number of rows whose details are kept.

    Attributes
    ----------
    count : int
        Rows that failed so far.

    Notes
    -----
    For ``errors=`` of `apply`, above all with lazy frames, whose rows are computed when the query is run:
    by then the log has them. It may be used for several calls, from any thread. A query that is run twice,
    or whose plan computes a plugin twice, counts twice.

    ``row`` is the number of a row in what the call was given. In a lazy query that is what comes before it
    there, and known only where rows are taken in order: by a call with a scan or a reduce, or that drops
    failed rows. Elsewhere it is null, because Polars doesn't say which rows a batch has.

    Raises
    ------
    ArgumentError
        If the limit is negative.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def ratio(part, whole):
    ...     return part // whole
    >>> log = dfv.ErrorLog()
    >>> lazy = pl.LazyFrame({"part": [6, 1], "whole": [3, 0]})
    >>> query = lazy.pipe(dfv.apply, "ratio", on_error="null", errors=log)
    >>> query.collect()["ratio"].to_list(), log.count
    ([2, None], 1)
    >>> log.frame.select("error", "inputs").row(0)
    ('ZeroDivisionError', {'part': 1, 'whole': 0})
    """

    def __init__(self, limit: int = 1000) -> None:
        check_count("limit", limit, least=0)
        self.count = 0
        self._limit = limit
        self._details: list[pl.DataFrame] = []
        self._recorded = 0
        self._lock = threading.Lock()

    def add(self, failures: Sequence[Failures], start: int | None = None) -> None:
        """Add the failed rows of a run, whose first row is that of a number; None if nobody knows it."""
        failed = sum(one.count for one in failures)
        if not failed:
            return
        with self._lock:
            self.count += failed
            if self._recorded < self._limit:
                details = all_details(failures, self._limit - self._recorded).head(
                    self._limit - self._recorded
                )
                row = pl.lit(None, pl.Int64) if start is None else pl.col("row") + start
                self._details.append(details.with_columns(row.alias("row")))
                self._recorded += details.height

    @property
    def frame(self) -> pl.DataFrame:
        """The details: row, plugin, exception, message, and the values that the kernel was given."""
        with self._lock:
            details = list(self._details)
        if not details:
            return pl.DataFrame(schema=ERROR_SCHEMA)
        return pl.concat(details, how="diagonal_relaxed")

    def clear(self) -> None:
        """Remove all rows and reset the count."""
        with self._lock:
            self.count = self._recorded = 0
            self._details = []

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled, or copied."""
        with self._lock:
            return {**self.__dict__, "_details": list(self._details), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def __repr__(self) -> str:
        return f"<ErrorLog: {self.count} failed rows>"
