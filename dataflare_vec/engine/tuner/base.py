"""What every tuner is to the engine, the trace that it keeps, and its bounds."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Protocol

from dataflare_vec._util.durations import seconds as in_seconds
from dataflare_vec.engine.tuner.sharing import LONG, Sharing
from dataflare_vec.engine.tuner.trace import TraceEntry, trace_frame

if TYPE_CHECKING:
    import polars as pl

    from dataflare_vec.config.settings import BatchConfig

#: Chunks that a trace holds; older ones fall out.
TRACE_LENGTH = 1024

# Near the end of a frame chunks shrink so that no thread idles while another runs a last long one. Below
# this time per chunk the 10-20 µs of Python for each would cost more than the idling.
_SHORTEST_SHARE = 250e-6

# Where compiled code hands them out: chunks for each thread, and seconds of one, at least.
_PIECES, _SHORTEST_PIECE = 8, 5e-6


class Tuner(Protocol):
    """Chooses the rows of each chunk. Whoever calls it holds its `lock`: threads and runs share it."""

    lock: threading.Lock

    def next_size(self, remaining: int | None = None, threads: int = 1) -> int:
        """Return the rows for the next chunk."""
        ...

    def record(self, rows: int, seconds: float) -> None:
        """Record a chunk that is done."""
        ...


def round_up(rows: int) -> int:
    """Return ``rows`` rounded up to a multiple of 64, at least 64."""
    return max(64, -(-rows // 64) * 64)


def is_measured(rows: int, seconds: float) -> bool:
    """Return whether a chunk's time says anything: a clock may stand still or jump."""
    return rows > 0 and 1e-9 <= seconds <= 1e9


class TracedTuner:
    """A tuner's bounds and trace.

    Attributes
    ----------
    target
        Seconds a chunk may take.
    smallest, largest
        Bounds on the rows of a chunk, multiples of 64.
    lock
        For whoever calls a tuner from several threads or runs; the tuner itself never takes it.
    """

    def __init__(self, config: BatchConfig) -> None:
        self.config = config
        self.target = in_seconds(config.target_latency)
        self.smallest = round_up(config.min_batch_size)
        # Rounded down, as the limit is meant, but never below the smallest.
        self.largest = max(self.smallest, config.max_batch_size // 64 * 64)
        # Size, rows, seconds, reason. A plain tuple takes a third of the time of a named one, and most are
        # never looked at.
        self._notes: deque[tuple[int, int, float, str]] = deque(maxlen=TRACE_LENGTH)
        self.lock = threading.Lock()
        self._sharing = Sharing()
        self._index = 0
        self._asked = 0
        self._cost = 0.0  # seconds a row; 0 while unknown
        self._cheapest = 0.0  # the same, lately at best: what a small frame took says little about a row

    def threads_for(self, rows: int, threads: int) -> int:
        """Return how many threads, of so many, are to take a frame; see `Sharing`."""
        return self._sharing.threads(rows, threads, self._cheapest)

    def is_short(self, rows: int) -> bool:
        """Whether a frame is known to take one thread so little that nobody has to look in between."""
        return 0 < self._cheapest * rows < LONG

    def piece(self, rows: int, threads: int) -> int:
        """Return the rows of the chunks in which compiled code is to hand out a short frame."""
        size = self.next_size(rows)
        if threads <= 1:
            return size
        share = max(rows // (_PIECES * threads), int(_SHORTEST_PIECE / self._cheapest), self.smallest)
        return min(size, round_up(share))

    def record_frame(self, rows: int, threads: int, seconds: float) -> None:
        """Record a frame that is done, with all its chunks."""
        self._sharing.record(rows, threads, seconds)

    def next_size(self, remaining: int | None = None, threads: int = 1) -> int:
        """Return the rows for the next chunk; see `Tuner`."""
        raise NotImplementedError

    def record(self, rows: int, seconds: float) -> None:
        """Take note of a chunk that is done; see `Tuner`."""
        raise NotImplementedError

    @property
    def best_size(self) -> int:
        """Rows of a chunk as it is now known best, a multiple of 64: where a new run may start."""
        raise NotImplementedError

    def _clamp(self, rows: int) -> int:
        return min(max(round_up(rows), self.smallest), self.largest)

    def _share(self, size: int, remaining: int, threads: int) -> int:
        """Return how much of what remains one of several threads should take at most.

        Guided self-scheduling: half an equal share, so that chunks shrink towards the end and threads
        finish together. Not below what takes 250 µs, nor before the cost of a row is known.
        """
        share = remaining // (2 * threads)
        if share >= size or not self._cheapest:
            return size
        return min(size, max(share, int(_SHORTEST_SHARE / self._cheapest), self.smallest))

    def _measure(self, cost: float) -> None:
        """Note seconds a row: each is an upper bound, for what else a chunk costs is in it."""
        self._cheapest = min(1.05 * self._cheapest, cost) if self._cheapest else cost

    def _note(self, rows: int, seconds: float, reason: str) -> None:
        self._index += 1
        self._notes.append((self._asked if rows < self._asked else rows, rows, seconds, reason))

    @property
    def trace(self) -> deque[TraceEntry]:
        """The latest chunks, oldest first: a bounded deque, made anew at each access."""
        notes = list(self._notes)  # at once: other threads may go on
        first = self._index - len(notes)
        return deque(
            (
                TraceEntry(index, size, rows, seconds, rows / seconds if seconds >= 1e-9 else 0.0, reason)
                for index, (size, rows, seconds, reason) in enumerate(notes, first)
            ),
            maxlen=TRACE_LENGTH,
        )

    def trace_frame(self) -> pl.DataFrame:
        """Return the trace as a Polars frame, a row per chunk.

        Returns
        -------
        polars.DataFrame
            Columns ``index``, ``size``, ``rows`` (Int64), ``latency`` (s), ``throughput`` (rows/s)
            (Float64) and ``reason`` (String).
        """
        return trace_frame(self.trace)
