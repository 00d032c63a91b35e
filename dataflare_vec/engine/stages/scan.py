"""Scans as a stage: row kernels that carry a state from row to row, chunk after chunk."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import polars as pl

from dataflare_vec.definition.interpreter import call_rows
from dataflare_vec.definition.plugin import Form
from dataflare_vec.engine.stages.direct import DirectCall
from dataflare_vec.engine.stages.direct_scan import DirectScan
from dataflare_vec.engine.stages.failures import physical_rows
from dataflare_vec.engine.stages.row import RowStage, pieces
from dataflare_vec.engine.state.expiring import ExpiringStates, Limit
from dataflare_vec.engine.state.keys import check_key_types
from dataflare_vec.engine.state.store import KeyStates, OneState, StateColumn
from dataflare_vec.exceptions import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dataflare_vec.compiler.cache.cached import CachedKernel
    from dataflare_vec.compiler.jit.codegen.loop_report import LoopReport
    from dataflare_vec.compiler.jit.codegen.scans import FoldKernel
    from dataflare_vec.compiler.specialise import Prepared
    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.definition.state_layout import StateLayout
    from dataflare_vec.engine.stages.protocols import (
        Chunk,
        Fusable,
        Placed,
        Placement,
        StageReport,
        Surroundings,
    )
    from dataflare_vec.engine.state.store import StateStore

#: Name of the state in a sample of failed rows, as its pickled record; no parameter can be called so.
STATE = "state before the row"


class StageExpiry(NamedTuple):
    """After what states of keys expire, and the column of times; None if rows are counted."""

    column: str | None
    limit: Limit


class ScanStage(RowStage):
    """A kernel that carries a state, one for all rows or one for each key.

    Rows go through it in order. With keys there are two turns, finding the codes of a chunk and the loop over
    it, so that two threads find codes for one chunk while the loop runs over another.

    Attributes
    ----------
    by : dict
        Names and dtypes of the keys; empty for one state.
    keys : sequence of str
        The columns that hold them.
    expiry : StageExpiry or None
        After what their states expire, if they do. Then both is done in one turn, as finding a row's state
        depends on the rows before it.
    """

    def __init__(
        self,
        binding: Binding,
        prepared: Prepared,
        reads: Sequence[str],
        writes: Mapping[str, Any],
        *,
        in_result: bool,
        by: Mapping[str, Any],
        keys: Sequence[str],
        expiry: StageExpiry | None = None,
    ) -> None:
        super().__init__(binding, prepared, reads, writes, in_result=in_result)
        check_key_types(binding.plugin.name, by)
        self.by = by
        self.keys = keys
        self.expiry = expiry
        self.is_sequential = not by or expiry is not None
        assert prepared.state_layout is not None
        self.state_layout: StateLayout = prepared.state_layout
        kernel = cast("FoldKernel | CachedKernel", prepared.kernel)
        self.kernel = kernel.by_key if by else kernel
        if self._constants is not None:
            self._constants = [None, *self._constants]

    def open_state(self, given: Any) -> StateStore:
        """Return the state before the first row: a given one, or the initial one.

        Raises
        ------
        StateError
            If the given one doesn't fit.
        """
        name = self.binding.plugin.name
        if self.expiry is not None:
            keeps = self.binding.plugin.form is Form.REDUCE
            return ExpiringStates(
                name, self.state_layout, self.by, given, self.expiry.limit, keeps_ended=keeps
            )
        if self.by:
            return KeyStates(name, self.state_layout, self.by, given)
        return OneState(name, self.state_layout, given)

    def take_up(self, states: Mapping[str, StateStore], rows: int) -> None:
        """Go on with the state that is its own among ``states``, for a run of some rows.

        Raises
        ------
        StateError
            If it lies in memory as this kernel can't read it.
        """
        self.adopt(states[self.state_name])
        states[self.state_name].begin(rows)

    def adopt(self, states: StateStore) -> None:
        """Look whether it can go on with states that an earlier plan may have opened; see `take_up`."""
        if states.state_layout != self.state_layout:
            raise StateError(
                problem="a value it captures has changed since its state was created, and with it the "
                f"state's type: it was {states.state_layout.dtype}, now it is {self.state_layout.dtype}",
                plugin=self.binding.plugin.name,
                expected=str(self.state_layout.dtype),
                got=states.state_layout.dtype,
                hint="start with a new state",
            )

    def run(self, chunk: Chunk) -> None:
        """Compute the chunk's rows."""
        run, start, stop = chunk.run, chunk.start, chunk.stop
        states = run.states[self.state_name]
        columns = [chunk.series(name) for name in self.keys]  # one of them may be replaced
        placement = self.place(chunk)
        if isinstance(states, OneState):
            with run.sequencer.turn(self.index, start, stop):
                self.fold(run, placement, StateColumn(states.records), start, stop)
            return
        assert isinstance(states, KeyStates)
        if isinstance(states, ExpiringStates):
            assert self.expiry is not None
            times = None if self.expiry.column is None else chunk.series(self.expiry.column)
            with run.sequencer.turn(self.index, start, stop):
                codes, count = states.sessions(columns, times, chunk.selection(self))
                self.fold(run, placement, StateColumn(states.have(count), codes, start), start, stop)
                states.sweep()
            return
        with run.sequencer.turn((self.index, "keys"), start, stop):
            codes, count = states.encode(columns, chunk.selection(self))
        with run.sequencer.turn(self.index, start, stop):
            self.fold(run, placement, StateColumn(states.have(count), codes, start), start, stop)

    def fusable(self) -> Fusable | None:
        """Return nothing: a chunk has to wait for the one before it."""
        return None

    def direct(self) -> DirectScan | None:
        """Return what calls its loop once for all rows, if nothing but a row that fails stops it."""
        if self.kernel.has_general_variant or self.expiry is not None:
            return None
        prepared = self.prepared._replace(kernel=self.kernel)
        columns = (self._constants or [None] * (len(self.reads) + 1))[1:]
        constants = [[0, 0, 0, 0], *columns]
        call = DirectCall(prepared, self.reads, self.writes, constants, self._parameters, self.allocate)
        if not call.borrows or call.makes_texts:  # for which there may turn out to be too little room
            return None
        return DirectScan(call, self.keys, self.state_name)

    def report(self, *, nulls: bool) -> StageReport:
        """Return what became of its loop, which the state keeps from being vector code."""
        report = super().report(nulls=nulls)
        reasons = ("each row needs the state that the one before it has left",)
        loop = replace(cast("LoopReport", report.loop), reasons=reasons, remarks=(), branches_on_null=True)
        return report._replace(loop=loop)

    def fold(
        self, run: Surroundings, placement: Placement, state: StateColumn, start: int, stop: int
    ) -> None:
        """Run the loop over some rows, with their state."""
        placement = placement._replace(columns=[(cast("Any", state), 0), *placement.columns])
        loop = self.kernel.loop(nulls=placement.nulls)
        failures = run.failures[self.index]
        # A state that owns memory is computed in its place, and a row that fails leaves it as it was.
        runs_again = state.is_one and self.state_layout.has_arrays and not self.state_layout.owned
        for first, last in pieces(placement.columns, start, stop):
            row = first
            while row < last and failures.count < failures.limit:
                argument_buffer = self.argument_buffer(placement, row, run.selection_arguments(row))
                before = state.copy() if runs_again else None
                stopped = loop(argument_buffer.buffer_info()[0], last - row)
                placement.check()
                if not stopped:
                    row = last
                    break
                if before is not None:
                    state.restore(before)  # the loop has left it as it was some rows before
                    loop(argument_buffer.buffer_info()[0], stopped - 1)
                # This row alone in the error-recording loop: then the state is still the one that it saw.
                row += stopped
                self._record_errors(run, placement, row - 1, row)
            if row < last:
                self._record_errors(run, placement, row, last)

    def inputs(self, placement: Placement, first: int, last: int, within: pl.Series) -> list[pl.Series]:
        """Return what the kernel read for some of the rows from ``first`` to ``last``, with the state."""
        (first_column, _), *columns = placement.columns
        state = cast("StateColumn", first_column)
        records = self.state_layout.portable(state.taken(first + i for i in within))
        kept = [pickle.dumps(records[i : i + 1]) for i in range(len(records))]
        states = pl.Series(STATE, kept, dtype=pl.Binary)
        return [states, *super().inputs(placement._replace(columns=columns), first, last, within)]

    def replay(self, inputs: pl.DataFrame) -> Iterator[tuple[Any, ...] | Exception]:
        """Yield what the plain Python function makes of such rows, one for each."""
        states = [self.state_layout.unpack(record) for record in self._records(inputs)]
        inputs = inputs.drop(STATE)
        for before, result in zip(
            states, call_rows(self.binding, physical_rows(inputs), inputs.dtypes, states), strict=True
        ):
            if isinstance(result, Exception):
                yield result
                continue
            state, value = self._take_apart(result)
            try:
                self.state_layout.pack(state)
                self.state_layout.check_places(before, state)
            except ValueError as error:
                yield ValueError(f"the next state isn't like the one before: {error}")
            else:
                yield value if isinstance(value, tuple) else (value,)

    def _placed(self, inputs: pl.DataFrame) -> list[Placed]:
        """Return a row of a sample as a loop reads it: its state, and what it read."""
        records = self.state_layout.own(self._records(inputs))  # the loop writes to it
        state = StateColumn(records, np.zeros(1, np.int32))
        return [(cast("Any", state), 0), *super()._placed(inputs.drop(STATE))]

    def _take_apart(self, result: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return the next state and the value of what the plain function has returned."""
        return result[0], result[1]

    def shown(self, inputs: pl.DataFrame) -> pl.DataFrame:
        """Return such rows as they are shown to the user: with the state under its parameter's name."""
        stateful = self.binding.plugin.stateful
        assert stateful is not None
        records = self._records(inputs)
        columns = [self.state_layout.series(leaf, records) for leaf in self.state_layout.leaves]
        single = len(columns) == 1 and not isinstance(self.state_layout.init, tuple)
        state = columns[0] if single else pl.DataFrame(columns).to_struct()
        return pl.DataFrame([state.alias(stateful.parameter), *inputs.drop(STATE).get_columns()])

    def _records(self, inputs: pl.DataFrame) -> np.ndarray[Any, Any]:
        """Return the portable records of a sample, which this process has put there."""
        return np.concatenate([pickle.loads(one) for one in inputs[STATE]])
