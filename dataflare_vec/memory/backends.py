"""Arrow's allocators by name; the only place where PyArrow is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflare_vec.exceptions import PoolError

if TYPE_CHECKING:
    import pyarrow as pa


def load(name: str) -> pa.MemoryPool:
    """Return the Arrow memory pool of a backend.

    Raises
    ------
    PoolError
        If this build of PyArrow lacks it.
    """
    import pyarrow as pa

    try:
        return getattr(pa, f"{name}_memory_pool")()
    except NotImplementedError:
        msg = (
            f"backend `{name}` isn't in this build of PyArrow; "
            f"use one of {pa.supported_memory_backends()}, or `default`"
        )
        raise PoolError(msg) from None
