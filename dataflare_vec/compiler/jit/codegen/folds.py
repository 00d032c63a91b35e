"""Loops that carry a state from row to row.

The loop of rows is a row kernel's, with three differences. The kernel's first argument is the state: a
record in memory, one for all rows (then it lives in registers while the loop runs) or one for each key, found
by the row's code. A kernel changes the arrays of its record in place. A row that isn't computed, or that
raises, leaves its record as it was. And since what a row has done to the state can't be done twice, a loop
that doesn't record errors stops at the first row that raises, and says where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import fix_returning_optional

from dataflare_vec.compiler.jit.abi.arguments import Input
from dataflare_vec.compiler.jit.codegen.hints import copy_in_line
from dataflare_vec.compiler.jit.codegen.rows import VALID, KernelCode, RowLoopBuilder
from dataflare_vec.compiler.jit.codegen.vector_width import prefer_512_bits
from dataflare_vec.compiler.jit.lowering.records import (
    StateType,
    fetch_items,
    fetch_record,
    has_containers,
    has_room,
    load,
    store,
    undo,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.kernel import LoopVariant

_I64 = ir.IntType(64)

#: So many rows ahead memory of containers is fetched, which lies anywhere: a miss takes as long as some rows.
_RECORD_AHEAD, _ITEMS_AHEAD = 16, 8


@dataclass(frozen=True)
class StateInput(Input):
    """A parameter that is a state."""

    @property
    def kernel_type(self) -> types.Type:
        """The state itself."""
        return self.type.inner


@dataclass(frozen=True)
class FoldCode(KernelCode):
    """A kernel whose first argument, and first or only result, is a state."""

    keyed: bool = False
    gives_values: bool = True  # a scan; a reduce returns its state and nothing else
    may_fail: bool = True  # it raises, returns another array than its state's, or a value that may not fit
    buffers: bool = False  # its state holds the rows of a block

    @property
    def stops(self) -> bool:
        """Yes: what a row has done to the state can't be done twice."""
        return True

    def row_loop_builder(self, variant: LoopVariant) -> RowLoopBuilder:
        """Return what writes the loop over rows."""
        return (BlockLoopBuilder if self.buffers else FoldLoopBuilder)(self, variant)


class FoldLoopBuilder(RowLoopBuilder):
    """Writes a loop that carries a state."""

    code: FoldCode

    def __init__(self, code: FoldCode, variant: LoopVariant) -> None:
        super().__init__(code, variant)
        self.counter = _I64
        self.state_type: StateType = self.inputs[0].type

    def _rows(self, base: ir.Value, count: ir.Value) -> None:
        """Write the loop, and its return.

        An error-recording loop returns how many rows raised. Another one returns 1 more than the number of
        rows before the first that raised, or 0. Where the one state has arrays, which that row may have
        changed, it is then as it was before these rows.
        """
        builder = self.builder
        size = _I64(self.state_type.state_layout.size)
        record = self._columns[0].values
        if not self.code.keyed and self.state_type.state_layout.owned:
            self._local = record  # what it owns is the record's, whenever the loop stops
        elif not self.code.keyed:
            # Memory that nobody else can see becomes registers.
            self._local = builder.alloca(ir.IntType(8), size)
            self._local.align = 16
            cgutils.raw_memcpy(builder, self._local, record, size, 1, align=8)

        def give_back() -> None:
            if not self.code.keyed and self._local is not record:
                cgutils.raw_memcpy(builder, record, self._local, size, 1, align=8)

        failed = cgutils.alloca_once_value(builder, _I64(0))

        def row(within: ir.Value) -> None:
            self._row(builder.add(base, within), within, failed)
            if not self.variant.records_errors:
                raised = builder.icmp_unsigned("!=", builder.load(failed), _I64(0))
                with builder.if_then(raised, likely=False):
                    if not self.state_type.state_layout.has_arrays:
                        give_back()
                    builder.ret(builder.add(within, _I64(1)))

        self._count = count
        self._each(base, count, row)
        give_back()
        builder.ret(builder.load(failed))

    def _each(self, base: ir.Value, count: ir.Value, row: Callable[[ir.Value], None]) -> None:
        """Write the loop: ``row`` writes what is done in one."""
        with cgutils.for_range(self.builder, count, intp=_I64) as loop:
            row(loop.index)

    def _load(self, i: int, row: ir.Value, within: ir.Value) -> tuple[ir.Value, ir.Value | None]:
        if i:
            return super()._load(i, row, within)
        # The address: what lies there is read only for rows that are computed.
        if not self.code.keyed:
            return self._local, None
        if has_containers(self.state_type):
            for ahead, fetch in ((_RECORD_AHEAD, fetch_record), (_ITEMS_AHEAD, fetch_items)):
                fetch(self.builder, self.state_type, self._record(self._ahead(row, within, ahead)))
        return self._record(row), None

    def _record(self, row: ir.Value) -> ir.Value:
        """Return where the record of a row's key is."""
        builder, state = self.builder, self._columns[0]
        code = builder.sext(builder.load(builder.gep(state.extra, [row])), _I64)
        return builder.gep(state.values, [builder.mul(code, _I64(self.state_type.state_layout.size))])

    def _ahead(self, row: ir.Value, within: ir.Value, rows: int) -> ir.Value:
        """Return the row that is some rows further on; the same one if there is none."""
        builder, distance = self.builder, _I64(rows)
        is_there = builder.icmp_signed("<", builder.add(within, distance), self._count)
        return builder.add(row, builder.select(is_there, distance, _I64(0)))

    def _call_kernel(
        self,
        arguments: list[ir.Value],
        slots: list[ir.Value],
        present: list[ir.Value],
        error: ir.Value,
    ) -> None:
        builder, context = self.builder, self.context
        record, *rest = arguments
        backup = self._backup(record) if self._must_restore else None
        state = load(context, builder, self.state_type, record, in_place=True)
        function = context.declare_function(builder.module, self.code.fndesc)
        status, result = context.call_conv.call_function(
            builder,
            function,
            self.signature.return_type,
            self.signature.args,
            [state, *rest],
            attrs=("alwaysinline",),
        )
        result = fix_returning_optional(context, builder, self.signature, status, result)
        self._note(status, error)
        with builder.if_then(status.is_ok):
            state, state_type = result, self.signature.return_type
            if self.code.gives_values:
                state, value = cgutils.unpack_tuple(builder, result, 2)
                state_type, value_type = state_type
                self._store_result(value, value_type, slots, present, error)
            right = has_room(context, builder, self.state_type, record, state, state_type)
            wrong = builder.zext(builder.not_(right), ir.IntType(8))
            builder.store(builder.or_(builder.load(error), wrong), error)
            fine = builder.icmp_unsigned("==", builder.load(error), ir.IntType(8)(0))
            with builder.if_then(fine):
                store(context, builder, self.state_type, record, state, state_type)
            context.nrt.decref(builder, state_type, state)
        if has_containers(self.state_type):
            wrong = builder.icmp_unsigned("!=", builder.load(error), ir.IntType(8)(0))
            with builder.if_then(wrong, likely=False):
                undo(builder, self.state_type, record)
        if backup is not None:
            wrong = builder.icmp_unsigned("!=", builder.load(error), ir.IntType(8)(0))
            with builder.if_then(wrong, likely=False):
                self._copy_record(record, backup)

    @property
    def _must_restore(self) -> bool:
        """Whether the kernel may change an array and then raise, and the loop goes on with the state."""
        owns = bool(self.state_type.state_layout.owned)
        goes_on = self.code.keyed or self.variant.records_errors or owns
        return self.state_type.state_layout.has_arrays and self.code.may_fail and goes_on

    def _backup(self, record: ir.Value) -> ir.Value:
        """Return a copy of a record."""
        state_layout = self.state_type.state_layout
        with self.builder.goto_entry_block():
            backup = self.builder.alloca(ir.IntType(8), _I64(state_layout.size))
            backup.align = 32
        self._copy_record(backup, record)
        return backup

    def _copy_record(self, target: ir.Value, source: ir.Value) -> None:
        cgutils.raw_memcpy(self.builder, target, source, _I64(self.state_type.state_layout.size), 1, align=8)


class BlockLoopBuilder(FoldLoopBuilder):
    """Writes a loop whose state holds the rows of a block: all but a block's last one are just put there."""

    def _each(self, base: ir.Value, count: ir.Value, row: Callable[[ir.Value], None]) -> None:
        if self.variant.records_errors:
            super()._each(base, count, row)
            return
        builder = self.builder
        copy_in_line(builder.function)
        prefer_512_bits(builder.function)
        done = cgutils.alloca_once_value(builder, _I64(0))
        head, body, end = (builder.append_basic_block(f"blocks.{name}") for name in ("head", "body", "end"))
        builder.branch(head)
        with builder.goto_block(head):
            builder.cbranch(builder.icmp_signed("<", builder.load(done), count), body, end)
        builder.position_at_end(body)
        next_row = self._fill(base, builder.load(done), count)
        builder.store(next_row, done)
        with builder.if_then(builder.icmp_signed("<", next_row, count)):
            row(next_row)
            builder.store(builder.add(next_row, _I64(1)), done)
        builder.branch(head)
        builder.position_at_end(end)

    def _fill(self, base: ir.Value, row: ir.Value, count: ir.Value) -> ir.Value:
        """Put rows into the block as long as it isn't full with one more; return the row after them."""
        builder = self.builder
        leaves = self.state_type.state_layout.leaves[-len(self.inputs) :]  # the count, and the columns'
        counter, *arrays = [builder.gep(self._local, [_I64(leaf.offset)]) for leaf in leaves]
        counter = builder.bitcast(counter, _I64.as_pointer())
        held, left = builder.load(counter), builder.sub(count, row)
        room = builder.sub(_I64(leaves[-1].shape[0]), held)
        rows = self._least(builder.sub(room, _I64(1)), left)
        place = cgutils.alloca_once(builder, _I64)
        builder.store(held, place)
        # Where all are computed, the one that fills the block is put there as well: whole vectors are copied.
        copied = rows if self.variant.nulls else self._least(room, left)
        with cgutils.for_range(builder, copied, intp=_I64) as loop:
            within, at = builder.add(row, loop.index), builder.load(place)
            for i, array in enumerate(arrays, 1):
                self._put(i, array, at, builder.add(base, within), within)
            # What isn't computed is overwritten by the next row.
            step = builder.zext(self._truth(VALID, within), _I64) if self.variant.nulls else _I64(1)
            builder.store(builder.add(at, step), place)
        builder.store(builder.load(place) if self.variant.nulls else builder.add(held, rows), counter)
        return builder.add(row, rows)

    def _least(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def _put(self, i: int, array: ir.Value, at: ir.Value, row: ir.Value, within: ir.Value) -> None:
        builder, context = self.builder, self.context
        value, _ = self._load(i, row, within)
        given, kind = self.inputs[i].kernel_type, self.state_type.inner[i - len(self.inputs)].dtype
        typed = builder.bitcast(array, context.get_data_type(kind).as_pointer())
        value = context.cast(builder, value, given, kind)
        context.pack_value(builder, kind, value, builder.gep(typed, [at]))
