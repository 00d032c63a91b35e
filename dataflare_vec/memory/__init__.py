"""Pooled memory for output columns: recycled when, and only when, its last reader releases it.

`MemoryPool` hands out `PooledBuffer`s. What readers (Arrow, Polars, NumPy, memoryviews) hold on to
is the buffer's lease; the lease's death brings the memory back. PyArrow is imported with the first
allocation, not before.
"""

from __future__ import annotations

from dataflare_vec.config.settings import PluginManagerConfig
from dataflare_vec.exceptions import PoolError, PoolLimitError
from dataflare_vec.memory.buffer import PooledBuffer
from dataflare_vec.memory.pool import MemoryPool
from dataflare_vec.memory.size_classes import BufferSize
from dataflare_vec.memory.stats import ClassStats, PoolStats

_default: MemoryPool | None = None


def default_pool() -> MemoryPool:
    """Return the pool that output columns come from unless another is given.

    Its settings are those of the environment: see `PluginManagerConfig.from_environment`.
    """
    global _default
    if _default is None:
        _default = MemoryPool(PluginManagerConfig.from_environment().memory_pool_config)
    return _default


__all__ = [
    "BufferSize",
    "ClassStats",
    "MemoryPool",
    "PoolError",
    "PoolLimitError",
    "PoolStats",
    "PooledBuffer",
    "default_pool",
]
