"""What has to see the rows in order, while threads work on several chunks."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator


class Stopped(BaseException):
    """Another thread has failed: the turn that one waits for will never come."""


class Sequencer:
    """For each thing that is done in order, up to which row it is done.

    Threads take chunks in order, so the chunk that is waited for is always in work.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._done: dict[Hashable, int] = {}
        self._stopped = False
        self._waited = threading.local()

    @contextmanager
    def turn(self, what: Hashable, start: int, stop: int, first: int = 0) -> Iterator[None]:
        """Wait until ``what`` is done for rows from ``first`` to ``start``; then it's done up to ``stop``.

        Raises
        ------
        Stopped
            If a thread has failed.
        """
        began = perf_counter()
        with self._changed:
            while self._done.get(what, first) != start:
                if self._stopped:
                    raise Stopped
                self._changed.wait()
        self._waited.seconds = getattr(self._waited, "seconds", 0.0) + perf_counter() - began
        yield
        with self._changed:
            self._done[what] = stop
            self._changed.notify_all()

    def stop(self) -> None:
        """Wake all that wait: a thread has failed."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def pop_waited(self) -> float:
        """Return for how many seconds this thread has waited since it was last asked."""
        seconds: float = getattr(self._waited, "seconds", 0.0)
        self._waited.seconds = 0.0
        return seconds
