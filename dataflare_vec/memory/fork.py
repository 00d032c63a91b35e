"""Memory pools and `os.fork`: the child gets working copies of its parent's pools.

A lock that another thread holds while the process forks would stay locked in the child for ever,
over half-changed counters. So the forking thread takes the pools' locks first, and the child gets
new ones. Memory needs no care: the child has a copy of it, and of the leases, and each of the two
processes recycles its own. What only the parent's other threads referred to stays in use in the
child, because those threads never let go of it there.
"""

from __future__ import annotations

import os
import threading
import weakref
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflare_vec.memory.pool import MemoryPool

_pools: weakref.WeakSet[MemoryPool] = weakref.WeakSet()
_locked: list[MemoryPool] = []

# Nobody holds a pool's lock for long; but a fork must never hang, whatever happens.
_PATIENCE = 1.0


def watch(pool: MemoryPool) -> None:
    """Take care of a pool at each fork from now on."""
    _pools.add(pool)


def _before() -> None:
    _locked[:] = [pool for pool in list(_pools) if pool._lock.acquire(timeout=_PATIENCE)]


def _after_in_parent() -> None:
    while _locked:
        _locked.pop()._lock.release()


def _after_in_child() -> None:
    _locked.clear()
    for pool in list(_pools):
        pool._lock = threading.RLock()
        pool._room = SimpleQueue()
        pool._waiting = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
