"""Memory pools and `os.fork`: the child gets working copies of its parent's pools.

A lock that another thread holds while the process forks would stay locked in the child for ever,
over half-changed counters. So the forking thread takes the pools' locks first, and the child gets
new ones. Memory needs no care: the child has a copy of it, and of the leases, and each of the two
processes recycles its own. What only the parent's other threads referred to stays in use in the
child, because those threads never let go of it there.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any, Protocol

from dataflare_vec._util import forks


class Pool(Protocol):
    """What a fork needs of a pool."""

    _lock: Any

    def _settle(self) -> None: ...
    def _renew_lock(self) -> None: ...


# Not a WeakSet: one can't be listed safely while another thread makes a pool.
_pools: set[weakref.ref[Pool]] = set()

# Nobody holds a pool's lock for long; but a fork must never hang, whatever happens.
_PATIENCE = 1.0


class _Forking(threading.local):
    """Locks that this thread took for its fork; two threads may be forking at once."""

    def __init__(self) -> None:
        self.locks: list[Any] = []


_forking = _Forking()


def watch(pool: Pool) -> None:
    """Take care of a pool at each fork from now on."""
    _pools.add(weakref.ref(pool, _pools.discard))


def _alive() -> list[Pool]:
    return [pool for ref in list(_pools) if (pool := ref()) is not None]


def _before() -> None:
    # In one order for all threads, or two that fork at once could wait for each other.
    for lock in [pool._lock for pool in sorted(_alive(), key=id)]:
        if lock.acquire(timeout=_PATIENCE):
            _forking.locks.append(lock)


def _after_in_parent() -> None:
    while _forking.locks:
        _forking.locks.pop().release()
    for pool in _alive():  # to whoever holds the lock others leave what comes back
        pool._settle()


def _after_in_child() -> None:
    _forking.locks.clear()
    for pool in _alive():
        pool._renew_lock()


forks.around(before=_before, in_parent=_after_in_parent)
forks.call_in_child(_after_in_child)
