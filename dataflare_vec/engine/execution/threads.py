"""Cut the rows of a frame into chunks, and run one function over them on several threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from time import perf_counter
from typing import TYPE_CHECKING

from dataflare_vec._util import forks, interrupts

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.engine.tuner import Tuner

#: Seconds between two looks at threads that are to come to an end.
_PATIENCE = 0.05

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
    global _lock
    _lock = threading.Lock()
    _executors.clear()


forks.call_in_child(_after_fork)


def over_chunks(work: Callable[[int, int], None], rows: int, tuner: Tuner, threads: int) -> int:
    """Call ``work(start, stop)`` for chunk after chunk of ``rows``, on up to ``threads`` threads.

    The calling thread works too. Threads take the next chunk when they are done with one, as large as the
    tuner says; chunks start at multiples of 64, so that no two threads write into one byte of a bitmap. An
    exception of one of them is raised here, after all have stopped.

    Returns
    -------
    int
        How many threads there were: one, if there was one chunk.
    """
    with tuner.lock:
        size = tuner.next_size(rows, threads)
    if rows <= size:
        began = perf_counter()
        work(0, rows)
        elapsed = perf_counter() - began
        with tuner.lock:
            tuner.record(rows, elapsed)
        return 1
    taken = 0
    stop = False

    def take() -> None:
        nonlocal taken, stop
        try:
            while True:
                with tuner.lock:
                    start = taken
                    if stop or start >= rows:
                        return
                    end = taken = min(start + tuner.next_size(rows - start, threads), rows)
                began = perf_counter()
                work(start, end)
                elapsed = perf_counter() - began
                with tuner.lock:
                    tuner.record(end - start, elapsed)
        except BaseException:
            stop = True
            raise

    if threads <= 1:
        take()
        return 1

    def end() -> None:
        nonlocal stop
        stop = True

    _share(take, end, threads - 1)
    return threads


def _share(take: Callable[[], None], end: Callable[[], None], helpers: int) -> None:
    """Call ``take`` on this thread and on some others, until all are done; ``end`` has them end early.

    Buffers are written by these threads: nobody may leave before.
    """
    jobs = [take] * helpers
    errors: list[BaseException] = []
    executor = _executor(helpers)
    futures = [executor.submit(_help, jobs, errors) for _ in jobs]
    try:
        take()
    except BaseException as error:  # raised below
        errors.insert(0, error)
    finally:
        # One that hasn't begun isn't waited for: it may stand behind this very run, if a column kernel
        # applies a plugin.
        pressed = False
        for future in futures:
            while not (future.cancel() or future.done()):
                pressed = any(isinstance(error, KeyboardInterrupt) for error in errors)
                if pressed:  # perhaps before a loop began that doesn't end by itself
                    interrupts.press()
                try:
                    wait([future], _PATIENCE if pressed else None)
                except KeyboardInterrupt as error:
                    end()
                    errors.append(error)
        if pressed:
            interrupts.let_go()
        jobs.clear()
    try:
        if errors:
            raise errors[0]
    finally:
        errors.clear()  # an exception holds the frames that hold it


def _help(jobs: list[Callable[[], None]], errors: list[BaseException]) -> None:
    # Whoever waits for this goes on a moment before its thread lets go of what it got: two lists, empty then,
    # and neither the job nor an exception, which hold buffers.
    try:
        jobs.pop()()
    except BaseException as error:  # raised by `over_chunks`
        errors.append(error)
