"""The state of each plugin under one manager, and how many runs there may be at once."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any

from dataflare_vec._util import forks
from dataflare_vec._util.logs import get_logger
from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec.exceptions import (
    DataFlareError,
    KernelCompileError,
    KernelResultError,
    PluginDisabledError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_log = get_logger(__name__)


@by_public_name
class PluginState(Enum):
    """State of a plugin under a manager.

    ==============  ==========================================================  =============================
    from            what happens                                                to
    ==============  ==========================================================  =============================
    any             a run begins                                                `RUNNING`
    `RUNNING`       the last of its runs ends, or the caller was wrong          the state before, but `READY`
                                                                                after a run that gave a result
    `RUNNING`       a run ends with an error of the plugin's own                `FAILED`
    any             a health check passes or fails                              `READY` or `FAILED`
    any             `PluginManager.disable`; runs under way go on               `DISABLED`
    `DISABLED`      `PluginManager.enable`                                      `REGISTERED`
    ==============  ==========================================================  =============================

    A run with failed rows gave a result: rows fail because of their values. A failed plugin may be run
    again, and is ready if that works. A disabled one refuses to run.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> manager = dfv.PluginManager()
    >>> _ = manager.register_plugin("third", lambda x: x / 3.0)
    >>> manager.get_state("third")
    <PluginState.REGISTERED: 'registered'>
    >>> manager.disable("third")
    >>> manager.get_state("third") is dfv.PluginState.DISABLED
    True
    """

    REGISTERED = "registered"  # known, not yet run
    READY = "ready"  # its last run, or health check, gave a result
    RUNNING = "running"
    FAILED = "failed"  # its last run, or health check, ended with an error of the plugin's own
    DISABLED = "disabled"


_READY = PluginState.READY  # looked up once: an Enum takes its time


class _Entry:
    """One plugin: the state that it has between runs, and how many of those are under way."""

    __slots__ = ("disabled", "failed_on", "runs", "settled")

    def __init__(self) -> None:
        self.settled = PluginState.REGISTERED
        self.runs = 0
        self.disabled = False
        self.failed_on: Mapping[str, Any] = {}


class PluginStates:
    """The states of plugins, and the column types they were run on. Safe from any thread.

    Parameters
    ----------
    limit
        Runs at once; more wait. None for no limit.

    Attributes
    ----------
    is_limited : bool
        Whether a run may have to wait for its `turn`.
    dtypes : dict
        By plugin, the dtypes of the columns it was last seen with in a frame, by parameter.
    of_records : set
        Plugins of which only records were seen, whose dtypes are those of Python's values: a frame's will
        replace them.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.dtypes: dict[str, Mapping[str, Any]] = {}
        self.of_records: set[str] = set()
        self.running = 0
        self._limit = limit
        self.is_limited = limit is not None
        self._entries: dict[str, _Entry] = {}
        self.renew_after_fork()
        forks.renew_in_child(self)

    # -- around a run ---------------------------------------------------------------------------------------

    def begin(self, names: Sequence[str]) -> None:
        """Note that a run of these plugins begins.

        Raises
        ------
        PluginDisabledError
            If one of them is disabled.
        """
        entries = self._entries
        with self._lock:
            self._check(names)
            for name in names:
                entries[name].runs += 1
            self.running += 1

    def check(self, names: Sequence[str]) -> None:
        """Raise as `begin` does, for what runs elsewhere."""
        with self._lock:
            self._check(names)

    def _check(self, names: Sequence[str]) -> None:
        for name in names:
            if (self._entries.get(name) or self._new(name)).disabled:
                msg, hint = "it is disabled", f"`manager.enable({name!r})` lets it run again"
                raise PluginDisabledError(msg, plugin=name, hint=hint)

    def end(self, names: Sequence[str], error: BaseException | None = None) -> str | None:
        """Note that a run ended, and how; return which plugin the error is the own fault of."""
        failed = None if error is None or not is_own_fault(error) else _blamed(names, error)
        with self._lock:
            if self.running:  # 0 in a child that was forked during the run
                self.running -= 1
            for name in names:
                entry = self._entries.get(name)
                if entry is None:  # unregistered meanwhile
                    continue
                if entry.runs:
                    entry.runs -= 1
                if error is None:
                    entry.settled = _READY
                elif name == failed:
                    entry.settled = PluginState.FAILED
        if failed is not None:
            _log.warning("plugin `%s` failed: %s", failed, error)
        return failed

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until there may be one run more. A run within a run of the same thread doesn't wait."""
        semaphore = self._semaphore
        if semaphore is None or getattr(self._within, "run", False):
            yield
            return
        semaphore.acquire()
        self._within.run = True
        try:
            yield
        finally:
            self._within.run = False
            semaphore.release()

    # -- what is asked and set ------------------------------------------------------------------------------

    def get(self, name: str) -> PluginState:
        """Return the state of a plugin."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None:
                return PluginState.REGISTERED
            if entry.disabled:
                return PluginState.DISABLED
            return PluginState.RUNNING if entry.runs else entry.settled

    def tried(self, name: str) -> Mapping[str, Any]:
        """Return the dtypes of the columns that a plugin last ran with, or failed on, as far as known."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None and entry.settled is PluginState.FAILED and entry.failed_on:
                return entry.failed_on
            return self.dtypes.get(name, {})

    def settle(self, name: str, state: PluginState) -> None:
        """Set the state that a plugin has between runs."""
        with self._lock:
            (self._entries.get(name) or self._new(name)).settled = state

    def disable(self, name: str, *, disabled: bool) -> None:
        """Keep a plugin from running, or let it run again."""
        with self._lock:
            entry = self._entries.get(name) or self._new(name)
            if entry.disabled and not disabled:
                entry.settled = PluginState.REGISTERED
            entry.disabled = disabled

    def forget(self, name: str) -> None:
        """Begin anew for a plugin."""
        with self._lock:
            self._entries.pop(name, None)
            self.dtypes.pop(name, None)
            self.of_records.discard(name)

    def see(self, name: str, dtypes: Mapping[str, Any], *, of_record: bool) -> None:
        """Note the dtypes of a run's columns. A record's don't take the place of a frame's."""
        if not of_record or name not in self.dtypes:
            self.dtypes[name] = dtypes

    def see_failure(self, name: str, dtypes: Mapping[str, Any]) -> None:
        """Note the dtypes of the columns that a plugin has failed on: records aren't made of those."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None:  # else unregistered meanwhile
                entry.failed_on = dtypes

    def see_frame(self, names: Sequence[str]) -> None:
        """Forget the dtypes of records, now that a plugin sees a frame."""
        with self._lock:
            for name in self.of_records.intersection(names):
                self.of_records.discard(name)
                self.dtypes.pop(name, None)

    def names(self) -> list[str]:
        """Return the plugins that have been run, or had their state set."""
        with self._lock:
            return sorted(self._entries)

    def _new(self, name: str) -> _Entry:
        return self._entries.setdefault(name, _Entry())

    def renew_after_fork(self) -> None:
        """Have locks that no thread holds, and no runs under way."""
        self._lock = threading.Lock()
        self._semaphore = None if self._limit is None else threading.BoundedSemaphore(self._limit)
        self._within = threading.local()
        self.running = 0
        for entry in self._entries.values():
            entry.runs = 0


def is_own_fault(error: BaseException) -> bool:
    """Whether an error is the plugin's own: not failed rows, wrong arguments or lack of memory."""
    if isinstance(error, (KernelCompileError, KernelResultError)):
        return True
    return isinstance(error, Exception) and not isinstance(error, (DataFlareError, MemoryError))


def _blamed(names: Sequence[str], error: BaseException) -> str | None:
    """Return which plugin of a pipeline an error is about, if it says so."""
    if len(names) == 1:
        return names[0]
    return error.plugin if isinstance(error, DataFlareError) else None
