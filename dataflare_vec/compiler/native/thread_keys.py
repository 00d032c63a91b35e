"""Keys of pthreads, under which each thread has a value of machine code's own."""

from __future__ import annotations

import ctypes
from functools import cache

#: The symbols that machine code knows the keys by: of the strings that a row makes, and how deep calls are.
ARENA, DEPTH = NAMES = ("dfv_arena_key", "dfv_depth_key")


@cache
def thread_key(symbol: str) -> ctypes.c_uint:
    """Return the key that a symbol names; it is made once in a process.

    Raises
    ------
    OSError
        If the process has no more.
    """
    key = ctypes.c_uint()
    if ctypes.CDLL(None).pthread_key_create(ctypes.byref(key), None):
        msg = f"the process has no thread-specific keys left (pthread_key_create), for {symbol}"
        raise OSError(msg)
    return key
