"""What plugins did: rows, failures, latency quantiles, throughput."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from math import ceil, exp, log
from time import time
from typing import TYPE_CHECKING

from dataflare_vec._util import forks
from dataflare_vec._util.public_pickles import by_public_name

if TYPE_CHECKING:
    from collections.abc import Sequence

# Buckets grow by 2 %, so a quantile is at most 1 % off. From 100 ns to 10,000 s that is 1,280 of them.
_GROWTH = 1.02
_SCALE = 1 / log(_GROWTH)
_SHORTEST, _LONGEST = 1e-7, 1e4
_OFFSET = -log(_SHORTEST) * _SCALE


class Histogram:
    """How often which latency occurred; of bounded size, and exact to 1 % within 100 ns and 10,000 s.

    Examples
    --------
    >>> histogram = Histogram()
    >>> for milliseconds in range(1, 101):
    ...     histogram.add(milliseconds / 1000)
    >>> f"{histogram.quantile(0.5):.3f}"
    '0.050'
    """

    __slots__ = ("buckets", "count")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0

    def add(self, seconds: float) -> None:
        """Count one latency. What is out of range counts as the nearest that isn't."""
        index = int(log(min(seconds, _LONGEST)) * _SCALE + _OFFSET) if seconds > _SHORTEST else 0
        buckets = self.buckets
        buckets[index] = buckets.get(index, 0) + 1
        self.count += 1

    def quantile(self, share: float) -> float:
        """Return the latency that ``share`` of all don't exceed, in seconds; 0 if there are none."""
        rank = max(1, ceil(share * self.count))
        seen = 0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen >= rank:
                return _middle(index)
        return 0.0

    def at_most(self, seconds: float) -> int:
        """Return how many were no longer than ``seconds``."""
        return sum(count for index, count in self.buckets.items() if _middle(index) <= seconds)

    def copy(self) -> Histogram:
        """Return a copy that doesn't change any more."""
        result = Histogram()
        result.buckets = dict(self.buckets)
        result.count = self.count
        return result


def _middle(index: int) -> float:
    """Return the latency that is equally far, in parts, from both ends of a bucket."""
    return _SHORTEST * exp(index / _SCALE) * 2 * _GROWTH / (1 + _GROWTH)


#: Calls that are noted before they are counted.
_NOTED = 512


class _Counter:
    """One plugin's numbers; its lock is held while they change.

    Calls of one chunk whose rows all went through are only noted, which takes a tenth of the time, and
    counted with many others, or when someone asks.
    """

    __slots__ = ("failed", "histogram", "interpreted", "last_run", "lock", "noted", "rows", "runs", "seconds")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.noted: deque[tuple[int, float, float]] = deque()  # rows, seconds, when
        self.histogram = Histogram()
        self.rows = self.failed = self.runs = self.interpreted = 0
        self.seconds = self.last_run = 0.0

    def count_noted(self) -> None:
        """Count what is noted. Under the lock."""
        noted = self.noted
        while noted:  # others only append
            rows, seconds, self.last_run = noted.popleft()
            self.rows += rows
            self.seconds += seconds
            self.histogram.add(seconds)
            self.runs += 1


@by_public_name
@dataclass(frozen=True, slots=True)
class PluginMetrics:
    """Metrics of a plugin under one manager, at one moment.

    Attributes
    ----------
    plugin : str
        Its name.
    total_processed : int
        Rows that it was given, failed ones included; not those that a filter or a failure before it had
        taken out.
    error_count : int
        Rows that failed.
    runs, batches : int
        Calls, and chunks in all of them.
    busy_time : timedelta
        Time spent in its chunks, of all threads together.
    p50, p95, p99 : timedelta
        Quantiles of the time for a chunk, to 1 %.
    last_run : datetime or None
        When the last run ended, UTC.
    interpreted : int
        Rows that the Python interpreter computed, because the kernel can't be compiled.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> manager = dfv.PluginManager()
    >>> _ = manager.register_plugin("each", lambda cost, people: cost // people)
    >>> _ = manager.process_batch("each", pl.DataFrame({"cost": [9, 5], "people": [3, 0]}))
    >>> metrics = manager.get_metrics("each")
    >>> metrics.total_processed, metrics.error_count, metrics.error_rate, metrics.runs
    (2, 1, 0.5, 1)
    """

    plugin: str
    total_processed: int
    error_count: int
    runs: int
    batches: int
    busy_time: timedelta
    p50: timedelta
    p95: timedelta
    p99: timedelta
    last_run: datetime | None
    interpreted: int = 0

    @property
    def average_latency(self) -> timedelta:
        """Mean time for a chunk."""
        return self.busy_time / self.batches if self.batches else timedelta(0)

    @property
    def average_throughput(self) -> float:
        """Rows a second of one thread: rows over `busy_time`."""
        busy = self.busy_time.total_seconds()
        return self.total_processed / busy if busy else 0.0

    @property
    def error_rate(self) -> float:
        """Share of the rows that failed, 0 to 1."""
        return self.error_count / self.total_processed if self.total_processed else 0.0

    def _repr_html_(self) -> str:
        from dataflare_vec._util.formatting import amount, duration, percent
        from dataflare_vec._util.html import card

        rows = [
            ("rows processed", amount(self.total_processed)),
            ("failed", f"{amount(self.error_count)} ({percent(self.error_rate)})"),
            ("throughput", f"{amount(self.average_throughput)} rows/s"),
            ("latency of a chunk", duration(self.average_latency)),
            ("p50 · p95 · p99", " · ".join(duration(q) for q in (self.p50, self.p95, self.p99))),
            ("runs · chunks", f"{amount(self.runs)} · {amount(self.batches)}"),
            *([("interpreted", f"{amount(self.interpreted)} rows")] if self.interpreted else []),
            ("last run", f"{self.last_run:%Y-%m-%d %H:%M:%S} UTC" if self.last_run else "never"),
        ]
        return card(self.plugin, rows)


class Metrics:
    """Counts by plugin. Safe from any thread, exact under all of them.

    Examples
    --------
    >>> metrics = Metrics()
    >>> metrics.count("haversine", [(1000, 0.002), (1000, 0.002)], failed=3)
    >>> snapshot = metrics.get("haversine")
    >>> snapshot.total_processed, snapshot.average_latency, snapshot.error_rate
    (2000, datetime.timedelta(microseconds=2000), 0.0015)
    """

    def __init__(self) -> None:
        self._counters: dict[str, _Counter] = {}
        forks.renew_in_child(self)

    def renew_after_fork(self) -> None:
        """Have locks that no thread holds."""
        for counter in list(self._counters.values()):
            counter.lock = threading.Lock()

    def count(
        self, plugin: str, chunks: Sequence[tuple[int, float]], failed: int, *, interpreted: bool = False
    ) -> None:
        """Add one run of a plugin: the rows and seconds of its chunks, and how many rows failed.

        `interpreted` is whether the Python interpreter computed them.
        """
        counter = self._counters.get(plugin)
        if counter is None:
            counter = self._counters.setdefault(plugin, _Counter())
        with counter.lock:
            counter.count_noted()
            add = counter.histogram.add
            for rows, seconds in chunks:
                counter.rows += rows
                counter.interpreted += rows if interpreted else 0
                counter.seconds += seconds
                add(seconds)
            counter.failed += failed
            counter.runs += 1
            counter.last_run = time()

    def note(self, plugin: str, rows: int, seconds: float) -> None:
        """Add a run of one chunk without failed rows: as `count`, but cheaper."""
        counter = self._counters.get(plugin)
        if counter is None:
            counter = self._counters.setdefault(plugin, _Counter())
        noted = counter.noted
        noted.append((rows, seconds, time()))
        if len(noted) > _NOTED:
            with counter.lock:
                counter.count_noted()

    def fail(self, plugin: str, rows: int) -> None:
        """Add rows of a chunk that failed as a whole."""
        counter = self._counters.setdefault(plugin, _Counter())
        with counter.lock:
            counter.rows += rows
            counter.failed += rows

    def get(self, plugin: str) -> PluginMetrics | None:
        """Return what a plugin did; None if it did nothing yet."""
        counter = self._counters.get(plugin)
        if counter is None:
            return None
        with counter.lock:
            counter.count_noted()
            rows, seconds, failed, runs = counter.rows, counter.seconds, counter.failed, counter.runs
            last_run, histogram = counter.last_run, counter.histogram.copy()
            interpreted = counter.interpreted
        p50, p95, p99 = (timedelta(seconds=histogram.quantile(q)) for q in (0.5, 0.95, 0.99))
        return PluginMetrics(
            plugin=plugin,
            total_processed=rows,
            error_count=failed,
            runs=runs,
            batches=histogram.count,
            busy_time=timedelta(seconds=seconds),
            p50=p50,
            p95=p95,
            p99=p99,
            last_run=datetime.fromtimestamp(last_run, timezone.utc) if runs else None,
            interpreted=interpreted,
        )

    def latencies(self, plugin: str) -> tuple[Histogram, float] | None:
        """Return a copy of the latencies of a plugin's chunks, and their sum in seconds."""
        counter = self._counters.get(plugin)
        if counter is None:
            return None
        with counter.lock:
            counter.count_noted()
            return counter.histogram.copy(), counter.seconds

    def all(self) -> dict[str, PluginMetrics]:
        """Return what each plugin did, by name."""
        snapshots = {name: self.get(name) for name in sorted(self._counters)}
        return {name: found for name, found in snapshots.items() if found is not None}

    def forget(self, plugin: str) -> None:
        """Begin anew for a plugin."""
        self._counters.pop(plugin, None)
