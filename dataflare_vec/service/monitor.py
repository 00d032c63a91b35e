"""The thread that logs a manager's status and checks its health from time to time."""

from __future__ import annotations

import os
import threading
import weakref
from time import monotonic
from typing import TYPE_CHECKING

from dataflare_vec._util.durations import seconds
from dataflare_vec._util.logs import get_logger

# Not by its thread: a child forked while that imports them could never import them itself.
from dataflare_vec.service import health as health
from dataflare_vec.service import status as status

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

_log = get_logger(__name__)


class Monitor:
    """Calls methods of an object at intervals, on a daemon thread; ends when the object is gone.

    Parameters
    ----------
    jobs
        Interval and bound method; an interval of 0 is never.
    """

    def __init__(self, jobs: list[tuple[timedelta | float, Callable[[], object]]]) -> None:
        # Weak, so that a manager nobody refers to any more isn't kept alive by its own monitor.
        self._jobs = [(seconds(every), weakref.WeakMethod(job)) for every, job in jobs if seconds(every)]
        self._stop = threading.Event()
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name="dataflare_vec monitor", daemon=True)
        if self._jobs:
            self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it is at work; never in a child that was forked meanwhile."""
        return self._process == os.getpid() and self._thread.is_alive()

    def stop(self) -> None:
        """End the thread, after the job that it is at."""
        if self._process != os.getpid():
            return
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _work(self) -> None:
        due = [monotonic() + every for every, _ in self._jobs]
        while not self._stop.wait(max(0.0, min(due) - monotonic())):
            for i, (every, job) in enumerate(self._jobs):
                if due[i] > monotonic():
                    continue
                call = job()
                if call is None:
                    return
                try:
                    call()
                except Exception:
                    _log.exception("monitoring failed")
                del call
                due[i] = monotonic() + every
