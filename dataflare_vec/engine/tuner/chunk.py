"""The default tuner: finds the best chunk size, holds it, and leaves it for a reason only."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from dataflare_vec.engine.tuner.base import is_measured
from dataflare_vec.engine.tuner.samples import median, spread
from dataflare_vec.engine.tuner.search import CLIMB, HEADROOM, RUN_UP, TO_COMPARE, SizeSearch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflare_vec.config.settings import BatchConfig

# A held size is searched anew if costs leave this band for long: outside counts 2, beyond a plain change
# 4, and inside takes back 1.
_LEAST_BAND, _PLAIN_CHANGE, _DRIFTED = 0.12, 1.5, 10

# Chunks until a held size is compared with its neighbours again: chance may have chosen it.
_FIRST_REVIEW, _LAST_REVIEW = 96, 1 << 14

# A chunk over the target latency counts 100, each other chunk takes 1 back: 1 % is allowed.
_BREACH, _BREACHES = 100, 150

# Fixed seconds of a chunk, at most: so much longer a short one may be without being slow per row.
_FIXED_AT_MOST = 100e-6

_SEARCH = "search"  # measure the current size, and others against it
_HOLD = "hold"
_GUARD = "guard"  # a shorter chunk tells whether a slow one was an outlier


class ChunkTuner(SizeSearch):
    """Tuner that finds the chunk size with the highest throughput within the target latency, and holds it.

    Parameters
    ----------
    config
        Bounds, target latency and, without `start`, the size around which to search.
    start
        Rows to start from, known from before. The search then looks at its neighbours only.

    Notes
    -----
    A hill climb over sizes that double: up by 4 while that gains, then to the neighbours by 2. Sizes are
    compared by the medians of two to twelve chunks each, measured alternately: two where the difference
    is plain. In doubt it goes to `config.default_batch_size`, after a change to the size held before, and
    away from chunks so short that their fixed cost must count. A typical chunk takes at most about half of
    the target latency: headroom for the slow ones. A held size is left only if

    - a chunk takes longer than the target, and a shorter one right after it is as slow per row,
    - more than 1 % of the chunks take longer than the target,
    - the time per row leaves the band of its noise for five chunks or more: then the search is repeated,
      locally after a small change, from 1/16 of the size after a large one,
    - or, ever more rarely, a neighbour turns out to be faster.

    In the steady state `next_size` and `record` together take about half a microsecond.

    Examples
    --------
    >>> from dataflare_vec.config.settings import BatchConfig
    >>> tuner = ChunkTuner(BatchConfig(target_latency=0.1))
    >>> for _ in range(50):
    ...     rows = tuner.next_size()
    ...     tuner.record(rows, 20e-6 + rows * 1e-6)  # 20 µs for the chunk, 1 µs for a row
    >>> tuner.best_size, tuner.state
    (32768, 'hold')
    """

    def __init__(self, config: BatchConfig, start: int | None = None) -> None:
        self._score = 0  # > 0 while costs leave the band
        self._odd: list[float] = []  # those that did
        self._limit = _DRIFTED
        self._review = _FIRST_REVIEW
        self._breaches = self._last_breach = 0
        self._before = -1  # the level before a search that drift began
        self._threads = 1
        self._phase = self._resume = _SEARCH
        self._hidden_trial = -1
        self._steady = 0  # the size while it is held
        self._low = self._high = 0.0  # seconds between which its chunks are normal
        self._until_review = -1
        super().__init__(config, start)

    @property
    def state(self) -> str:
        """``"search"``, ``"hold"`` or ``"guard"`` (one shorter chunk, after one over the target)."""
        return self._phase

    def next_size(self, remaining: int | None = None, threads: int = 1) -> int:
        """Return the rows for the next chunk.

        Parameters
        ----------
        remaining
            Rows of the frame not yet handed out; None if unknown.
        threads
            How many threads take chunks of the frame. With several, a chunk is at most about
            ``remaining / (2 * threads)``, but no shorter than 250 µs, so that threads finish together.

        Returns
        -------
        int
            A multiple of 64 within the bounds. It may exceed `remaining`: then the rest is one chunk.
        """
        size = self._size
        if self._trial >= 0:
            size = self._trial_size(remaining)
        if threads > 1 and remaining is not None and remaining < 2 * threads * size:
            share = self._share(size, remaining, threads)
            if share < size:
                # A size of the ladder: its time may serve as a sample.
                size = self._ladder[max(bisect_right(self._ladder, share) - 1, 0)]
        self._asked = size
        self._threads = threads
        return size

    def record(self, rows: int, seconds: float) -> None:
        """Record a chunk that is done.

        Parameters
        ----------
        rows
            Rows it had. Fewer than asked for is well: such chunks count against the target only.
        seconds
            Time it took. Zero, negative or not finite is no measurement.
        """
        if rows == self._steady and self._low < seconds < self._high:
            if self._score:
                self._score -= 1
            self._until_review -= 1
            if self._until_review:
                self._index += 1
                self._notes.append((rows, rows, seconds, "hold"))
                return
        self._note(rows, seconds, self._learn(rows, seconds))

    # -- what a chunk teaches -------------------------------------------------------------------------------

    def _learn(self, rows: int, seconds: float) -> str:
        """Do what follows from a chunk, and say what it was."""
        if not is_measured(rows, seconds):
            return "no measurement"
        cost = seconds / rows
        self._measure(cost)
        if not self._cost:
            self._cost = cost
        if self._phase == _GUARD:
            return self._check_guard(rows, seconds, cost)
        if seconds > self.target and rows > self.smallest:
            return self._breached(rows, seconds, cost)
        if self._phase == _HOLD:
            return self._watch(rows, seconds, cost)
        return self._explore(rows, cost)

    def _watch(self, rows: int, seconds: float, cost: float) -> str:
        """Look for drift at the held size."""
        if rows != self._steady:
            return "tail" if rows < self._steady else "hold"
        if self._until_review == 0:
            self._review = min(2 * self._review, _LAST_REVIEW)
            self._begin(self._level, [1, -1])
            return "review"
        if self._low < seconds < self._high:
            return "hold"
        odd, base = self._odd, self._cost
        if not self._score or (odd and (odd[-1] > base) != (cost > base)):
            odd.clear()
            self._score = 0
        odd.append(cost)
        self._score += 4 if cost > _PLAIN_CHANGE * base or base > _PLAIN_CHANGE * cost else 2
        # What stops the machine for a moment slows a chunk of each thread.
        if self._score < self._limit + 4 * (self._threads - 1):
            return "outlier ignored"
        self._drift(odd[-5:], self._level)
        return "drift"

    def _drift(self, costs: list[float], level: int) -> None:
        """Search again, now that rows at ``level`` cost ``costs``."""
        # Noise that looks like drift must not make it search forever.
        self._limit = min(2 * self._limit, 80) if self._before == level else _DRIFTED
        self._before = level
        self._ceiling = self._top
        cost, before = median(costs), self._cost
        self._cost = cost
        self._home = level
        if max(cost / before, before / cost) >= _PLAIN_CHANGE:
            # From below, as at first: where the old size is far too large, its neighbours are no better.
            self._begin(min(max(level - RUN_UP, 0), self._affordable(cost)), CLIMB)
        elif level <= self._affordable(cost):
            # Down first where rows became slower: what is tried there costs least.
            self._begin(level, (-1, 1) if cost > before else (1, -1), costs)
        else:
            self._begin(self._affordable(cost), (1, -1))

    # -- the target latency ---------------------------------------------------------------------------------

    def _breached(self, rows: int, seconds: float, cost: float) -> str:
        """React to a chunk over the target at once: the next one will be shorter."""
        known = len(self._samples[self._level]) >= TO_COMPARE
        shorter = self._affordable(cost)
        if not known:
            self._cost = cost
            # A longer chunk was under way in another thread: the size has been cut for the like of it.
            highest = self._level if rows > self._size else max(self._level - 1, 0)
            self._begin(min(shorter, highest), self._plan or [1, -1])
            return "latency"
        if self._trial >= 0 and rows > self._size:
            self._samples[self._trial].clear()
            self._reject()
            return "latency"
        chunks = self._index - self._last_breach
        self._last_breach = self._index
        self._breaches = max(self._breaches - chunks, 0) + _BREACH
        if self._breaches > _BREACHES and self._level and rows == self._size:
            self._breaches = 0
            self._ceiling = self._level - 1
            self._begin(self._ceiling, [])
            return "latency"
        if self._level:
            self._resume = self._phase
            self._phase = _GUARD
            self._steady = 0
            self._size = self._ladder[min(shorter, self._level - 1)]
            self._hidden_trial, self._trial = self._trial, -1
        return "latency"

    def _check_guard(self, rows: int, seconds: float, cost: float) -> str:
        """Tell from the chunk after a slow one whether that was an outlier."""
        level = self._level
        fixed = min(_FIXED_AT_MOST, self.target / 200)
        slow = seconds > _PLAIN_CHANGE * self._cost * rows + fixed
        if rows > self._size and slow:  # others were under way
            if seconds > self.target:
                self._drift([cost], level)
                return "drift"
            return "latency"
        if slow and rows >= self._size // 2:
            self._drift([cost], level)
            return "drift"
        if slow:
            return "tail"
        self._phase, self._trial, self._size = self._resume, self._hidden_trial, self._ladder[level]
        if self._phase == _HOLD:
            self._steady = self._size
        return "outlier ignored"

    # -- holding --------------------------------------------------------------------------------------------

    def _begin(self, level: int, plan: Iterable[int], known: Iterable[float] = ()) -> None:
        self._phase = _SEARCH
        self._steady = 0
        self._low = self._high = 0.0
        self._score = 0
        self._until_review = -1
        super()._begin(level, plan, known)

    def _settle(self) -> None:
        """Keep the current size, and note what is normal for it."""
        samples = self._samples[self._level]
        cost = self._cost = median(samples)
        size = self._size
        if cost * size > 1.1 * HEADROOM * self.target and self._level:
            self._begin(min(self._affordable(cost), self._level - 1), [])
            return
        # Four sigma of the noise, but not so wide that a change by half would pass.
        band = min(max(_LEAST_BAND, 4 * spread(samples)), 0.45)
        self._phase = _HOLD
        self._steady = size
        self._low = (1 - band) * cost * size
        self._high = min((1 + band) * cost * size, self.target)
        self._until_review = self._review
        self._score = 0
