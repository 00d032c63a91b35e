"""Frames that are one chunk: what chooses sizes of chunks is asked and told only now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflare_vec.engine.tuner.base import TracedTuner

#: Seconds of a chunk that can't matter to a tuner, and how many of those follow each other unseen.
_BRIEF, _UNSEEN = 100e-6, 15


class WholeFrames:
    """Stands between a tuner and frames that it may take as one chunk.

    A tuner learns nothing from chunks of microseconds, which end before their size is reached. Asking and
    telling it would take longer than all the rest that a thousand rows need; so of brief ones it sees one in
    sixteen, and all others.

    Parameters
    ----------
    tuner
        The tuner.
    threads
        How many threads there may be.
    """

    __slots__ = ("_is_seen", "_rows", "_threads", "_unseen", "tuner")

    def __init__(self, tuner: TracedTuner, threads: int) -> None:
        self.tuner = tuner
        self._threads = threads
        self._rows = 0  # of the frame that it was last asked about, if that was one chunk
        # Threads may change these at once: they only say whose turn it is to be seen.
        self._unseen = 0
        self._is_seen = True

    def take(self, rows: int) -> bool:
        """Whether a frame is one chunk."""
        if self._unseen > 0 and rows <= self._rows:
            self._unseen -= 1
            self._is_seen = False
            return True
        with self.tuner.lock:
            threads = self.tuner.threads_for(rows, self._threads)
            is_whole = rows <= self.tuner.next_size(rows, threads)
        self._rows, self._unseen, self._is_seen = rows if is_whole else 0, 0, True
        return is_whole

    def record(self, rows: int, seconds: float) -> None:
        """Note how long a frame took."""
        is_brief = seconds < _BRIEF
        if is_brief and not self._is_seen:
            return
        self._unseen = _UNSEEN if is_brief else 0
        with self.tuner.lock:
            self.tuner.record(rows, seconds)
            self.tuner.record_frame(rows, 1, seconds)
