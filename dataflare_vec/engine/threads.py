"""Run one function over ranges of rows, on several threads."""

from __future__ import annotations

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_lock = threading.Lock()
_executors: dict[int, ThreadPoolExecutor] = {}


def _executor(helpers: int) -> ThreadPoolExecutor:
    with _lock:
        executor = _executors.get(helpers)
        if executor is None:
            executor = ThreadPoolExecutor(helpers, thread_name_prefix="dataflare_vec")
            _executors[helpers] = executor
        return executor


def _after_fork() -> None:
    # A child has the parent's executors but none of their threads.
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _executors.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def over_ranges(work: Callable[[int, int], None], rows: int, chunk_rows: int, threads: int) -> None:
    """Call ``work(start, stop)`` for each chunk of ``rows``, on up to ``threads`` threads.

    The calling thread works too. Threads take the next chunk when they are done with one. An exception
    of one of them is raised here, after all have stopped.
    """
    chunks = -(-rows // chunk_rows)
    threads = min(threads, chunks)
    if threads <= 1:
        for start in range(0, rows, chunk_rows):
            work(start, min(start + chunk_rows, rows))
        return
    numbers = itertools.count()  # next() on it is atomic under the GIL
    stop = threading.Event()

    def take() -> None:
        try:
            while not stop.is_set() and (start := next(numbers) * chunk_rows) < rows:
                work(start, min(start + chunk_rows, rows))
        except BaseException:
            stop.set()
            raise

    executor = _executor(threads - 1)
    futures = [executor.submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:
        # Buffers are written by these threads: nobody may leave before all are done.
        for future in futures:
            future.exception()
    for future in futures:
        future.result()
