"""Everything that a report says, as plain data, and its way into a file."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec.config.extras import require
from dataflare_vec.files.atomic_write import write_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from dataflare_vec.config.settings import PluginManagerConfig
    from dataflare_vec.engine.context.metrics import PluginMetrics
    from dataflare_vec.engine.tuner import TracedTuner
    from dataflare_vec.service.status import SystemStatus

#: The tuners in a report: those used last.
_TUNERS = 24


def export_report(
    status: SystemStatus,
    config: PluginManagerConfig,
    tuners: Sequence[tuple[Hashable, TracedTuner]],
    path: str | Path,
) -> None:
    """Write a report: see `PluginManager.export_performance_report`."""
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".json", ".html", ".htm"):
        msg = f"the file name of a report must end in `.json` or `.html`, got `{path.name}`"
        raise ValueError(msg)
    if kind != ".json":
        require("report", "an HTML report")
    content = collect(status, config, tuners)
    if kind == ".json":
        text = json.dumps(content, indent=2, ensure_ascii=False)
    else:
        from dataflare_vec.service.report.page import page

        text = page(content)
    write_text(path, text)


def collect(
    status: SystemStatus,
    config: PluginManagerConfig,
    tuners: Sequence[tuple[Hashable, TracedTuner]],
) -> dict[str, Any]:
    """Return all that a report says, as what JSON knows; durations are seconds."""
    from dataflare_vec._version import __version__

    pool = asdict(status.pool)
    for kind in pool["classes"]:
        kind["size"] = None if kind["size"] is None else kind["size"].name.lower()
    health = status.health
    content: dict[str, Any] = _plain(
        {
            "generated_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "version": __version__,
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
            "uptime": status.uptime,
            "running": status.running,
            "total_processed": status.total_processed,
            "error_count": status.error_count,
            "healthy": None if health is None else health.healthy,
            "plugins": [
                _plugin(name, state.value, status.metrics.get(name)) for name, state in status.states.items()
            ],
            "health": None
            if health is None
            else {name: asdict(one) for name, one in (*health.plugins.items(), ("memory pool", health.pool))},
            "memory_pool": pool,
            "tuners": [_tuner(key, tuner) for key, tuner in tuners[-_TUNERS:]],
            "config": asdict(config),
        }
    )
    return content


def _plugin(name: str, state: str, metrics: PluginMetrics | None) -> dict[str, Any]:
    result: dict[str, Any] = {"plugin": name, "state": state}
    if metrics is not None:
        result.update(asdict(metrics))
        result["average_latency"] = metrics.average_latency
        result["average_throughput"] = metrics.average_throughput
        result["error_rate"] = metrics.error_rate
        result["last_run"] = metrics.last_run.isoformat() if metrics.last_run else None
    return result


def _tuner(key: Hashable, tuner: TracedTuner) -> dict[str, Any]:
    names = [name for name, _ in key] if isinstance(key, tuple) else [str(key)]
    return {
        "plugins": names,
        "kind": type(tuner).__name__,
        "best_size": tuner.best_size,
        "target_latency": tuner.target,
        "trace": [entry._asdict() for entry in list(tuner.trace)],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
