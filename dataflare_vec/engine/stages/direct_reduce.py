"""A reduce over all rows at once: partitions are handed out by compiled code, and their states merged."""

from __future__ import annotations

from array import array
from time import perf_counter
from typing import TYPE_CHECKING

from dataflare_vec.arrow.columns import InputColumn
from dataflare_vec.compiler.native.partitions import compute_partitions
from dataflare_vec.engine.stages import partitioned
from dataflare_vec.engine.stages.direct import ALL_ROWS, SomeFailed, strides_of
from dataflare_vec.engine.state.store import OneState, StateColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import polars as pl

    from dataflare_vec.compiler.specialise import Prepared
    from dataflare_vec.engine.stages.direct import Times
    from dataflare_vec.engine.stages.partitioned import PartitionStates

#: Bytes that the states of partitions may take before they are merged, if that isn't less than one takes.
_MOST_BYTES = 1 << 24

_STATE_STRIDES = (0, 0, 0, 0)


class DirectReduce:
    """A reduce without keys, over rows of which no state goes before.

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

    Attributes
    ----------
    reads : sequence of str
        See above.
    """

    def __init__(
        self,
        prepared: Prepared,
        reads: Sequence[str],
        constants: Sequence[list[int] | None] | None,
        parameters: Callable[..., list[int]],
    ) -> None:
        self.reads = reads
        self._kernel, self._layouts = prepared.kernel, prepared.layouts
        self._parameters = parameters
        columns = strides_of((constants or [None] * (len(reads) + 1))[1:], prepared.layouts, ())
        self._strides = [*_STATE_STRIDES, *columns]

    @property
    def partition_rows(self) -> int:
        """Rows of each partition but the last one."""
        return partitioned.PARTITION_ROWS

    def compute(
        self, known: Mapping[str, pl.Series], rows: int, states: OneState | PartitionStates, threads: int
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
        columns = [
            InputColumn(known[name], layout) for name, layout in zip(self.reads, self._layouts, strict=True)
        ]
        if any(len(column.starts) > 1 for column in columns):
            return None
        nulls = any(column.has_nulls for column in columns)
        loop = self._kernel.loop(nulls=nulls)  # what has to be compiled is so now, not in the time
        began = perf_counter()
        if isinstance(states, OneState) or rows <= partitioned.PARTITION_ROWS:
            records = states.records if isinstance(states, OneState) else states.state_layout.records(1)
            words = self._words(records, columns, 0)
            if loop(words.buffer_info()[0], rows):
                raise SomeFailed
            if not isinstance(states, OneState):
                states.settle(records)
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
            words = self._words(records, columns, first)
            failed, mine = compute_partitions(address, place, words, self._strides, count, each, threads)
            if failed or not states.settle(records):
                raise SomeFailed
            own += mine
        elapsed = perf_counter() - began
        return rows, elapsed, elapsed * min(rows / max(own, 1), threads)

    def _words(self, records: np.ndarray, columns: Sequence[InputColumn], row: int) -> array[int]:
        state = (StateColumn(records), 0)
        words = self._parameters([state, *((column, 0) for column in columns)], row)
        return array("q", [*words, *ALL_ROWS])
