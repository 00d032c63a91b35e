"""A reduce that may be merged: a state for each partition of rows, and all of them merged in order."""

from __future__ import annotations

from array import array
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
    """The states of partitions.

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
        if given is not None and self._buffer is not None:
            given = self._buffer.empty(given)
        self._merged = None if given is None else as_record(plugin.name, state_layout, given)
        self._partitions = state_layout.records(1)
        self._offset = 0  # rows of the open partition before this run
        self._rows = 0

    def begin(self, rows: int) -> None:
        """Close what is full, and have a state for each partition of the next run."""
        total = self._offset + self._rows
        full, offset = divmod(total, PARTITION_ROWS)
        self._merged = self._all_of(self._partitions[:full])
        self._offset, self._rows = offset, rows
        partitions = self.state_layout.records(-(-(offset + rows) // PARTITION_ROWS) or 1)
        if offset:
            partitions[0] = self._partitions[full]
        self._partitions = partitions

    def parts(self, start: int, stop: int) -> Iterator[PartitionSlice]:
        """Cut rows at the borders of partitions."""
        while start < stop:
            partition = (start + self._offset) // PARTITION_ROWS
            first = max(partition * PARTITION_ROWS - self._offset, 0)
            end = min((partition + 1) * PARTITION_ROWS - self._offset, stop)
            yield PartitionSlice(partition, first, start, end)
            start = end

    def column(self, partition: int) -> StateColumn:
        """Return the state of a partition, for a loop."""
        return StateColumn(self._partitions[partition : partition + 1])

    @property
    def records(self) -> np.ndarray[Any, Any]:
        """The state of all rows so far, as one record."""
        total = self._offset + self._rows
        merged = self._all_of(self._partitions[: -(-total // PARTITION_ROWS)])
        records = self.state_layout.records(1)
        if merged is not None:
            records[0] = merged
        return records

    def value(self) -> Any:
        """Return the state as it is now."""
        state = self.state_layout.unpack(self.records[0])
        if self._buffer is None:
            return state
        held = self._buffer.empty(self._buffer.whole(state))
        return self.state_layout.unpack(self.state_layout.pack(held))[0]

    def _all_of(self, partitions: np.ndarray[Any, Any]) -> Any:
        """Return what was merged before and some partitions, merged in order; None if there is nothing."""
        if self._merged is None and not len(partitions):
            return None
        target, rest = self.state_layout.records(1), partitions
        if self._merged is None:
            target[0], rest = partitions[0], partitions[1:]
        else:
            target[0] = self._merged
        argument_buffer = _argument_buffer(target, rest, _NO_BITMAPS)
        done = len(rest) and self.merge.loop(nulls=False)(argument_buffer.buffer_info()[0], len(rest))
        if done:
            self._fail(target, rest[done - 1 : done])
        return target[0]

    def _fail(self, one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> None:
        name = self._plugin.name

        def compiled() -> Exception:
            reason = Reason()
            argument_buffer = _argument_buffer(one, other, reason.arguments)
            self.merge.loop(nulls=True, records_errors=True)(argument_buffer.buffer_info()[0], 1)
            return reason.exception()

        states = [self.state_layout.unpack(record[0]) for record in (one, other)]
        cause = cause_of(plain(self._plugin.stateful.merge), states, compiled)
        raise RowError(problem="`merge` failed", plugin=name, cause=cause)


def _argument_buffer(
    one: np.ndarray[Any, Any], others: np.ndarray[Any, Any], last: tuple[int, ...]
) -> array[int]:
    """Return the arguments of a loop that merges states into one; ``last``: bitmaps, reason."""
    return array("q", [*StateColumn(one).at(0), *StateColumn(others).at(0), *last])
