"""What runs share: the memory pool, the settings, and what tuners have learnt and metrics have counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflare_vec.engine.rows import RowStage
from dataflare_vec.tuner import TunerMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.config import BatchConfig
    from dataflare_vec.engine.failures import Failures
    from dataflare_vec.engine.stage import Stage
    from dataflare_vec.memory import MemoryPool
    from dataflare_vec.metrics import Metrics
    from dataflare_vec.tuner import Tuner


class Runtime:
    """The surroundings of runs; a `PluginManager` has one.

    Parameters
    ----------
    pool
        Where output columns come from.
    config
        Chunk size and threads, unless a call brings its own.
    metrics
        Counts what runs do; None counts nothing.
    """

    def __init__(self, pool: MemoryPool, config: BatchConfig, metrics: Metrics | None = None) -> None:
        self.pool = pool
        self.config = config
        self.metrics = metrics
        self.tuners = TunerMemory()

    def tuner(self, stages: Sequence[Stage], config: BatchConfig) -> Tuner:
        """Return the tuner of a pipeline over columns of the same types."""
        # A prepared kernel stands for its plugin and the types of its columns.
        key = tuple(id(s.prepared) if isinstance(s, RowStage) else s.plugin and s.plugin.name for s in stages)
        return self.tuners.get(key, config)

    def count(
        self,
        stages: Sequence[Stage],
        times: Sequence[tuple[int, int, float]],
        failures: Mapping[int, Failures],
    ) -> None:
        """Add what stages did to the metrics."""
        if self.metrics is None:
            return
        for stage in stages:
            if stage.plugin is not None:
                mine = [(rows, seconds) for index, rows, seconds in times if index == stage.index]
                failed = failures[stage.index].count if stage.index in failures else 0
                self.metrics.count(stage.plugin.name, mine, failed)
