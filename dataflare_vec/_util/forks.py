"""A fork waits for what another thread is in the midst of, and that the child could never finish.

In the child there is only the thread that has forked. A lock that another one holds is held for ever, and a
module that another one imports stays half a module: whoever asks for either hangs. This is imported with the
package, so that it knows of the first call.

What a fork has to wait for is told here, and so is what the child has to make anew.
"""

from __future__ import annotations

import _imp
import importlib._bootstrap as _importing
import os
import threading
import time
import weakref
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # each class of a protocol would add a tenth of a millisecond to the package's import
    from collections.abc import Callable
    from typing import Protocol

    class Lock(Protocol):
        """A reentrant lock."""

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...

        def release(self) -> None: ...

    class Renewed(Protocol):
        """Something with locks, or threads, of its own."""

        def renew_after_fork(self) -> None: ...


#: Seconds after which it forks all the same: then it is the child that waits, if it needs the thing at all.
PATIENCE = 30.0
_PAUSE = 0.001


_locks: list[Lock] = []
_forking = threading.local()  # `held`: locks that this thread took for its fork; two may be forking at once


def wait_for_lock(lock: Lock) -> None:
    """Let forks wait until no other thread holds ``lock``."""
    _locks.append(lock)


# Not a WeakSet: one can't be listed safely while another thread makes something.
_renewed: set[weakref.ref[Renewed]] = set()
_around: list[tuple[Callable[[], None], Callable[[], None]]] = []
_in_child: list[Callable[[], None]] = []


def renew_in_child(owner: Renewed) -> None:
    """Let the child of each fork call ``owner.renew_after_fork()``, as long as there is ``owner``.

    A thread that the child doesn't have may have held its locks.
    """
    _renewed.add(weakref.ref(owner, _renewed.discard))


def call_in_child(function: Callable[[], None]) -> None:
    """Let the child of each fork call ``function``."""
    _in_child.append(function)


def around(*, before: Callable[[], None], in_parent: Callable[[], None]) -> None:
    """Let the thread that forks call something before, when all waiting is over, and after, in the parent."""
    _around.append((before, in_parent))


def _before() -> None:
    _wait()
    for before, _ in _around:
        before()


def _wait() -> None:
    until = time.monotonic() + PATIENCE
    own = threading.get_ident()
    while True:
        while _is_importing(own) and time.monotonic() < until:
            time.sleep(_PAUSE)
        _take_locks(until)
        # From here on nobody begins to import, but for whoever has just got the lock of a module.
        _imp.acquire_lock()
        _forking.stops_imports = True
        time.sleep(_PAUSE)
        # What is imported may take one of the locks, so it comes first; but it may have begun since.
        if not _is_importing(own) or time.monotonic() >= until:
            return
        _let_go()


def _take_locks(until: float) -> None:
    """Take all locks, or those that can be had when it is time; wait for one only while none is held.

    So it doesn't matter in which order other threads take them.
    """
    held: list[Lock] = []
    _forking.held = held
    waited_for: Lock | None = None
    while True:
        if waited_for is not None and waited_for.acquire(timeout=max(until - time.monotonic(), 0)):
            held.append(waited_for)
        for lock in tuple(_locks):
            if lock is waited_for:
                continue
            if lock.acquire(blocking=False):
                held.append(lock)
            elif time.monotonic() < until:
                waited_for = lock
                _let_go()
                break
        else:
            return


def _let_go() -> None:
    if getattr(_forking, "stops_imports", False):
        _forking.stops_imports = False
        with suppress(RuntimeError):  # the child of some Pythons has a new one
            _imp.release_lock()
    held = getattr(_forking, "held", [])
    while held:
        held.pop().release()


def _after_in_parent() -> None:
    for _, in_parent in _around:
        in_parent()
    _let_go()


def _after_in_child() -> None:
    _let_go()
    for function in _in_child:
        function()
    for reference in list(_renewed):
        owner = reference()
        if owner is not None:
            owner.renew_after_fork()


def _is_importing(own: int) -> bool:
    # Python keeps a lock for each module that is being imported. It has no public name for them; where they
    # are somewhere else, forks don't wait for imports.
    locks: dict[str, Any] = getattr(_importing, "_module_locks", {})
    for reference in list(locks.values()):
        owner = getattr(reference(), "owner", None)
        if owner is not None and owner != own:
            return True
    return False


if hasattr(os, "register_at_fork"):
    # What is registered last is called first. These take locks, which whoever we wait for may need.
    for _name in ("logging", "concurrent.futures.thread"):
        import_module(_name)
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
