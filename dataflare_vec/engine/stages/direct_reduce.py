"""A reduce over all rows at once: one call of its loop, or partitions that compiled code hands out."""

from __future__ import annotations

from array import array
from time import perf_counter
from typing import TYPE_CHECKING, Any

from dataflare_vec.arrow.columns import InputColumn
from dataflare_vec.compiler.native.partitions import compute_partitions
from dataflare_vec.engine.stages import partitioned
from dataflare_vec.engine.stages.direct import ALL_ROWS, DirectCall, SomeFailed, strides_of
from dataflare_vec.engine.stages.direct_scan import column_of
from dataflare_vec.engine.stages.partitioned import PartitionStates
from dataflare_vec.engine.state.store import StateColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl

    from dataflare_vec.arrow.columns import ColumnBuilder
    from dataflare_vec.compiler.specialise import Prepared
    from dataflare_vec.engine.stages.direct import Times
    from dataflare_vec.engine.state.store import StateStore
    from dataflare_vec.memory import MemoryPool

#: Bytes that the states of partitions may take before they are merged, if that isn't less than one takes.
_MOST_BYTES = 1 << 24

_STATE_STRIDES = (0, 0, 0, 0)


class DirectReduce:
    """A reduce over rows of which no state goes before.

    Parameters
    ----------
    prepared
        The kernel.
    reads
        The columns, as of its stage.
    constants
        For each parameter, the state first, the arguments of a constant, or None for a column; None if there
        is no constant.
    parameters
        Returns the arguments of the state, of columns and constants.
    keys
        The columns that hold the keys; none for one state.
    state_name
        What its state is called in the plan.

    Attributes
    ----------
    reads, keys, state_name
        See above; what is read has the keys, too.
    """

    def __init__(
        self,
        prepared: Prepared,
        reads: Sequence[str],
        constants: Sequence[list[int] | None] | None,
        parameters: Callable[..., list[int]],
        keys: Sequence[str],
        state_name: str,
    ) -> None:
        self.reads, self.keys, self.state_name = [*reads, *keys], keys, state_name
        self._columns = reads
        self._kernel, self._layouts = prepared.kernel, prepared.layouts
        self._parameters = parameters
        given = (constants or [None] * (len(reads) + 1))[1:]
        self._strides = [*_STATE_STRIDES, *strides_of(given, prepared.layouts, ())]
        # Of few rows compiled code finds the columns, if it can, and makes none.
        call = DirectCall(
            prepared._replace(outputs=()), reads, {}, [[0] * 4, *given], parameters, _none, is_filter=False
        )
        self._call = call if call.borrows else None

    @property
    def partition_rows(self) -> int:
        """Rows of each partition but the last one."""
        return partitioned.PARTITION_ROWS

    def compute(
        self, known: Mapping[str, pl.Series], rows: int, states: StateStore, threads: int
    ) -> Times | None:
        """Have states hold that of all rows; return what it took, or None if a column is of several pieces.

        Parameters
        ----------
        known
            The columns that it reads, at least, by name.
        rows, threads
            How many there are, and may be.
        states
            Those of the stage, before the first row.

        Raises
        ------
        SomeFailed
            If some row did, or states couldn't be merged.
        """
        is_cut = isinstance(states, PartitionStates) and rows > partitioned.PARTITION_ROWS
        if self._call is not None and not is_cut:
            times = self._compute_all(self._call, known, rows, states)
            if times is not None:
                return times
        columns = [
            InputColumn(known[name], layout)
            for name, layout in zip(self._columns, self._layouts, strict=True)
        ]
        if any(len(column.starts) > 1 for column in columns):
            return None
        nulls = any(column.has_nulls for column in columns)
        loop = self._kernel.loop(nulls=nulls)  # what has to be compiled is so now, not in the time
        began = perf_counter()
        if not isinstance(states, PartitionStates) or rows <= partitioned.PARTITION_ROWS:
            state, owner = self._state_of(states, known)
            words = self._words(state, columns, 0)
            if loop(words.buffer_info()[0], rows):
                raise SomeFailed
            if isinstance(states, PartitionStates):
                states.settle(owner)
            elapsed = perf_counter() - began
            return rows, elapsed, elapsed
        address = self._kernel.address(nulls=nulls)
        own = 0
        each = partitioned.PARTITION_ROWS
        at_once = max(_MOST_BYTES // states.state_layout.size, 1) * each
        for first in range(0, rows, at_once):
            count = min(rows - first, at_once)
            records = states.state_layout.records(-(-count // each))
            place = (records.ctypes.data, records.itemsize)
            words = self._words(StateColumn(records), columns, first)
            failed, mine = compute_partitions(address, place, words, self._strides, count, each, threads)
            if failed or not states.settle(records):
                raise SomeFailed
            own += mine
        elapsed = perf_counter() - began
        return rows, elapsed, elapsed * min(rows / max(own, 1), threads)

    def _compute_all(
        self, call: DirectCall, known: Mapping[str, pl.Series], rows: int, states: StateStore
    ) -> Times | None:
        """Return what it took to have states hold that of all rows, by one call of the loop."""
        state, owner = self._state_of(states, known)
        computed = call.compute(known, rows, None, None, state.at(0))
        if computed is None:
            return None
        if isinstance(states, PartitionStates):
            states.settle(owner)
        return computed[1][0]

    def _state_of(self, states: StateStore, known: Mapping[str, pl.Series]) -> tuple[StateColumn, Any]:
        """Return the state of each row, and the record of a partition, which ``states`` don't have yet."""
        if isinstance(states, PartitionStates):
            records = states.state_layout.records(1)
            return StateColumn(records), records
        return column_of(states, self.keys, known), None

    def _words(self, state: StateColumn, columns: Sequence[InputColumn], row: int) -> array[int]:
        words = self._parameters([(state, 0), *((column, 0) for column in columns)], row)
        return array("q", [*words, *ALL_ROWS])


def _none(pool: MemoryPool, rows: int, *, nulls: bool) -> list[ColumnBuilder]:
    return []
