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

    __slots__ = ("_rows", "_threads", "_unseen", "tuner")

    def __init__(self, tuner: TracedTuner, threads: int) -> None:
        self.tuner = tuner
        self._threads = threads
        self._rows = 0  # of the frame that it was last asked about, if that was one chunk
        self._unseen = 0  # threads may change it at once: it is only a number of turns

    def take(self, rows: int) -> bool:
        """Whether a frame is one chunk."""
        if self._unseen > 0 and rows <= self._rows:
            self._unseen -= 1
            return True
        with self.tuner.lock:
            is_whole = rows <= self.tuner.next_size(rows, self._threads)
        self._rows, self._unseen = rows if is_whole else 0, 0
        return is_whole

    def record(self, rows: int, seconds: float) -> None:
        """Note how long a frame took."""
        if seconds < _BRIEF:
            if self._unseen > 0:
                return
            self._unseen = _UNSEEN
        else:
            self._unseen = 0
        with self.tuner.lock:
            self.tuner.record(rows, seconds)
