"""What a tuner notes of each chunk, and all of it as a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = {
    "index": pl.Int64,
    "size": pl.Int64,
    "rows": pl.Int64,
    "latency": pl.Float64,
    "throughput": pl.Float64,
    "reason": pl.String,
}


class TraceEntry(NamedTuple):
    """One chunk in a tuner's trace.

    Attributes
    ----------
    index
        Number of the chunk, from 0, in the order they were done.
    size
        Rows asked for.
    rows
        Rows it had; fewer at the end of a frame.
    latency
        Seconds it took.
    throughput
        Rows a second; 0 if there was no valid time.
    reason
        What it was for, or what followed from it: ``"explore"``, ``"hold"``, ``"latency"``,
        ``"drift"``, ``"outlier ignored"``, ``"tail"``, ``"no measurement"`` …
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody misses here
    size: int
    rows: int
    latency: float
    throughput: float
    reason: str


def trace_frame(trace: Iterable[TraceEntry]) -> pl.DataFrame:
    """Return a trace as a frame, a row per chunk: see `TracedTuner.trace_frame`."""
    return pl.DataFrame(list(trace), schema=SCHEMA, orient="row")
