"""Whether several threads pay for a frame: told from what frames of its size took with and without."""

from __future__ import annotations

from collections import deque

from dataflare_vec.engine.tuner.samples import median

#: Frames of more seconds on one thread are shared: there it doesn't count what it takes to wake the others
#: and to wait for them.
LONG = 10e-3

# Frames of less aren't: they would be over before another thread is awake.
_BRIEF = 40e-6

# What a frame may take, shared, of what it takes alone: for less gain no other thread is kept busy.
_PAYS = 0.95

# Frames taken alone that say what it takes, and how many of them are remembered.
_TO_COMPARE, _KEPT = 3, 5

# Frames that are taken alone after one that was shared in vain.
_FIRST_PAUSE, _LAST_PAUSE = 16, 512

# Frames shared one after the other, and not in vain, until a pause is short again.
_TRUSTED = 8

# Frames shared until it is looked again what one takes alone: few at first, for the first ones alone take
# long, with nothing in cache yet; then ever more.
_FIRST_LOOK, _LAST_LOOK = 8, 512


class Sharing:
    """Chooses, for frames of few milliseconds, between all threads and the calling one alone.

    A second thread has to be woken and waited for, which takes microseconds on an idle machine, and may take
    milliseconds on a busy one, or where Python's threads hand the interpreter's lock to each other. So frames
    of about a size are shared until one took no less than they take alone. Then some are taken alone, and if
    it is in vain again, ever more.

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
        self._left = 0  # frames of a pause
        self._pause = _FIRST_PAUSE
        self._shared = 0  # frames since the last pause
        self._look = _FIRST_LOOK
        self._looked = 0  # frames shared since it was looked

    def shares(self) -> bool:
        """Whether the next frame is to be shared."""
        return self._left <= 0 and len(self._alone) >= _TO_COMPARE

    def record(self, cost: float, *, shared: bool) -> None:
        """Note what a row of the next frame took."""
        if not shared:
            self._alone.append(cost)
            self._left -= 1
        elif len(self._alone) >= _TO_COMPARE:
            self._judge(pays=cost < _PAYS * median(self._alone))

    def _judge(self, *, pays: bool) -> None:
        """Go on sharing frames, or pause."""
        if not pays:
            self._left, self._shared = self._pause, 0
            self._look, self._looked = _FIRST_LOOK, 0
            self._pause = min(2 * self._pause, _LAST_PAUSE)
            return
        self._shared += 1
        if self._shared >= _TRUSTED:
            self._pause = _FIRST_PAUSE
        self._looked += 1
        if self._looked >= self._look:
            self._alone.clear()
            self._look, self._looked = min(4 * self._look, _LAST_LOOK), 0
