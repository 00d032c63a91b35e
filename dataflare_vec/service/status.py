"""A manager at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflare_vec._util.public_pickles import by_public_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from dataflare_vec.engine.context.lifecycle import PluginState
    from dataflare_vec.engine.context.metrics import PluginMetrics
    from dataflare_vec.memory import PoolStats
    from dataflare_vec.service.health import HealthReport


@by_public_name
@dataclass(frozen=True, slots=True)
class SystemStatus:
    """Status of a `PluginManager` at one moment.

    Attributes
    ----------
    uptime : timedelta
        Since the manager was made.
    running : int
        Runs under way.
    monitoring : bool
        Whether its status is logged and its health checked from time to time.
    states : dict
        `PluginState` by name, of the plugins registered with it or run by it.
    metrics : dict
        `PluginMetrics` by name, of those that were run.
    pool : PoolStats
        Its memory pool.
    tuners : int
        Chunk sizes that are being tuned.
    health : HealthReport or None
        The last health check.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> manager = dfv.PluginManager()
    >>> _ = manager.register_plugin("third", lambda x: x / 3.0)
    >>> _ = manager.process_batch("third", pl.DataFrame({"x": [3.0]}))
    >>> status = manager.get_system_status()
    >>> status.total_processed, status.running, status.states["third"].value
    (1, 0, 'ready')
    """

    uptime: timedelta
    running: int
    monitoring: bool
    states: Mapping[str, PluginState]
    metrics: Mapping[str, PluginMetrics]
    pool: PoolStats
    tuners: int
    health: HealthReport | None

    @property
    def total_processed(self) -> int:
        """Rows of all plugins together."""
        return sum(one.total_processed for one in self.metrics.values())

    @property
    def error_count(self) -> int:
        """Failed rows of all plugins together."""
        return sum(one.error_count for one in self.metrics.values())

    def __str__(self) -> str:
        from dataflare_vec._util.formatting import amount, duration, size

        lines = [
            f"up {duration(self.uptime)}, {self.running} running, {amount(self.total_processed)} rows, "
            f"{amount(self.error_count)} failed, {size(self.pool.in_use_bytes)} in use"
        ]
        for name, state in self.states.items():
            done = self.metrics.get(name)
            rows = f"{amount(done.total_processed)} rows, p99 {duration(done.p99)}" if done else "not run"
            how = ", interpreted" if done and done.interpreted else ""
            lines.append(f"  {name}: {state.value}, {rows}{how}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from dataflare_vec._util.formatting import amount, duration, percent, size
        from dataflare_vec._util.html import card

        rows = []
        for name, state in self.states.items():
            done = self.metrics.get(name)
            if done is None:
                rows.append((name, state.value, "", "", "", ""))
                continue
            speed = f"{amount(done.average_throughput)}/s"
            failed = percent(done.error_rate)
            how = f"{state.value}, interpreted" if done.interpreted else state.value
            rows.append((name, how, amount(done.total_processed), speed, duration(done.p99), failed))
        title = (
            f"up {duration(self.uptime)} · {self.running} running · {size(self.pool.in_use_bytes)} in use · "
            f"{percent(self.pool.cache_hit_rate)} hits"
        )
        return card(title, rows, ("plugin", "state", "rows", "throughput", "p99", "failed"), 2)
