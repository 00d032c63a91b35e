"""The loop over the rows of one block: load, call the kernel, store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import fix_returning_optional

from dataflare_vec.compiler.jit.abi.elements import element_of
from dataflare_vec.compiler.jit.codegen.hints import interleave, keep_loads
from dataflare_vec.compiler.jit.lowering.strings.arena import lend_function, opened, reset_function
from dataflare_vec.compiler.jit.lowering.strings.column import words_of
from dataflare_vec.compiler.jit.types.strings import ViewType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dataflare_vec.compiler.jit.abi.arguments import Input, Output
    from dataflare_vec.compiler.jit.abi.buffers import Buffers
    from dataflare_vec.compiler.jit.types.numba_types import Builder
    from dataflare_vec.compiler.kernel import LoopVariant

#: Names of scratches, one byte a row each: which rows are computed, are still selected, have raised.
VALID, SELECTED, FAILED = "valid", "selected", "failed"

_I8, _I64 = ir.IntType(8), ir.IntType(64)


def bools(side: str, i: int) -> str:
    """Scratch with the values of a boolean column (``side`` is "input" or "output")."""
    return f"values of {side} {i}"


def nones(i: int) -> str:
    """Scratch with the validity of an input that the kernel itself may receive as None."""
    return f"validity of input {i}"


def presence(i: int) -> str:
    """Scratch with the validity of an output that the kernel may return as None."""
    return f"validity of output {i}"


@dataclass(frozen=True)
class KernelCode:
    """A compiled kernel, and what has to be known to call it.

    Attributes
    ----------
    context, fndesc, signature
        Numba's target context, and its function descriptor and signature of the kernel.
    inputs, outputs
        What the loop reads and writes.
    is_filter
        Whether the one output, a bool, goes to the selection instead of to a column.
    returns_tuple
        Whether the kernel returns its outputs as a tuple.
    frees_exceptions
        Whether the kernel raises exceptions that it allocates (message built at run time).
    speculates
        Whether the kernel may be called for a row with a null, whatever lies under it (see
        `jit.passes.speculation`): without a branch round the call the loop vectorises.
    groups
        How many inputs each of the kernel's arguments takes, as a tuple if they are several; None for one
        each.
    makes_strings
        Whether it makes strings in the thread's arena, which is reset after each row.
    insists
        Whether LLVM is told to vectorise the loop, against its own estimate.
    wide
        Whether LLVM is told to use the processor's widest vectors (see `vector_width`).
    """

    context: Any
    fndesc: Any
    signature: Any
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    is_filter: bool
    returns_tuple: bool
    frees_exceptions: bool
    speculates: bool = False
    groups: tuple[int, ...] | None = None
    makes_strings: bool = False
    insists: bool = False
    wide: bool = False

    @property
    def columns_out(self) -> tuple[Output, ...]:
        """The outputs that are columns."""
        return () if self.is_filter else self.outputs

    @property
    def stops(self) -> bool:
        """Whether a loop that records no errors ends at the first row that raises, and says which."""
        return False

    def row_loop_builder(self, variant: LoopVariant) -> RowLoopBuilder:
        """Return what writes the loop over rows."""
        return RowLoopBuilder(self, variant)


def group(
    groups: Sequence[int] | None, items: Sequence[Any], as_tuple: Callable[[Sequence[Any]], Any]
) -> tuple[Any, ...]:
    """Return one item for each of the kernel's arguments: several that belong to one as a tuple."""
    if groups is None:
        return tuple(items)
    left = iter(items)
    taken = [[next(left) for _ in range(count)] for count in groups]
    return tuple(one[0] if len(one) == 1 else as_tuple(one) for one in taken)


class RowLoopBuilder:
    """Writes the loop over the rows of one block.

    Attributes
    ----------
    reason
        Address of two words, or null, where an error-recording loop says why the last row that failed did:
        address and bytes of its exception, pickled by Numba as (class, arguments, place); 0 and 1 + the
        number of the output that the row's value doesn't fit.
    """

    reason: ir.Value

    def __init__(self, code: KernelCode, variant: LoopVariant) -> None:
        self.code = code
        self.context = code.context
        self.inputs, self.outputs, self.signature = code.inputs, code.outputs, code.signature
        self.variant = variant
        # Rows that raised are counted in as few bits as go (a frame has fewer than 2^32 rows): LLVM makes as
        # many lanes as there are of the widest type in the loop, and a 64-bit counter would halve those of a
        # float32.
        columns = [item.type for item in code.inputs if item.is_column] + [item.type for item in code.outputs]
        self.counter = ir.IntType(max(32, *(getattr(ty, "bitwidth", 8) for ty in columns)))
        # The column in whose memory strings are made. It is written last: its value may be moved over others.
        texts = [i for i, one in enumerate(code.columns_out) if isinstance(one.type, ViewType)]
        self._owner = texts[-1] if texts else None

    def write(
        self,
        builder: Builder,
        columns: Mapping[int, Buffers],
        constants: Mapping[int, ir.Value],
        targets: Sequence[Buffers],
        scratches: Mapping[str, ir.Value],
        base: ir.Value,
        count: ir.Value,
    ) -> None:
        """Write the loop, and the return of how many rows raised.

        Parameters
        ----------
        builder
            Where instructions go, at the end of a function's first block.
        columns, constants, targets
            Inputs by position, and outputs.
        scratches
            Bytes of the block's rows.
        base
            The block's first row; columns count from the first row of the chunk.
        count
            How many rows there are.
        """
        self.builder = builder
        self._columns, self._constants, self._targets = columns, constants, targets
        self._scratches = scratches
        if self.code.makes_strings:
            self._arena = opened(builder)  # looked for once, not in each row
            self._forget_strings()
        self._rows(base, count)

    def _rows(self, base: ir.Value, count: ir.Value) -> None:
        """Write the loop and the return."""
        builder = self.builder
        failed = cgutils.alloca_once_value(builder, self.counter(0))
        with cgutils.for_range(builder, count, intp=_I64) as loop:
            self._row(builder.add(base, loop.index), loop.index, failed)
        _, latch = loop.index.incomings[-1]
        interleave(self.context, latch.terminator, insist=self.code.insists)
        builder.ret(builder.load(failed))

    def _scratch(self, key: str, within: ir.Value) -> ir.Value | None:
        """Return the address of this row's byte in a scratch; None if the loop hasn't got it."""
        scratch = self._scratches.get(key)
        return None if scratch is None else self.builder.gep(scratch, [within])

    def _truth(self, key: str, within: ir.Value) -> ir.Value:
        byte = self.builder.load(self._scratch(key, within))
        return self.builder.icmp_unsigned("!=", byte, _I8(0))

    def _row(self, row: ir.Value, within: ir.Value, failed: ir.Value) -> None:
        """Load, call, store. ``row`` counts in the chunk, ``within`` in the block."""
        builder = self.builder
        arguments, fits = self._load_all(row, within)
        if self.code.speculates:
            keep_loads(builder)
        zeros = [self._zero(output) for output in self.outputs]
        slots = [cgutils.alloca_once_value(builder, zero) for zero in zeros]
        present = [cgutils.alloca_once_value(builder, _I8(0)) for _ in self.outputs]
        error = cgutils.alloca_once_value(builder, _I8(0))
        for slot, zero in zip(slots, zeros, strict=True):
            builder.store(zero, slot)
        for flag in [*present, error]:
            builder.store(_I8(0), flag)

        if not self.variant.nulls:
            self._call_fitting(fits, arguments, slots, present, error)
        else:
            valid = self._truth(VALID, within)
            if self.code.speculates:
                self._call_fitting(fits, arguments, slots, present, error)
                for slot in [*slots, *present, error]:
                    value = builder.load(slot)
                    builder.store(builder.select(valid, value, ir.Constant(value.type, None)), slot)
            else:
                with builder.if_then(valid):
                    self._call_fitting(fits, arguments, slots, present, error)
        self._finish(row, within, slots, present, builder.load(error), failed)
        if self.code.makes_strings:
            self._forget_strings()

    def _forget_strings(self) -> None:
        """Make room in the arena, if need be in the memory of the column that results go to."""
        builder = self.builder
        if self._owner is None:
            builder.call(reset_function(builder.module), [self._arena])
        else:
            words = words_of(builder, self._targets[self._owner])
            builder.call(lend_function(builder.module), [self._arena, words])

    def _finish(
        self,
        row: ir.Value,
        within: ir.Value,
        slots: Sequence[ir.Value],
        present: Sequence[ir.Value],
        flag: ir.Value,
        failed: ir.Value,
    ) -> None:
        """Store what the kernel left for this row."""
        builder = self.builder
        # A sum: LLVM recognises it as a reduction behind any branches, a disjunction it doesn't.
        builder.store(builder.add(builder.load(failed), builder.zext(flag, self.counter)), failed)
        if self.variant.records_errors:
            builder.store(flag, self._scratch(FAILED, within))
        if self.code.is_filter:
            wanted = builder.and_(builder.load(present[0]), builder.zext(builder.load(slots[0]), _I8))
            if not self.variant.records_errors:
                # The error-recording loop reads what this one wrote: it has to see the rows that raised once
                # more.
                wanted = builder.or_(wanted, flag)
            builder.store(wanted, self._scratch(SELECTED, within))
            return
        for i in sorted(range(len(slots)), key=lambda i: i == self._owner):
            value = builder.load(slots[i])
            if (address := self._scratch(bools("output", i), within)) is not None:
                builder.store(builder.zext(value, _I8), address)
            else:
                ty = self.outputs[i].type
                element_of(ty).store(self.context, builder, ty, value, self._targets[i], row)
            if (address := self._scratch(presence(i), within)) is not None:
                builder.store(builder.load(present[i]), address)

    def _load_all(self, row: ir.Value, within: ir.Value) -> tuple[list[ir.Value], ir.Value | None]:
        """Return the kernel's arguments, and whether all are of their types (None where they always are)."""
        arguments, fits = [], None
        for i in range(len(self.inputs)):
            value, fitting = self._load(i, row, within)
            arguments.append(value)
            if fitting is not None:
                fits = fitting if fits is None else self.builder.and_(fits, fitting)
        return arguments, fits

    def _load(self, i: int, row: ir.Value, within: ir.Value) -> tuple[ir.Value, ir.Value | None]:
        """Return the kernel's argument ``i`` for this row, a Numba value, and whether it is of its type."""
        builder, item = self.builder, self.inputs[i]
        if not item.is_column:
            return self._constants[i], None
        fits = None
        if item.type == types.boolean:
            value = self._truth(bools("input", i), within)
        else:
            there = self._truth(nones(i) if item.nullable else VALID, within) if self.variant.nulls else None
            value, fits = element_of(item.type).load_checked(
                self.context, builder, item.type, self._columns[i], row, there
            )
        if not item.nullable:
            return value, fits
        optional = self.context.make_helper(builder, item.kernel_type)
        optional.data = value
        optional.valid = self._truth(nones(i), within) if self.variant.nulls else cgutils.true_bit
        return optional._getvalue(), fits

    def _zero(self, output: Output) -> ir.Value:
        return element_of(output.type).zero(self.context, output.type)

    def _call_fitting(
        self,
        fits: ir.Value | None,
        arguments: list[ir.Value],
        slots: list[ir.Value],
        present: list[ir.Value],
        error: ir.Value,
    ) -> None:
        """Call the kernel if its arguments are of their types; else the row fails."""
        if fits is None:
            self._call_kernel(arguments, slots, present, error)
            return
        with self.builder.if_else(fits, likely=True) as (fitting, other):
            with fitting:
                self._call_kernel(arguments, slots, present, error)
            with other:
                self.builder.store(_I8(1), error)

    def _call_kernel(
        self,
        arguments: list[ir.Value],
        slots: list[ir.Value],
        present: list[ir.Value],
        error: ir.Value,
    ) -> None:
        """Call the kernel; leave values, presence and error in their stack slots."""
        builder, context = self.builder, self.context
        tuples = (ty for ty, n in zip(self.signature.args, self.code.groups or (), strict=False) if n > 1)
        arguments = list(
            group(self.code.groups, arguments, lambda one: context.make_tuple(builder, next(tuples), one))
        )
        function = context.declare_function(builder.module, self.code.fndesc)
        status, result = context.call_conv.call_function(
            builder,
            function,
            self.signature.return_type,
            self.signature.args,
            arguments,
            attrs=("alwaysinline",),
        )
        result = fix_returning_optional(context, builder, self.signature, status, result)
        self._note(status, error)
        with builder.if_then(status.is_ok):
            self._store_result(result, self.signature.return_type, slots, present, error)

    def _store_result(
        self,
        result: ir.Value,
        ty: types.Type,
        slots: list[ir.Value],
        present: list[ir.Value],
        error: ir.Value,
    ) -> None:
        """Leave the values of a result of type ``ty`` in their stack slots."""
        builder = self.builder
        items, returned = self._split(result, ty)
        for i, (item, item_type) in enumerate(items):
            value, there = self._without_optional(item, item_type)
            value_type = _value_type(item_type)
            # A constant may be known by its type alone.
            own = item_type.type if isinstance(item_type, types.Optional) else item_type
            value = self.context.cast(builder, value, own, value_type)
            wanted = self.outputs[i].type
            element = element_of(wanted)
            value, overflow = element.convert(self.context, builder, value, value_type, wanted)
            there = builder.and_(there, returned)
            if overflow is not None:
                overflow = builder.and_(overflow, there)
                builder.store(builder.or_(builder.load(error), builder.zext(overflow, _I8)), error)
                self._give_reason(overflow, lambda: (_I64(0), _I64(i + 1)))  # noqa: B023  # called at once
            builder.store(builder.select(there, value, self._zero(self.outputs[i])), slots[i])
            builder.store(builder.zext(there, _I8), present[i])

    def _split(self, result: ir.Value, ty: types.Type) -> tuple[list[tuple[ir.Value, types.Type]], ir.Value]:
        """Return a result as (value, type) for each output, and whether there is one at all."""
        builder = self.builder
        if not self.code.returns_tuple:
            return [(result, ty)], cgutils.true_bit
        result, there = self._without_optional(result, ty)
        ty = ty.type if isinstance(ty, types.Optional) else ty  # with constants that are known by their types
        items = cgutils.unpack_tuple(builder, result, len(ty))
        return list(zip(items, ty, strict=True)), there

    def _without_optional(self, value: ir.Value, ty: types.Type) -> tuple[ir.Value, ir.Value]:
        if not isinstance(ty, types.Optional):
            return value, cgutils.true_bit
        optional = self.context.make_helper(self.builder, ty, value=value)
        return optional.data, optional.valid

    def _note(self, status: Any, error: ir.Value) -> None:
        """Leave whether the kernel raised, and in an error-recording loop what."""
        builder = self.builder
        builder.store(builder.zext(status.is_error, _I8), error)

        def pickled() -> tuple[ir.Value, ir.Value]:
            address, size = (
                builder.load(cgutils.gep_inbounds(builder, status.excinfoptr, 0, i)) for i in range(2)
            )
            return builder.ptrtoint(address, _I64), builder.zext(size, _I64)

        self._give_reason(status.is_user_exc, pickled)
        if self.code.frees_exceptions:
            with builder.if_then(status.is_user_exc):
                self._free_exception(status.excinfoptr)

    def _give_reason(self, failed: ir.Value, words: Callable[[], Sequence[ir.Value]]) -> None:
        """Write, in an error-recording loop that is asked, why a row failed, if it did."""
        if not self.variant.records_errors:
            return
        builder, reason = self.builder, self.reason
        asked = builder.icmp_unsigned("!=", reason, reason.type(None))
        with builder.if_then(builder.and_(failed, asked), likely=False):
            for i, word in enumerate(words()):
                builder.store(word, builder.gep(reason, [_I64(i)]))

    def _free_exception(self, excinfo: ir.Value) -> None:
        """Give back what a ``raise`` with a run-time message has allocated (Numba's excinfo_t)."""
        builder, nrt = self.builder, self.context.nrt
        dynamic_args = builder.load(cgutils.gep_inbounds(builder, excinfo, 0, 4))
        with builder.if_then(builder.icmp_signed(">", dynamic_args, dynamic_args.type(0))):
            nrt.free(builder, builder.load(cgutils.gep_inbounds(builder, excinfo, 0, 2)))
            nrt.free(builder, builder.bitcast(excinfo, cgutils.voidptr_t))


def _value_type(ty: types.Type) -> types.Type:
    return types.unliteral(ty.type if isinstance(ty, types.Optional) else ty)
