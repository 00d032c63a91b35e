"""`PluginManager`: plugins, memory pool, tuners and metrics under one roof."""

from __future__ import annotations

from dataflare_vec.config import BatchConfig
from dataflare_vec.engine.runtime import Runtime
from dataflare_vec.memory import default_pool
from dataflare_vec.registry import default_registry


class PluginManager:
    """Plugins, memory pool, tuners and metrics under one roof."""

    def __init__(self) -> None:
        self.registry = default_registry
        self.runtime = Runtime(default_pool(), BatchConfig())


_default: PluginManager | None = None


def default_manager() -> PluginManager:
    """Return the manager that `apply` uses unless another is given."""
    global _default  # noqa: PLW0603
    if _default is None:
        _default = PluginManager()
    return _default
