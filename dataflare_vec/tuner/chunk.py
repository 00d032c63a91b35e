"""The default tuner: a search for the chunk size with the highest throughput within the target latency."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from typing import TYPE_CHECKING

from dataflare_vec.tuner.base import TracedTuner, is_measured
from dataflare_vec.tuner.samples import compare, median, spread

if TYPE_CHECKING:
    from dataflare_vec.config import BatchConfig

# A typical chunk may take this part of the target latency: the rest is headroom for the slow ones. Where
# the target limits the size, a chunk is long against its fixed cost and half the size costs nearly nothing.
_HEADROOM = 0.5

# A search climbs from this many levels below the size to start from (1/16). What is tried costs time in
# proportion to its rows, so a search from below costs less than the last size it tries, one from above
# a multiple of it.
_RUN_UP = 4

# Levels away, in the order of trial: on up as long as that gains, then the level leapt over, which is
# cheaper to try than the one above.
_CLIMB = (2, -1, 1)

# Chunks at a size before others are compared with it, and before it is held.
_TO_COMPARE, _TO_HOLD = 3, 7

# What another size must gain, less what a larger one is known to gain beforehand: a part of about this
# many fixed seconds of Python for a chunk. So in doubt short chunks become longer, long ones stay.
_WANTED_GAIN, _MOST_LEANING, _FIXED = 0.015, 0.05, 15e-6

# A held size is searched anew if costs leave this band for long: outside counts 2, beyond a plain change
# 4, and inside takes back 1.
_LEAST_BAND, _PLAIN_CHANGE, _DRIFTED = 0.12, 1.5, 10

# Chunks until a held size is compared with its neighbours again: chance may have chosen it.
_FIRST_REVIEW, _LAST_REVIEW = 96, 1 << 14

# A trial that gets no chunk of its size for so long (frames too short) is given up.
_PATIENCE = 24

# A chunk over the target latency counts 100, each other chunk takes 1 back: 1 % is allowed.
_BREACH, _BREACHES = 100, 150

_SEARCH = "search"  # measure the current size, and others against it
_HOLD = "hold"
_GUARD = "guard"  # a shorter chunk tells whether a slow one was an outlier


class ChunkTuner(TracedTuner):
    """Finds the chunk size with the highest throughput whose latency keeps to the target, and holds it.

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
    is plain. A held size is left only if

    - a chunk takes longer than the target, and a shorter one right after it is as slow per row,
    - more than 1 % of the chunks take longer than the target,
    - the time per row leaves the band of its noise for five chunks or more: then the search is repeated,
      locally after a small change, from 1/16 of the size after a large one,
    - or, ever more rarely, a neighbour turns out to be faster.

    In the steady state `next_size` and `record` together take about a microsecond.

    Examples
    --------
    >>> from dataflare_vec.config import BatchConfig
    >>> tuner = ChunkTuner(BatchConfig(target_latency=0.1))
    >>> for _ in range(50):
    ...     rows = tuner.next_size()
    ...     tuner.record(rows, 20e-6 + rows * 1e-6)  # 20 µs for the chunk, 1 µs for a row
    >>> tuner.best_size, tuner.state
    (8192, 'hold')
    """

    def __init__(self, config: BatchConfig, start: int | None = None) -> None:
        super().__init__(config)
        home = self._clamp(config.default_batch_size if start is None else start)
        self._ladder = _ladder(home, self.smallest, self.largest)
        self._level_of = {rows: level for level, rows in enumerate(self._ladder)}
        self._samples: list[deque[float]] = [deque(maxlen=12) for _ in self._ladder]
        self._top = len(self._ladder) - 1
        self._ceiling = self._top  # lower after the target was missed too often
        self._score = 0  # > 0 while costs leave the band
        self._odd: list[float] = []  # those that did
        self._limit = _DRIFTED
        self._review = _FIRST_REVIEW
        self._breaches = self._last_breach = 0
        self._before = -1  # the level before a search that drift began
        self._threads = 1
        self._phase = self._resume = _SEARCH
        self._trial = self._hidden_trial = -1  # the level compared with the current one
        self._given_new = self._given_old = self._stalled = 0
        self._steady = 0  # the size while it is held
        self._low = self._high = 0.0  # seconds between which its chunks are normal
        self._until_review = -1
        self._plan: list[int] = []
        self._tested: set[int] = set()
        self._level = self._size = 0
        if start is None:
            self._begin(max(self._level_of[home] - _RUN_UP, 0), list(_CLIMB))
        else:
            self._begin(self._level_of[home], [1, -1])

    @property
    def best_size(self) -> int:
        """The best size so far, rows."""
        return self._ladder[self._level]

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
        """Take note of a chunk that is done.

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
                self._note(rows, seconds, "hold")
                return
        self._note(rows, seconds, self._learn(rows, seconds))

    # -- what a chunk teaches -------------------------------------------------------------------------------

    def _learn(self, rows: int, seconds: float) -> str:
        """Do what follows from a chunk, and say what it was."""
        if not is_measured(rows, seconds):
            return "no measurement"
        cost = seconds / rows
        if not self._cost:
            self._cost = cost
        if self._phase == _GUARD:
            return self._check_guard(rows, seconds, cost)
        if seconds > self.target and rows > self.smallest:
            return self._breached(rows, seconds, cost)
        if self._phase == _HOLD:
            return self._watch(rows, seconds, cost)
        return self._explore(rows, cost)

    def _explore(self, rows: int, cost: float) -> str:
        """Take a sample of the current size or of the one on trial."""
        level = self._level_of.get(rows, -1)
        if self._trial >= 0:
            # Frames that end within the size on trial still tell about it, if they nearly fill it.
            if (
                level < 0
                and max(self._size, self._ladder[self._trial] // 2) < rows < self._ladder[self._trial]
            ):
                level = self._trial
            if level in (self._level, self._trial):
                self._samples[level].append(cost)
            if level == self._trial:
                self._stalled = 0
                self._judge()
                return "explore"
            self._stalled += 1
            if self._stalled > _PATIENCE:
                self._reject()
            elif level == self._level:
                self._judge()
            return "explore" if level >= 0 else "tail"
        if level != self._level:
            return "explore" if level >= 0 else "tail"
        samples = self._samples[level]
        samples.append(cost)
        self._cost = median(samples)
        if self._cost * rows > _HEADROOM * self.target and level > 0 and len(samples) >= 2:
            self._begin(min(self._affordable(self._cost), level - 1), self._plan)
            return "latency"
        if len(samples) >= (_TO_COMPARE if self._plan else _TO_HOLD):
            self._go_on()
        return "explore"

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
        self._drift(median(odd[-5:]), self._level)
        return "drift"

    def _drift(self, cost: float, level: int) -> None:
        """Search again, now that rows cost ``cost``."""
        # Noise that looks like drift must not make it search forever.
        self._limit = min(2 * self._limit, 80) if self._before == level else _DRIFTED
        self._before = level
        self._ceiling = self._top
        changed = max(cost / self._cost, self._cost / cost)
        if changed < _PLAIN_CHANGE:
            plan = [-1, 1] if cost > self._cost else [1, -1]
        else:
            level, plan = max(level - _RUN_UP, 0), list(_CLIMB)
        self._cost = cost
        self._begin(min(level, self._affordable(cost)), plan)

    # -- the target latency ---------------------------------------------------------------------------------

    def _affordable(self, cost: float) -> int:
        """Return the highest level whose chunks keep to the target with headroom, at ``cost`` s/row."""
        rows = int(_HEADROOM * self.target / cost)
        return min(max(bisect_right(self._ladder, rows) - 1, 0), self._ceiling)

    def _breached(self, rows: int, seconds: float, cost: float) -> str:
        """React to a chunk over the target at once: the next one will be shorter."""
        known = len(self._samples[self._level]) >= _TO_COMPARE
        shorter = self._affordable(cost)
        if not known:
            self._cost = cost
            self._begin(min(shorter, max(self._level - 1, 0)), self._plan or [1, -1])
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
        slow = cost > _PLAIN_CHANGE * self._cost
        if rows > self._size and slow:  # others were under way
            if seconds > self.target:
                self._drift(cost, min(level, self._affordable(cost)))
                return "drift"
            return "latency"
        if slow and rows >= self._size // 2:
            self._drift(cost, level)
            return "drift"
        if slow:
            return "tail"
        self._phase, self._trial, self._size = self._resume, self._hidden_trial, self._ladder[level]
        if self._phase == _HOLD:
            self._steady = self._size
        return "outlier ignored"

    # -- the search -----------------------------------------------------------------------------------------

    def _begin(self, level: int, plan: list[int]) -> None:
        """Measure ``level``, then compare it with those ``plan`` levels away."""
        self._phase = _SEARCH
        self._steady = 0
        self._low = self._high = 0.0
        self._score = 0
        self._until_review = -1
        for samples in self._samples:
            samples.clear()
        self._tested = {level}
        self._plan = list(plan)
        self._move(level)

    def _move(self, level: int) -> None:
        self._level = level
        self._size = self._ladder[level]
        self._trial = -1

    def _go_on(self) -> None:
        """Take the next size of the plan on trial, or hold the current one."""
        highest = max(self._affordable(self._cost), self._level)
        while self._plan:
            trial = self._level + self._plan[0]
            if 0 <= trial <= min(highest, self._ceiling) and trial not in self._tested:
                self._try(trial)
                return
            self._plan.pop(0)
        self._trial = -1
        if len(self._samples[self._level]) >= _TO_HOLD:
            self._hold()

    def _try(self, trial: int) -> None:
        self._trial = trial
        self._tested.add(trial)
        self._samples[trial].clear()
        self._given_new = self._given_old = self._stalled = 0

    def _trial_size(self, remaining: int | None) -> int:
        """Return the size on trial or, in turn, the current one: what else changes then hits both."""
        trial = self._ladder[self._trial]
        if remaining is not None and remaining < trial:
            level = bisect_left(self._ladder, remaining)  # the rest nearly fills it
            if level <= self._level or level >= self._trial:
                return trial if level == self._trial > self._level else self._size
            if level in self._tested or self._samples[self._trial]:
                return self._size
            self._tested.discard(self._trial)
            self._try(level)
            trial = self._ladder[level]
        if self._given_new < self._given_old + 2:
            self._given_new += 1
            return trial
        self._given_old += 1
        return self._size

    def _judge(self) -> None:
        """Compare the size on trial with the current one, if there is enough to go by."""
        new, old = self._samples[self._trial], self._samples[self._level]
        reference = median(old)
        up = self._trial > self._level
        reference = median(old)
        rows, other = self._size, self._ladder[self._trial]
        leaning = min(_FIXED * abs(1 / rows - 1 / other) / reference, _MOST_LEANING)
        wanted = _WANTED_GAIN + (-leaning if up else leaning)
        better = compare(new, old, wanted)
        if better is None:
            return
        if better and median(new) * self._ladder[self._trial] > 1.1 * _HEADROOM * self.target:
            better = False
        if better:
            step = self._trial - self._level
            self._move(self._trial)
            self._cost = median(new)
            self._plan = list(_CLIMB) if step >= 2 else [1 if up else -1]
            if len(new) >= _TO_COMPARE:
                self._go_on()
        else:
            self._reject()

    def _reject(self) -> None:
        self._trial = -1
        self._cost = median(self._samples[self._level])
        if self._plan:
            self._plan.pop(0)
        self._go_on()

    def _hold(self) -> None:
        """Keep the current size, and note what is normal for it."""
        samples = self._samples[self._level]
        cost = self._cost = median(samples)
        size = self._size
        if cost * size > 1.1 * _HEADROOM * self.target and self._level:
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


def _ladder(home: int, smallest: int, largest: int) -> list[int]:
    """Return the sizes to choose from: ``home`` doubled and halved, multiples of 64 within the bounds."""
    sizes = [home]
    while sizes[-1] * 2 <= largest:
        sizes.append(sizes[-1] * 2)
    while (half := sizes[0] // 128 * 64) >= smallest:
        sizes.insert(0, half)
    return sizes
