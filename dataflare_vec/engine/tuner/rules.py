"""Tuners that follow a rule from chunk to chunk: none, the guide's, or a plugin's own."""

from __future__ import annotations

import operator
from datetime import timedelta
from typing import TYPE_CHECKING

from dataflare_vec.engine.tuner.base import TracedTuner, is_measured
from dataflare_vec.exceptions import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.config.settings import BatchConfig


class FixedTuner(TracedTuner):
    """Always `BatchConfig.default_batch_size`, rounded up to a multiple of 64.

    Examples
    --------
    >>> from dataflare_vec.config.settings import BatchConfig
    >>> FixedTuner(BatchConfig(default_batch_size=1000)).next_size(remaining=200, threads=4)
    1024
    """

    def __init__(self, config: BatchConfig) -> None:
        super().__init__(config)
        self._asked = config.chunk_rows

    @property
    def best_size(self) -> int:
        """The fixed size, rows."""
        return self._asked

    def next_size(self, remaining: int | None = None, threads: int = 1) -> int:
        """Return the fixed size, whatever remains."""
        return self._asked

    def record(self, rows: int, seconds: float) -> None:
        """Take note of a chunk of ``rows`` that took ``seconds``, for the trace."""
        self._note(rows, seconds, "fixed" if rows == self._asked else "tail")


class CallableTuner(TracedTuner):
    """Asks a function for the next size after each chunk, as the guide's ``optimize_batch_size`` is asked.

    Parameters
    ----------
    config
        Its bounds hold whatever the function returns.
    rule
        ``rule(current_size, latency, throughput) -> size``: rows, a `timedelta`, rows a second, rows.
        It is given back the size that it returned (within the bounds); only what the engine is given
        is rounded up to a multiple of 64, so small steps add up.
    start
        Rows of the first chunk; None for `BatchConfig.default_batch_size`.

    Raises
    ------
    PluginError
        From `record`, if the function returns no whole number.

    Notes
    -----
    Not asked after a chunk that was shorter than the current size (the end of a frame) and quick enough,
    as its throughput says little; nor after one asked for before the size last changed.

    Examples
    --------
    >>> from dataflare_vec.config.settings import BatchConfig
    >>> tuner = CallableTuner(BatchConfig(), lambda size, latency, throughput: size // 2)
    >>> tuner.record(tuner.next_size(), 0.001)
    >>> tuner.next_size()
    65536
    """

    def __init__(
        self,
        config: BatchConfig,
        rule: Callable[[int, timedelta, float], int],
        start: int | None = None,
    ) -> None:
        super().__init__(config)
        self._rule = rule
        self._exact = self._within(config.default_batch_size if start is None else start)
        self._size = self._clamp(self._exact)

    @property
    def best_size(self) -> int:
        """The size the rule has come to, rows."""
        return self._size

    def next_size(self, remaining: int | None = None, threads: int = 1) -> int:
        """Return the rows for the next chunk: see `ChunkTuner.next_size`."""
        size = self._size
        if remaining is not None and threads > 1:
            size = self._share(size, remaining, threads) // 64 * 64
        self._asked = size
        return size

    def record(self, rows: int, seconds: float) -> None:
        """Ask the rule for the next size after a chunk of ``rows`` that took ``seconds``."""
        if not is_measured(rows, seconds):
            self._note(rows, seconds, "no measurement")
            return
        self._cost = seconds / rows
        self._measure(self._cost)
        if rows != self._size and (rows > self._size or seconds <= self.target):
            self._note(rows, seconds, "tail" if rows < self._size else "stale")
            return
        before = self._exact
        answer = self._rule(before, timedelta(seconds=seconds), rows / seconds)
        try:
            after = operator.index(answer)
        except TypeError:
            msg = f"`optimize_batch_size` must return a whole number of rows, got {answer!r}"
            raise PluginError(
                msg, argument="optimize_batch_size", expected="a whole number of rows", got=repr(answer)
            ) from None
        self._exact = self._within(after)
        self._size = self._clamp(self._exact)
        reason = "hold" if after == before else "grow" if after > before else "shrink"
        self._note(rows, seconds, reason)

    def _within(self, rows: int) -> int:
        # Not rounded: from 64 rows, 20 % more would otherwise be 128, and 20 % less of 128 again 128.
        return min(max(rows, self.config.min_batch_size), self.largest)


class RuleTuner(CallableTuner):
    """Tuner by rule: 80 % of the size after a chunk that is too slow, else 120 % after too low a throughput.

    Parameters
    ----------
    config
        `target_latency`, `min_throughput` and the bounds. With ``target_latency=0.1``,
        ``min_throughput=1000``, ``min_batch_size=10`` and ``max_batch_size=1000`` it is the guide's rule,
        except that the last step stops at the bound instead of passing it.
    start
        Rows of the first chunk; None for `BatchConfig.default_batch_size`.

    Examples
    --------
    >>> from dataflare_vec.config.settings import BatchConfig
    >>> tuner = RuleTuner(BatchConfig(default_batch_size=6400, target_latency=0.1))
    >>> tuner.record(tuner.next_size(), 0.2)
    >>> tuner.next_size()
    5120
    """

    def __init__(self, config: BatchConfig, start: int | None = None) -> None:
        super().__init__(config, self._guide, start)

    def _guide(self, size: int, latency: timedelta, throughput: float) -> int:
        config = self.config
        if latency > config.target_latency and size > config.min_batch_size:  # type: ignore[operator]
            return size * 80 // 100
        if throughput < config.min_throughput and size < config.max_batch_size:
            return size * 120 // 100
        return size
