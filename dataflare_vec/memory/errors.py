"""What can go wrong with pooled memory."""

from __future__ import annotations

from dataflare_vec.errors import DataFlareError


class PoolError(DataFlareError):
    """A memory pool, or a buffer of one, was used in a way that it can't be."""


class PoolLimitError(PoolError, MemoryError):
    """A request would take a memory pool over its `max_bytes`."""
