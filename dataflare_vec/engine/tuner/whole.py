"""Short frames: what chooses sizes of chunks, and how many threads take them, is asked only now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dataflare_vec.engine.tuner.base import TracedTuner

#: Seconds of a frame that can't matter to a tuner, and how many of those follow each other unseen.
_BRIEF, _UNSEEN = 100e-6, 15


class Cut(NamedTuple):
    """How the rows of a frame are shared out.

    Attributes
    ----------
    rows
        Those of a chunk; all, or a multiple of 64.
    threads
        How many threads there may be at work.
    """

    rows: int
    threads: int


class WholeFrames:
    """Stands between a tuner and frames that compiled code may take as a whole, alone or with helpers.

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

    def take(self, rows: int, *, may_share: bool = False) -> Cut | None:
        """Return how a frame is cut, if it is short enough: one chunk, unless compiled code may share it."""
        if self._unseen > 0 and rows <= self._rows:
            self._unseen -= 1
            self._is_seen = False
            return Cut(rows, 1)
        tuner = self.tuner
        with tuner.lock:
            threads = tuner.threads_for(rows, self._threads)
            cut: Cut | None = None
            if may_share and tuner.is_short(rows):
                cut = Cut(min(tuner.piece(rows, threads), rows), threads)
            elif rows <= tuner.next_size(rows, threads):
                cut = Cut(rows, 1)
        is_whole = cut is not None and cut.rows == rows
        self._rows, self._unseen, self._is_seen = rows if is_whole else 0, 0, True
        return cut

    def record(self, rows: int, cut: Cut, seconds: float, busy: float) -> None:
        """Note how long a frame took, and all its threads together."""
        is_brief = seconds < _BRIEF and cut.threads == 1
        if is_brief and not self._is_seen:
            return
        self._unseen = _UNSEEN if is_brief else 0
        with self.tuner.lock:
            self.tuner.record(cut.rows, busy * cut.rows / rows)
            self.tuner.record_frame(rows, cut.threads, seconds)
