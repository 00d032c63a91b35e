"""Whether several threads pay for a frame: told from what frames of its size took with and without."""

from __future__ import annotations

from collections import deque

from dataflare_vec.engine.tuner.samples import median

#: Frames of more seconds on one thread are shared: there it doesn't count what it takes to wake the others
#: and to wait for them.
LONG = 10e-3

# Frames of less aren't: they would be over before another thread is awake.
_BRIEF = 40e-6

# What a frame has to take, shared, of what it takes alone: for less than that another thread isn't kept busy.
_PAYS = 0.95

# Frames of each kind that are compared.
_TO_COMPARE, _KEPT = 3, 5

# Frames until the other way is tried again.
_FIRST_REVIEW, _LAST_REVIEW = 32, 512


class Sharing:
    """Chooses, for frames of few milliseconds, between all threads and the calling one alone.

    A second thread has to be woken and waited for, which takes microseconds on an idle machine, and may take
    milliseconds on a busy one, or where Python's threads hand the interpreter's lock to each other. The
    first frames of about a size are taken in turn; then the better way is, and ever more rarely the other.

    Examples
    --------
    >>> sharing = Sharing()
    >>> for _ in range(6):
    ...     threads = sharing.threads(100_000, 2, 10e-9)
    ...     sharing.record(100_000, threads, 1e-3 if threads == 1 else 3e-3)
    >>> sharing.threads(100_000, 2, 10e-9)
    1
    """

    def __init__(self) -> None:
        self._frames: dict[int, _Frames] = {}

    def threads(self, rows: int, threads: int, cost: float) -> int:
        """Return how many threads, of so many, are to take a frame, of which a row takes one so long."""
        if threads <= 1 or cost * rows >= LONG:
            return threads
        if 0 < cost * rows < _BRIEF:
            return 1
        frames = self._frames.get(rows.bit_length())
        return threads if frames is None or frames.shares() else 1

    def record(self, rows: int, threads: int, seconds: float) -> None:
        """Note what a frame took, with all its chunks."""
        frames = self._frames.setdefault(rows.bit_length(), _Frames())
        frames.record(seconds / rows, shared=threads > 1)


class _Frames:
    """What frames of about one size took for each row."""

    def __init__(self) -> None:
        self._alone: deque[float] = deque(maxlen=_KEPT)
        self._shared: deque[float] = deque(maxlen=_KEPT)
        self._since = 0  # frames since the other way was tried
        self._review = _FIRST_REVIEW

    def shares(self) -> bool:
        """Whether the next frame is to be shared."""
        if min(len(self._alone), len(self._shared)) < _TO_COMPARE:
            return len(self._shared) <= len(self._alone)
        return self._pays != (self._since >= self._review)

    @property
    def _pays(self) -> bool:
        return median(self._shared) < _PAYS * median(self._alone)

    def record(self, cost: float, *, shared: bool) -> None:
        """Note what a row of the next frame took."""
        is_known = min(len(self._alone), len(self._shared)) >= _TO_COMPARE
        before = is_known and self._pays
        (self._shared if shared else self._alone).append(cost)
        if not is_known:
            return
        if self._pays != before:
            self._since, self._review = 0, _FIRST_REVIEW
        elif shared != before:
            self._since, self._review = 0, min(2 * self._review, _LAST_REVIEW)
        else:
            self._since += 1
