"""The search for the size with the least time per row: a climb over sizes that double."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from typing import TYPE_CHECKING

from dataflare_vec.engine.tuner.base import TracedTuner
from dataflare_vec.engine.tuner.samples import compare, median

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflare_vec.config.settings import BatchConfig

# A typical chunk may take this part of the target latency: the rest is headroom for the slow ones. Where
# the target limits the size, a chunk is long against its fixed cost and half the size costs nearly nothing.
HEADROOM = 0.5

# A search climbs from this many levels below the size to start from (1/16). What is tried costs time in
# proportion to its rows, so a search from below costs less than the last size it tries, one from above
# a multiple of it.
RUN_UP = 4

# Levels away, in the order of trial: on up as long as that gains, then the level leapt over, which is
# cheaper to try than the one above.
CLIMB = (2, -1, 1)

# Chunks at a size before others are compared with it, and before it is held.
TO_COMPARE, _TO_HOLD = 3, 7

# What another size must gain, less what a larger one is known to gain beforehand: a part of about this
# many fixed seconds of Python for a chunk. So in doubt short chunks become longer, long ones stay.
_WANTED_GAIN, _MOST_LEANING, _FIXED = 0.015, 0.05, 15e-6

# A trial that gets no chunk of its size for so long (frames too short) is given up.
_PATIENCE = 24


class SizeSearch(TracedTuner):
    """Knows the times per row at sizes that double, and which of them to try next.

    Notes
    -----
    `_begin` starts a search at a level of the ladder of sizes, `_explore` takes a sample, and `_settle` is
    called when no size is left to be tried.
    """

    def __init__(self, config: BatchConfig, start: int | None = None) -> None:
        super().__init__(config)
        home = self._clamp(config.default_batch_size if start is None else start)
        self._ladder = _ladder(home, self.smallest, self.largest)
        self._level_of = {rows: level for level, rows in enumerate(self._ladder)}
        self._samples: list[deque[float]] = [deque(maxlen=12) for _ in self._ladder]
        self._top = len(self._ladder) - 1
        self._ceiling = self._top  # lower after the target was missed too often
        self._trial = -1  # the level compared with the current one
        self._given_new = self._given_old = self._stalled = 0
        self._plan: list[int] = []  # levels away from the current one, to be tried
        self._tested: set[int] = set()
        self._level = self._size = 0
        self._home = self._level_of[home]  # what is taken in doubt: the default, or the last size held
        if start is None:
            self._begin(max(self._home - RUN_UP, 0), CLIMB)
        else:
            self._begin(self._home, (1, -1))

    @property
    def best_size(self) -> int:
        """The best size so far, rows."""
        return self._ladder[self._level]

    def _settle(self) -> None:
        """Do what is to be done with the current size when none is left to compare it with."""
        raise NotImplementedError

    def _affordable(self, cost: float) -> int:
        """Return the highest level whose chunks keep to the target with headroom, at ``cost`` s/row."""
        rows = int(HEADROOM * self.target / cost)
        return min(max(bisect_right(self._ladder, rows) - 1, 0), self._ceiling)

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
        if self._cost * rows > HEADROOM * self.target and level > 0 and len(samples) >= 2:
            self._begin(min(self._affordable(self._cost), level - 1), self._plan)
            return "latency"
        if len(samples) >= (TO_COMPARE if self._plan else _TO_HOLD):
            self._go_on()
        return "explore"

    def _begin(self, level: int, plan: Iterable[int], known: Iterable[float] = ()) -> None:
        """Measure ``level``, unless its costs are ``known``, then compare with those ``plan`` levels away."""
        for samples in self._samples:
            samples.clear()
        self._tested = {level}
        self._plan = list(plan)
        self._move(level)
        self._samples[level].extend(known)
        if len(self._samples[level]) >= TO_COMPARE:
            self._go_on()

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
            self._settle()

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
        up = self._trial > self._level
        reference = median(old)
        rows, other = self._size, self._ladder[self._trial]
        leaning = min(_FIXED * abs(1 / rows - 1 / other) / reference, _MOST_LEANING)
        sign = 1 if up else -1
        in_doubt = 0.5 * sign if leaning > _WANTED_GAIN else 0.0
        if up and self._trial <= self._home:
            wanted, in_doubt = min(_WANTED_GAIN - leaning, 0.0), 0.5
        else:
            wanted = _WANTED_GAIN - sign * leaning
        better = compare(new, old, wanted, in_doubt)
        if better is None:
            return
        if better and median(new) * self._ladder[self._trial] > 1.1 * HEADROOM * self.target:
            better = False
        if better:
            step = self._trial - self._level
            self._move(self._trial)
            self._cost = median(new)
            self._plan = list(CLIMB if step > 1 else (sign,))
            if len(new) >= TO_COMPARE:
                self._go_on()
        else:
            self._reject()

    def _reject(self) -> None:
        self._trial = -1
        self._cost = median(self._samples[self._level])
        if self._plan:
            self._plan.pop(0)
        self._go_on()


def _ladder(home: int, smallest: int, largest: int) -> list[int]:
    """Return the sizes to choose from: ``home`` doubled and halved, multiples of 64 within the bounds."""
    sizes = [home]
    while sizes[-1] * 2 <= largest:
        sizes.append(sizes[-1] * 2)
    while (half := sizes[0] // 128 * 64) >= smallest:
        sizes.insert(0, half)
    return sizes
