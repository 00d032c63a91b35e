"""LLVM as llvmlite binds it. Every call of it takes a lock of llvmlite's own, which forks wait for, too."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from dataflare_vec._util.forks import wait_for_lock


@cache
def binding() -> Any:
    """Return `llvmlite.binding`.

    A compilation takes our locks, or Numba's; what is compiled is let go of without: a child of a fork amid
    that would wait for llvmlite's lock for ever.
    """
    lock = getattr(import_module("llvmlite.binding.ffi").lib._lock, "_lock", None)
    if lock is not None:
        wait_for_lock(lock)
    return import_module("llvmlite.binding")
