"""What runs share: the memory pool, the settings, and what tuners have learnt and metrics have counted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from dataflare_vec._util import forks
from dataflare_vec.engine.context.errorlog import ErrorLog
from dataflare_vec.engine.tuner import TunerMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dataflare_vec.config.settings import BatchConfig
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.engine.context.lifecycle import PluginStates
    from dataflare_vec.engine.context.metrics import Metrics
    from dataflare_vec.engine.stages.failures import Failures
    from dataflare_vec.engine.stages.protocols import Stage
    from dataflare_vec.engine.tuner import TracedTuner
    from dataflare_vec.memory import MemoryPool
    from dataflare_vec.memory.claims import Claim


class Runtime:
    """The surroundings of runs; a `PluginManager` has one.

    Parameters
    ----------
    pool
        Where output columns come from, or what makes it when it is first needed: calls on few rows do
        without, and so without PyArrow and NumPy.
    config
        Chunk size and threads, unless a call brings its own.
    metrics
        Counts what runs do; None counts nothing.
    states
        Told when a run begins and ends; None for nobody.
    """

    def __init__(
        self,
        pool: MemoryPool | Callable[[], MemoryPool],
        config: BatchConfig,
        metrics: Metrics | None = None,
        states: PluginStates | None = None,
    ) -> None:
        self._pool: MemoryPool | Claim | Callable[[], MemoryPool] = pool
        self.config = config
        self.metrics = metrics
        self.states = states
        self.renew_after_fork()
        forks.renew_in_child(self)
        self.log: ErrorLog | None = None
        self._first_row: int | None = 0

    def renew_after_fork(self) -> None:
        """Have a lock that no thread holds, and tuners that none has left half-changed."""
        self.tuners = TunerMemory()
        self._lock = threading.Lock()

    def logging_to(self, log: ErrorLog | None) -> Runtime:
        """Return the same surroundings, whose failed rows are also added to a log."""
        if log is None:
            return self
        if not isinstance(log, ErrorLog):
            msg = f"`errors` must be a `dfv.ErrorLog`, got {log!r}"
            raise TypeError(msg)
        runtime = self._copy()
        runtime.log = log
        forks.renew_in_child(runtime)
        return runtime

    def from_row(self, row: int | None) -> Runtime:
        """Return the same surroundings of a run that begins at some row, for the log; None is unknown."""
        if self.log is None:
            return self
        runtime = self._copy()
        runtime._first_row = row
        return runtime

    def with_memory(self, memory: MemoryPool | Claim) -> Runtime:
        """Return the same surroundings of a run whose memory has been claimed."""
        runtime = self._copy()
        runtime._pool = memory
        return runtime

    def unseen(self) -> Runtime:
        """Return the same surroundings of a run that is nobody's business: it isn't counted."""
        runtime = self._copy()
        runtime.metrics = runtime.states = runtime.log = None
        return runtime

    def _copy(self) -> Runtime:
        runtime = Runtime.__new__(Runtime)  # `copy` would ask how it is pickled
        runtime.__dict__.update(self.__dict__)
        return runtime

    def part(self, work: Callable[[int, int], None]) -> Callable[[int, int], None]:
        """Return what other threads are to do for a run, so that its memory is known to be claimed."""
        within = getattr(self._pool, "within", None)
        return work if within is None else within(work)

    @property
    def pool(self) -> MemoryPool:
        """Where output columns come from; within a run that has claimed its memory, that."""
        pool: Any = self._pool
        if callable(pool):
            with self._lock:
                pool = self._pool
                if callable(pool):
                    pool = self._pool = pool()
        return pool  # type: ignore[no-any-return]

    @property
    def has_limit(self) -> bool:
        """Whether output columns are to come from the pool, as that has a limit or isn't one of ours."""
        config = getattr(self.pool, "config", None)
        return config is None or config.max_bytes is not None

    @property
    def is_closed(self) -> bool:
        """Whether the pool has been closed: then nothing runs any more."""
        pool: Any = self._pool
        return not callable(pool) and pool.closed

    def tuner(self, stages: Sequence[Stage], config: BatchConfig) -> TracedTuner:
        """Return the tuner of a pipeline over columns of the same types.

        The first plugin that brings its own ``optimize_batch_size`` decides for the pipeline.
        """
        rule = None
        key: list[tuple[str, int]] = []
        for stage in stages:
            plugin = stage.plugin
            if plugin is not None:
                key.append((plugin.name, stage.column_types))  # the name is for reports
                rule = rule or plugin.optimize_batch_size
        return self.tuners.get(tuple(key), config, rule)

    def note(self, plugin: Plugin, rows: int, seconds: float) -> None:
        """Add a run of one chunk to the metrics, of which no row failed."""
        if self.metrics is not None:
            self.metrics.note(plugin.name, rows, seconds)

    def count(
        self,
        stages: Sequence[Stage],
        times: Sequence[tuple[int, int, float]],
        failures: Mapping[int, Failures],
    ) -> None:
        """Add what stages did to the metrics, and failed rows to the log."""
        if self.log is not None:
            self.log.add(list(failures.values()), self._first_row)
        metrics = self.metrics
        if metrics is None:
            return
        for stage in stages:
            if stage.plugin is not None:
                index = stage.index
                mine = [(rows, seconds) for of, rows, seconds in times if of == index]
                failed = failures[index].count if index in failures else 0
                metrics.count(stage.plugin.name, mine, failed, interpreted=not stage.is_compiled)
