"""Batches as they come, coalesced into ones that are worth a run."""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dataflare_vec._util.prefetch import PrefetchQueue


def stamped(frames: Iterable[pl.DataFrame]) -> Iterator[tuple[float, pl.DataFrame]]:
    """Yield frames with the time at which they came."""
    for frame in frames:
        yield monotonic(), frame


def coalesced(
    items: PrefetchQueue, size: Callable[[], int], max_latency: float | None, nbytes: float = inf
) -> Iterator[pl.DataFrame]:
    """Join frames to at least ``size`` rows or ``nbytes``, in order.

    Parameters
    ----------
    items
        Pairs of time and frame, as of `stamped`.
    size
        How many rows are wanted now.
    max_latency
        Seconds after which a frame has to have passed the plugins. It waits for others a quarter as long at
        most; the rest is for computing it, also on a busy machine. None waits as long as it takes.
    nbytes
        How many are enough, whatever rows they are.
    """
    waiting: list[pl.DataFrame] = []
    rows = 0
    held = 0.0
    due: float | None = None
    while True:
        try:
            item = items.take(until=due)
        except BaseException as end:  # or StopIteration: what came before it is passed on first
            if waiting:
                yield _concat(waiting)
            if isinstance(end, StopIteration):
                return
            raise
        if item is not None:
            came, frame = item
            if max_latency is not None and due is None:
                due = came + max_latency / 4
            waiting.append(frame)
            rows += frame.height
            held += 0 if nbytes == inf else frame.estimated_size()
        if waiting and (rows >= size() or held >= nbytes or item is None):
            yield _concat(waiting)
            waiting, rows, held, due = [], 0, 0, None


def _concat(frames: list[pl.DataFrame]) -> pl.DataFrame:
    # Not made one piece: kernels read columns of several chunks as they are.
    return frames[0] if len(frames) == 1 else pl.concat(frames)
