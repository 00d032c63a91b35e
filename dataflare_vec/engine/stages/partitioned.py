"""A reduce that may be merged: a state for each partition of rows, and all of them merged in order."""

from __future__ import annotations

import threading
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec.definition.plugin import plain
from dataflare_vec.engine.stages.reasons import Reason, cause_of
from dataflare_vec.engine.state.store import StateColumn, StateStore, as_record
from dataflare_vec.exceptions import RowError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from dataflare_vec.definition.state_layout import StateLayout

#: Rows of a partition. Long against starting a loop; short enough that two threads have work soon.
PARTITION_ROWS = 1 << 16

_NO_BITMAPS = (0, 0, 0, 0, 0)


#: Partitions whose states lie next to each other, and are merged by one call.
GROUP = 8


class PartitionSlice(NamedTuple):
    """Some rows of one partition."""

    partition: int
    first: int  # the partition's first row in this run
    start: int
    stop: int

    @property
    def is_whole(self) -> bool:
        """Whether no other chunk has rows of the partition."""
        return self.stop - self.start == PARTITION_ROWS


class PartitionStates(StateStore):
    """The states of partitions, merged in order when several are full; then their memory is used again.

    Between runs of a stream the last partition stays open: the next run's first rows belong to it, so that
    the bits don't depend on where a batch ends.

    Attributes
    ----------
    merge : Kernel
        Makes one state of two.
    """

    def __init__(self, plugin: Any, state_layout: StateLayout, merge: Any, given: Any = None) -> None:
        self._plugin = plugin
        self.state_layout = state_layout
        self.merge = merge
        self._buffer = plugin.stateful.buffer
        self._merged = None if given is None else as_record(plugin.name, state_layout, given, self._buffer)
        self._failure: RowError | None = None  # of a merge: raised when it is over, as are all others
        self._before = 0  # rows of earlier runs
        self._rows = 0
        self._groups: dict[int, np.ndarray[Any, Any]] = {}
        self._full: Counter[int] = Counter()  # how many partitions of a group are
        self._next = 0  # the group to be merged
        self._spare: list[np.ndarray[Any, Any]] = []
        self._lock = threading.Lock()

    def begin(self, rows: int) -> None:
        """Be told how many rows the next run has."""
        self._before, self._rows = self._before + self._rows, rows

    def parts(self, start: int, stop: int) -> Iterator[PartitionSlice]:
        """Cut rows at the borders of partitions."""
        while start < stop:
            partition = (start + self._before) // PARTITION_ROWS
            first = max(partition * PARTITION_ROWS - self._before, 0)
            end = min((partition + 1) * PARTITION_ROWS - self._before, stop)
            yield PartitionSlice(partition, first, start, end)
            start = end

    def column(self, partition: int) -> StateColumn:
        """Return the state of a partition, for a loop."""
        group, place = divmod(partition, GROUP)
        with self._lock:
            records = self._groups.get(group)
            if records is None:
                records = self._spare.pop() if self._spare else self.state_layout.records(GROUP)
                self._groups[group] = records
        return StateColumn(records[place : place + 1])

    def done(self, part: PartitionSlice) -> None:
        """Be told that the loop was over all rows of a partition up to a part's last one."""
        if part.stop + self._before < (part.partition + 1) * PARTITION_ROWS:
            return
        with self._lock:
            self._full[part.partition // GROUP] += 1
            while self._full.get(self._next) == GROUP:
                del self._full[self._next]
                records = self._groups.pop(self._next)
                try:
                    self._merged = self._merged if self._failure else self._all_of(records)
                except RowError as error:
                    self._failure = error
                self.state_layout.clear(records)
                self._spare.append(records)
                self._next += 1

    def settle(self, records: np.ndarray[Any, Any]) -> bool:
        """Take the states of the next partitions, all rows in them; return whether they could be merged."""
        try:
            self._merged = self._all_of(records)
        except RowError:
            return False
        return True

    @property
    def records(self) -> np.ndarray[Any, Any]:
        """The state of all rows so far, as one record."""
        if self._failure is not None:
            raise self._failure
        partitions = -(-(self._before + self._rows) // PARTITION_ROWS) - self._next * GROUP
        last = self._groups.get(self._next)
        merged = self._merged if last is None else self._all_of(last[:partitions])
        return self.state_layout.records(1) if merged is None else self.state_layout.copied(merged)

    def value(self) -> Any:
        """Return the state as it is now."""
        layout = self.state_layout
        state = layout.unpack(layout.portable(self.records)[0])
        if self._buffer is None:
            return state
        held = self._buffer.empty(self._buffer.whole(state))
        return layout.unpack(layout.portable(layout.pack(held))[0])[0]

    def _all_of(self, partitions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
        """Return what was merged before and some partitions, merged in order; None if there is nothing.

        The record is the only one of an array.
        """
        if self._merged is None and not len(partitions):
            return None
        first, rest = self._merged, partitions
        if first is None:
            first, rest = partitions[:1], partitions[1:]
        target = self.state_layout.copied(first)
        if self.state_layout.containers:
            rest = self.state_layout.copied(rest)  # `merge` may take them apart
        argument_buffer = _argument_buffer(target, rest, _NO_BITMAPS)
        done = len(rest) and self.merge.loop(nulls=False)(argument_buffer.buffer_info()[0], len(rest))
        if done:
            self._fail(target, rest[done - 1 : done])
        return target

    def _fail(self, one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> None:
        name = self._plugin.name

        def compiled() -> Exception:
            reason = Reason()
            argument_buffer = _argument_buffer(one, other, reason.arguments)
            self.merge.loop(nulls=True, records_errors=True)(argument_buffer.buffer_info()[0], 1)
            return reason.exception()

        layout = self.state_layout
        states = [layout.unpack(layout.portable(record)[0]) for record in (one, other)]
        cause = cause_of(plain(self._plugin.stateful.merge), states, compiled)
        raise RowError(problem="`merge` failed", plugin=name, cause=cause)


def _argument_buffer(
    one: np.ndarray[Any, Any], others: np.ndarray[Any, Any], last: tuple[int, ...]
) -> array[int]:
    """Return the arguments of a loop that merges states into one; ``last``: bitmaps, reason."""
    return array("q", [*StateColumn(one).at(0), *StateColumn(others).at(0), *last])
