"""Reduces as a stage: many rows become one, or one for each key."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from dataflare_vec._util.suggestions import Argument, Phrase
from dataflare_vec.arrow.columns import Bitmap
from dataflare_vec.compiler.prepare import load_or_compile_part
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.compiler.specialise import output_fields
from dataflare_vec.compiler.state_functions import compile_finish, compile_merge, state_columns
from dataflare_vec.definition.binding import field_names, output_names
from dataflare_vec.definition.plugin import plain
from dataflare_vec.engine.stages.builders import allocate
from dataflare_vec.engine.stages.direct import DirectCall, SomeFailed
from dataflare_vec.engine.stages.direct_reduce import DirectReduce
from dataflare_vec.engine.stages.partitioned import PartitionStates
from dataflare_vec.engine.stages.protocols import Needs
from dataflare_vec.engine.stages.reasons import Reason, cause_of
from dataflare_vec.engine.stages.scan import ScanStage
from dataflare_vec.engine.state.expiring import ExpiringStates
from dataflare_vec.engine.state.store import KeyStates, StateColumn
from dataflare_vec.exceptions import OutputNameError, RowError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from dataflare_vec._typing import OnError
    from dataflare_vec.arrow.columns import ColumnBuilder
    from dataflare_vec.compiler.jit.codegen.loop_report import LoopReport
    from dataflare_vec.compiler.kernel import Kernel
    from dataflare_vec.compiler.specialise import OutputField, Prepared
    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.definition.state_layout import StateLayout
    from dataflare_vec.engine.stages.protocols import Chunk, StageReport
    from dataflare_vec.engine.stages.scan import StageExpiry
    from dataflare_vec.engine.state.store import StateStore
    from dataflare_vec.memory import MemoryPool

_NO_BITMAPS = (0, 0, 0, 0, 0)

#: Of so many states the results have memory of their own, and not of the pool.
_FEW_STATES = 1024


class ReduceStage(ScanStage):
    """A kernel that makes one state of many rows, and what is made of the state in the end.

    Without keys and with ``merge``, threads work on partitions of rows of a fixed size, each from the initial
    state on; the states of the partitions are merged in order. Where partitions begin depends on nothing but
    the rows, so the bits don't depend on chunks and threads.

    Attributes
    ----------
    schema : dict
        Names and dtypes of the one row, or of a row for each key.
    """

    def __init__(
        self,
        binding: Binding,
        prepared: Prepared,
        reads: Sequence[str],
        *,
        by: Mapping[str, Any],
        keys: Sequence[str],
        dtypes: Mapping[str, Any],
        output: Any,
        expiry: StageExpiry | None = None,
    ) -> None:
        super().__init__(binding, prepared, reads, {}, in_result=True, by=by, keys=keys, expiry=expiry)
        stateful = binding.plugin.stateful
        assert stateful is not None
        self._merge = None
        if stateful.merge is not None and not by:
            self._merge = _compiled_merge(binding.plugin, prepared)
            self.is_sequential = False
        self._result: _Result = (
            _State(binding.plugin, self.state_layout, dtypes)
            if stateful.finish is None
            else _Finished(binding.plugin, prepared, dtypes)
        )
        fields, count = self._result.fields, len(self._result.dtypes)
        self._names = output_names(binding.plugin, fields, count, output, ())
        for name in self._names:
            if name in by:
                raise OutputNameError(
                    Phrase(Argument("by"), f" already has a column `{name}`"),
                    plugin=binding.plugin.name,
                    column=name,
                    hint=Phrase("rename the output with ", Argument("output", "…")),
                )
        self.schema = {**by, **dict(zip(self._names, self._result.dtypes, strict=True))}

    def direct(self) -> None:
        """Return nothing: it makes no columns; see `direct_reduce`."""
        return

    def direct_reduce(self) -> DirectReduce | None:
        """Return what computes all rows at once."""
        if self.kernel.has_general_variant or self.expiry is not None:
            return None
        prepared, places = self.prepared._replace(kernel=self.kernel), (self.keys, self.state_name)
        return DirectReduce(prepared, self.reads, self._constants, self._parameters, *places)

    def open_state(self, given: Any) -> StateStore:
        """Return the state before the first row: a given one, or the initial one."""
        if self._merge is None:
            return super().open_state(given)
        return PartitionStates(self.binding.plugin, self.state_layout, self._merge, given)

    def needs(self, rows: int) -> Needs:
        """Return that nothing is known: what it takes is for keys."""
        return Needs(None, 0)

    def adopt(self, states: StateStore) -> None:
        """Go on with states, and from now on merge them with the ``merge`` of now."""
        super().adopt(states)
        if isinstance(states, PartitionStates):
            states.merge = self._merge

    def run(self, chunk: Chunk) -> None:
        """Compute the chunk's rows."""
        states = chunk.run.states[self.state_name]
        if not isinstance(states, PartitionStates):
            super().run(chunk)
            return
        run, placement = chunk.run, self.place(chunk)
        head, *others = states.parts(chunk.start, chunk.stop)
        # A partition that begins in an earlier chunk comes last: until then its first part may be done.
        for part in (head, *others) if head.is_whole else (*others, head):
            column = states.column(part.partition)
            if part.is_whole:
                self.fold(run, placement, column, part.start, part.stop)
            else:
                with run.sequencer.turn((self.index, part.partition), part.start, part.stop, part.first):
                    self.fold(run, placement, column, part.start, part.stop)
            states.done(part)

    def report(self, *, nulls: bool) -> StageReport:
        """Return what became of its loop, which by blocks does no more than to put rows there."""
        report, stateful = super().report(nulls=nulls), self.binding.plugin.stateful
        if stateful is None or stateful.buffer is None:
            return report
        reasons = ("rows go through `block` many at a time, whose own loops may be vector code",)
        return report._replace(loop=replace(cast("LoopReport", report.loop), reasons=reasons))

    def _take_apart(self, result: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return the next state; there is no value."""
        return (result if isinstance(self.state_layout.init, tuple) else result[0]), ()

    def result(
        self, carried: Mapping[str, StateStore], pool: MemoryPool, on_error: OnError
    ) -> list[pl.Series]:
        """Return the columns of the one row, or of a row for each key, by the state among those carried.

        Raises
        ------
        RowError
            If ``finish`` fails, under ``on_error="raise"``.
        """
        states = carried[self.state_name]
        self.adopt(states)
        if isinstance(states, KeyStates):
            return self._of_keys(*states.shown(), pool, on_error)
        columns = self._result.columns(states.records, pool, on_error, None)  # type: ignore[attr-defined]
        return [series.alias(name) for series, name in zip(columns, self._names, strict=True)]

    def ended(
        self, carried: Mapping[str, StateStore], pool: MemoryPool, on_error: OnError
    ) -> list[pl.Series] | None:
        """Return the rows of keys that have expired since the last call; None if there are none.

        Raises
        ------
        RowError
            As in `result`.
        """
        states = carried[self.state_name]
        found = states.pop_ended() if isinstance(states, ExpiringStates) else None
        return None if found is None else self._of_keys(*found, pool, on_error)

    def _of_keys(
        self, keys: pl.DataFrame, records: np.ndarray[Any, Any], pool: MemoryPool, on_error: OnError
    ) -> list[pl.Series]:
        columns = self._result.columns(records, pool, on_error, keys)
        named = [series.alias(name) for series, name in zip(columns, self._names, strict=True)]
        return [*keys.get_columns(), *named]


class _Result(ABC):
    """What comes of a state: names of fields (None for one value) and dtypes."""

    fields: Sequence[str] | None
    dtypes: Sequence[Any]

    @abstractmethod
    def columns(
        self, records: np.ndarray[Any, Any], pool: MemoryPool, on_error: OnError, keys: pl.DataFrame | None
    ) -> list[pl.Series]:
        """Return the columns that records come to."""


class _State(_Result):
    """The state itself."""

    def __init__(self, plugin: Any, state_layout: StateLayout, dtypes: Mapping[str, Any]) -> None:
        self._state_layout = state_layout
        self.fields, self.dtypes = state_columns(plugin, state_layout, dtypes)

    def columns(
        self, records: np.ndarray[Any, Any], pool: MemoryPool, on_error: OnError, keys: pl.DataFrame | None
    ) -> list[pl.Series]:
        records = self._state_layout.portable(records)
        columns = [self._state_layout.series(leaf, records) for leaf in self._state_layout.leaves]
        return [series.cast(dtype) for series, dtype in zip(columns, self.dtypes, strict=True)]


class _Finished(_Result):
    """What ``finish`` makes of the state."""

    def __init__(self, plugin: Any, prepared: Prepared, dtypes: Mapping[str, Any]) -> None:
        self._plugin = plugin
        assert prepared.state_layout is not None
        self._state_layout = prepared.state_layout
        self._kernel, fields, self._outputs, is_tuple = _compiled_finish(plugin, prepared, dict(dtypes))
        self.fields = field_names(plugin, fields, len(self._outputs), is_tuple=is_tuple)
        self.dtypes = [field.shown for field in self._outputs]
        prepared = prepared._replace(kernel=self._kernel, layouts=(), outputs=self._outputs)
        names = dict.fromkeys(map(str, range(len(self._outputs))))  # they get others later
        self._direct = DirectCall(
            prepared, (), names, [[0, 0, 0, 0]], _no_parameters, _allocate(self._outputs)
        )

    def columns(
        self, records: np.ndarray[Any, Any], pool: MemoryPool, on_error: OnError, keys: pl.DataFrame | None
    ) -> list[pl.Series]:
        count = len(records)
        if self._state_layout.containers:
            records = self._state_layout.copied(records)  # it may take them apart
        state = StateColumn(records)
        if 0 < count <= _FEW_STATES and not self._direct.needs_pool(count):
            with suppress(SomeFailed):
                computed = self._direct.compute({}, count, None, None, state.at(0))
                if computed is not None:
                    return computed[0]
        with pool.claim(None) as memory:
            targets = allocate(self._outputs, memory, count, nulls=False)
            argument_buffer = self._argument_buffer(state, targets, _NO_BITMAPS)
            if count and self._kernel.loop(nulls=False)(argument_buffer.buffer_info()[0], count):
                self._record_errors(records, targets, memory, on_error, keys)
            for target in targets:
                target.check()
            return [target.to_series("") for target in targets]

    def _record_errors(
        self,
        records: np.ndarray[Any, Any],
        targets: Sequence[ColumnBuilder],
        pool: MemoryPool,
        on_error: OnError,
        keys: pl.DataFrame | None,
    ) -> None:
        count = len(records)
        selected, failed = Bitmap(pool, count, ones=True), Bitmap(pool, count, ones=False)
        for target in targets:
            target.need_validity()
        argument_buffer = self._argument_buffer(
            StateColumn(records), targets, (selected.address, 0, failed.address, 0, 0)
        )
        self._kernel.loop(nulls=True, records_errors=True)(argument_buffer.buffer_info()[0], count)
        which = failed.slice(0, count).arg_true()
        if on_error != "raise" or not len(which):
            return
        first = int(which[0])
        state = self._state_layout.unpack(self._state_layout.portable(records[first : first + 1])[0])
        where = f" for key {keys.row(first)}" if keys is not None else ""

        def compiled() -> Exception:
            reason = Reason()
            argument_buffer = self._argument_buffer(
                StateColumn(records[first : first + 1]), targets, reason.arguments
            )
            self._kernel.loop(nulls=True, records_errors=True)(argument_buffer.buffer_info()[0], 1)
            return reason.exception(self.dtypes)

        cause = cause_of(plain(self._plugin.stateful.finish), [state], compiled)
        raise RowError(
            problem=f"`finish` failed on {len(which)} of {count} states, the first{where}",
            plugin=self._plugin.name,
            count=len(which),
            cause=cause,
            hint=Phrase("pass ", Argument("on_error", "null"), " to have null for them"),
        )

    def _argument_buffer(
        self,
        state: StateColumn,
        targets: Sequence[ColumnBuilder],
        last: tuple[int, ...],  # bitmaps, and the address of the reason
    ) -> array[int]:
        arguments = list(state.at(0))
        for target in targets:
            arguments += target.for_writing(0)
        return array("q", [*arguments, *last])


def _no_parameters(columns: Sequence[Any], row: int) -> list[int]:
    return []


def _allocate(outputs: Sequence[OutputField]) -> Callable[..., list[ColumnBuilder]]:
    return lambda pool, rows, *, nulls: allocate(outputs, pool, rows, nulls=nulls)


def _compiled_finish(
    plugin: Any, prepared: Prepared, dtypes: dict[str, Any]
) -> tuple[Kernel, tuple[str, ...] | None, tuple[OutputField, ...], bool]:
    """Return the kernel, names of its fields, its outputs, and whether it returns a tuple."""
    key = ("finish", prepared.kernel, *dtypes.values())
    kernels = remembered(plugin).derived.kernels
    if key not in kernels:

        def compile_() -> tuple[Any, tuple[Any, ...]]:
            kernel = compile_finish(plugin, prepared.kernel.compiled.state_type, dtypes)
            return kernel, (kernel.field_names, output_fields(kernel), kernel.returns_tuple)

        kernel, known = load_or_compile_part(plugin, prepared, "finish", compile_)
        kernels[key] = kernel, *known
    return kernels[key]  # type: ignore[no-any-return]


def _compiled_merge(plugin: Any, prepared: Prepared) -> Kernel:
    key = ("merge", prepared.kernel)
    kernels = remembered(plugin).derived.kernels
    if key not in kernels:

        def compile_() -> tuple[Any, tuple[Any, ...]]:
            return compile_merge(plugin, prepared.kernel.compiled.state_type), ()

        kernels[key], _ = load_or_compile_part(plugin, prepared, "merge", compile_)
    return kernels[key]  # type: ignore[no-any-return]
