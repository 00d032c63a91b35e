"""Which tuner a setting asks for, and the tuners remembered from run to run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from dataflare_vec.engine.tuner.chunk import ChunkTuner
from dataflare_vec.engine.tuner.rules import CallableTuner, FixedTuner, RuleTuner

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from datetime import timedelta

    from dataflare_vec.config.settings import BatchConfig
    from dataflare_vec.engine.tuner.base import TracedTuner


def make_tuner(
    config: BatchConfig,
    plugin_rule: Callable[[int, timedelta, float], int] | None = None,
    start: int | None = None,
) -> TracedTuner:
    """Return the tuner that the settings ask for.

    Parameters
    ----------
    config
        ``enable_auto_optimization=False`` or ``tuner="fixed"`` win over everything else.
    plugin_rule
        A plugin's own ``optimize_batch_size(current_size, latency, throughput)``, which wins over
        `config.tuner`.
    start
        Rows to start from, known from before.

    Examples
    --------
    >>> from dataflare_vec.config.settings import BatchConfig
    >>> type(make_tuner(BatchConfig(enable_auto_optimization=False))).__name__
    'FixedTuner'
    """
    if not config.enable_auto_optimization or config.tuner == "fixed":
        return FixedTuner(config)
    if plugin_rule is not None:
        return CallableTuner(config, plugin_rule, start)
    if config.tuner == "rule":
        return RuleTuner(config, start)
    return ChunkTuner(config, start)


class TunerMemory:
    """The tuners of plugins used lately, so that a run starts where the last one ended.

    Parameters
    ----------
    limit
        Tuners kept. The one unused for longest is forgotten first.

    Notes
    -----
    Safe from any thread. The tuners it returns are shared: two runs of one plugin at once get the same
    one, so calls to it are to be made under its own ``lock``, not under one of the run.

    Examples
    --------
    >>> from dataflare_vec.config.settings import BatchConfig
    >>> memory = TunerMemory()
    >>> config = BatchConfig()
    >>> memory.get(("haversine", "f64"), config) is memory.get(("haversine", "f64"), config)
    True
    """

    def __init__(self, limit: int = 256) -> None:
        if limit < 1:
            msg = f"`limit` must be 1 or more, got {limit}"
            raise ValueError(msg)
        self._limit = limit
        self._lock = threading.Lock()
        self._tuners: OrderedDict[tuple[Hashable, BatchConfig, object], TracedTuner] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tuners)

    def get(
        self,
        key: Hashable,
        config: BatchConfig,
        plugin_rule: Callable[[int, timedelta, float], int] | None = None,
    ) -> TracedTuner:
        """Return the tuner for ``key`` (a plugin and a schema) under ``config``, a new one if unknown."""
        # A bound method is a new object at each access but equal, so the rule itself is in the key.
        full = (key, config, plugin_rule)
        with self._lock:
            tuner = self._tuners.get(full)
            if tuner is None:
                tuner = self._tuners[full] = make_tuner(config, plugin_rule)
                if len(self._tuners) > self._limit:
                    self._tuners.popitem(last=False)
            else:
                self._tuners.move_to_end(full)
            return tuner

    def items(self) -> list[tuple[Hashable, TracedTuner]]:
        """Return all tuners with their keys, the one used last at the end."""
        with self._lock:
            return [(key, tuner) for (key, _, _), tuner in self._tuners.items()]

    def clear(self) -> None:
        """Forget all tuners."""
        with self._lock:
            self._tuners.clear()
