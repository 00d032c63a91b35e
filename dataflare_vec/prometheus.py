"""A manager's metrics for Prometheus; needs ``pip install "dataflare_vec[prometheus]"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.config.extras import require
from dataflare_vec.engine.context.lifecycle import PluginState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.service.manager import PluginManager

#: Upper ends of the latency histogram, seconds. Chunks are put there to 1 %.
_BOUNDS = (1e-5, 1e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class ManagerCollector:
    """Collects a manager's metrics each time Prometheus asks; costs nothing in between.

    Parameters
    ----------
    manager
        Whose metrics.

    Raises
    ------
    MissingDependencyError
        If prometheus_client isn't installed.

    Examples
    --------
    >>> from dataflare_vec import PluginManager
    >>> from prometheus_client import CollectorRegistry, generate_latest
    >>> registry = CollectorRegistry()
    >>> registry.register(ManagerCollector(PluginManager()))
    >>> b"dataflare_vec_running 0.0" in generate_latest(registry)
    True
    """

    def __init__(self, manager: PluginManager) -> None:
        require("prometheus", "`prometheus`")
        self._manager = manager

    def describe(self) -> list[Any]:
        """Return nothing: what is collected depends on the plugins."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield the metric families of this moment."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            StateSetMetricFamily,
        )

        status = self._manager.get_system_status()
        metrics = self._manager.runtime.metrics
        counters: dict[str, tuple[str, Any]] = {
            "rows": ("Rows that a plugin was given.", lambda one: one.total_processed),
            "failed_rows": ("Rows that failed.", lambda one: one.error_count),
            "runs": ("Calls of a plugin.", lambda one: one.runs),
        }
        for name, (text, value) in counters.items():
            family = CounterMetricFamily(f"dataflare_vec_{name}", text, labels=["plugin"])
            for plugin, one in status.metrics.items():
                family.add_metric([plugin], value(one))
            yield family
        latency = HistogramMetricFamily(
            "dataflare_vec_chunk_seconds", "Time for a chunk of rows.", labels=["plugin"]
        )
        for plugin in status.metrics:
            found = None if metrics is None else metrics.latencies(plugin)
            if found is not None:
                histogram, total = found
                buckets = [(str(bound), histogram.at_most(bound)) for bound in _BOUNDS]
                buckets.append(("+Inf", histogram.count))
                latency.add_metric([plugin], buckets, sum_value=total)
        yield latency
        states = StateSetMetricFamily("dataflare_vec_plugin_state", "State of a plugin.", labels=["plugin"])
        for plugin, state in status.states.items():
            states.add_metric([plugin], {each.value: each is state for each in PluginState})
        yield states
        yield GaugeMetricFamily("dataflare_vec_running", "Runs under way.", value=status.running)
        pool = status.pool
        for name, text, nbytes in (
            ("in_use_bytes", "Memory that somebody can still read.", pool.in_use_bytes),
            ("idle_bytes", "Memory that waits to be reused.", pool.idle_bytes),
            ("peak_bytes", "The most memory in use so far.", pool.peak_bytes),
        ):
            yield GaugeMetricFamily(f"dataflare_vec_pool_{name}", text, value=nbytes)
        requests = CounterMetricFamily(
            "dataflare_vec_pool_requests", "Buffers lent, recycled or fresh.", labels=["source"]
        )
        requests.add_metric(["recycled"], pool.hits)
        requests.add_metric(["fresh"], pool.misses)
        yield requests


def register(manager: PluginManager, registry: Any = None) -> ManagerCollector:
    """Have Prometheus collect a manager's metrics.

    Parameters
    ----------
    manager
        Whose metrics.
    registry
        A ``prometheus_client.CollectorRegistry``; the global one if left out.

    Returns
    -------
    ManagerCollector
        The collector, for the registry's ``unregister``.

    Raises
    ------
    MissingDependencyError
        If prometheus_client isn't installed.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> from prometheus_client import CollectorRegistry
    >>> registry = CollectorRegistry()
    >>> collector = dfv.prometheus.register(dfv.PluginManager(), registry)
    >>> registry.get_sample_value("dataflare_vec_running")
    0
    """
    collector = ManagerCollector(manager)
    from prometheus_client import REGISTRY

    (REGISTRY if registry is None else registry).register(collector)
    return collector
