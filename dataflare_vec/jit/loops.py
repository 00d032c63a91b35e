"""The chunk loop: one kernel compiled onto Arrow buffers, as LLVM IR.

A loop is a C function ``int64 loop(const int64 *block, int64 rows)``. ``block`` holds the addresses of
the chunk's buffers and the bits of the constants (see `BLOCK` below); the result is whether the kernel raised
for some row. All loops share this signature, so one ``ctypes`` prototype calls them all, and calling
one costs the same for any kernel. ``ctypes`` releases the GIL meanwhile.

The IR is written here instead of generated Python, because a Python loop would go through Numba's
type inference a second time (it is most of a compilation) and couldn't say what LLVM needs to vectorise it:
that the buffers don't alias, that a validity bitmap is 64 rows in a word, that a row which raises doesn't
end the loop.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import fix_returning_optional

if TYPE_CHECKING:
    from collections.abc import Sequence

# Rows handled between unpacking and packing of bitmaps: a scratch byte a row and bitmap has to stay in the
# first-level cache, and the body between has to be long against its vector prologue.
BLOCK_ROWS = 512

#: A column takes four slots of the block: values, bit offset of values, validity, bit offset of validity.
#: A constant takes one slot for each of its scalars. Inputs come first, then outputs, then two bitmaps with
#: their bit offsets: the selection (which rows are still wanted; absent means all) and the failed rows.
COLUMN_SLOTS = 4

PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)

_I1, _I8, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)
_BYTES = ir.PointerType(_I8)
_WORD = 64
_BIT_LANES = ir.VectorType(_I1, _WORD)
_BYTE_LANES = ir.VectorType(_I8, _WORD)


@dataclass(frozen=True)
class Input:
    """One parameter of the kernel as the loop sees it."""

    type: types.Type  # of the column's element or of the constant
    is_column: bool
    nullable: bool = False  # annotated `X | None`: the kernel itself receives None

    @property
    def kernel_type(self) -> types.Type:
        """Type of the kernel's argument."""
        return types.Optional(self.type) if self.is_column and self.nullable else self.type


@dataclass(frozen=True)
class Output:
    """One column that the loop writes."""

    type: types.Type  # as stored
    nullable: bool  # the kernel may return None for it


class LoopVariant(NamedTuple):
    """Which of a kernel's loops: each is compiled when it is first needed."""

    nulls: bool  # some column of the chunk has nulls, or some rows aren't selected
    careful: bool  # write down which rows raised, and take them out of the selection
    full: bool = False  # the kernel's full form (see `jit.math.emit`)


class _Buffers:
    """The pointers and offsets of one column, unpacked from the block."""

    def __init__(self, slots: Sequence[ir.Value]) -> None:
        self.values, self.values_offset, self.validity, self.validity_offset = slots


class LoopBuilder:
    """Writes the loop of one kernel and variant into an LLVM module.

    Parameters
    ----------
    context
        Numba's target context.
    kernel
        Function descriptor and signature of the compiled kernel.
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
        `jit.speculation`): without a branch round the call the loop vectorises.
    """

    def __init__(
        self,
        context: Any,
        fndesc: Any,
        signature: Any,
        inputs: Sequence[Input],
        outputs: Sequence[Output],
        *,
        is_filter: bool,
        returns_tuple: bool,
        frees_exceptions: bool,
        speculates: bool = False,
    ) -> None:
        self.context = context
        self.fndesc = fndesc
        self.signature = signature
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.is_filter = is_filter
        self.returns_tuple = returns_tuple
        self.frees_exceptions = frees_exceptions
        self.speculates = speculates
        # Rows that raised are counted in as few bits as go (a frame has fewer than 2^32 rows): LLVM makes as
        # many lanes as there are of the widest type in the loop, and a 64-bit counter would halve those of a
        # float32.
        columns = [item.type for item in inputs if item.is_column] + [item.type for item in outputs]
        self._flag = ir.IntType(max(32, *(getattr(ty, "bitwidth", 8) for ty in columns)))

    # -- the C function -----------------------------------------------------------------------------------

    def build(self, module: ir.Module, name: str, variant: LoopVariant) -> None:
        """Add the C function ``name`` for ``variant`` to ``module``."""
        self.module = module
        self.variant = variant
        slots = [slot for item in self.inputs for slot in self._slot_types(item)]
        for output in self._columns_out:
            slots += self._column_slot_types(output.type)
        slots += [_BYTES, _I64] * 2  # selection, failed rows
        body = self._build_body(name + ".body", slots)

        entry = ir.Function(module, ir.FunctionType(_I64, [ir.PointerType(_I64), _I64]), name)
        builder = ir.IRBuilder(entry.append_basic_block())
        block, rows = entry.args
        arguments = []
        for i, slot_type in enumerate(slots):
            raw = builder.load(builder.gep(block, [_I64(i)]))
            arguments.append(_from_bits(builder, raw, slot_type))
        builder.ret(builder.call(body, [*arguments, rows]))

    @property
    def _columns_out(self) -> list[Output]:
        return [] if self.is_filter else self.outputs

    def _slot_types(self, item: Input) -> list[ir.Type]:
        if item.is_column:
            return self._column_slot_types(item.type)
        return [self.context.get_value_type(leaf) for leaf in scalar_leaves(item.type)]

    def _column_slot_types(self, ty: types.Type) -> list[ir.Type]:
        values = _BYTES if ty == types.boolean else self.context.get_data_type(ty).as_pointer()
        return [values, _I64, _BYTES, _I64]

    # -- the loop -----------------------------------------------------------------------------------------

    def _build_body(self, name: str, slots: Sequence[ir.Type]) -> ir.Function:
        body = ir.Function(self.module, ir.FunctionType(_I64, [*slots, _I64]), name)
        body.linkage = "internal"
        body.attributes.add("noinline")  # or the noalias of the pointers is lost
        for arg in body.args:
            if isinstance(arg.type, ir.PointerType):
                arg.add_attribute("noalias")
        rows = body.args[-1]
        self.builder = builder = ir.IRBuilder(body.append_basic_block("entry"))
        self._take_arguments(list(body.args[:-1]))
        self._allocate_scratch()
        failed = cgutils.alloca_once_value(builder, self._flag(0))

        if not self._bit_inputs and not self._bit_outputs and self._valid is None:
            with cgutils.for_range(builder, rows, intp=_I64) as loop:
                self._row(loop.index, None, failed)
        else:
            with cgutils.for_range_slice(builder, _I64(0), rows, _I64(BLOCK_ROWS), _I64) as (base, _):
                self._rows_with_bits(base, rows, failed)
        raised = builder.icmp_unsigned("!=", builder.load(failed), self._flag(0))
        builder.ret(builder.zext(raised, _I64))
        return body

    def _take_arguments(self, args: list[ir.Value]) -> None:
        """Sort the body's arguments into columns, constants, outputs and bitmaps."""
        self._columns: dict[int, _Buffers] = {}
        self._constants: dict[int, ir.Value] = {}
        for i, item in enumerate(self.inputs):
            count = COLUMN_SLOTS if item.is_column else len(scalar_leaves(item.type))
            taken, args = args[:count], args[count:]
            if item.is_column:
                self._columns[i] = _Buffers(taken)
            else:
                self._constants[i] = self._pack_constant(item.type, taken)
        self._targets: list[_Buffers] = []
        for _ in self._columns_out:
            taken, args = args[:COLUMN_SLOTS], args[COLUMN_SLOTS:]
            self._targets.append(_Buffers(taken))
        self._selection, self._failed_rows = tuple(args[:2]), tuple(args[2:])

    def _pack_constant(self, ty: types.Type, leaves: list[ir.Value]) -> ir.Value:
        if isinstance(ty, types.NoneType):
            return self.context.get_dummy_value()
        if not isinstance(ty, types.BaseTuple):
            return leaves.pop(0)
        items = [self._pack_constant(item, leaves) for item in ty]
        return self.context.make_tuple(self.builder, ty, items)

    def _allocate_scratch(self) -> None:
        """One byte a row for everything that Arrow stores as bits."""
        self._bit_inputs: list[tuple[ir.Value, ir.Value, ir.Value]] = []  # source, offset, scratch
        self._bit_outputs: list[tuple[ir.Value, ir.Value, ir.Value]] = []  # target, offset, scratch
        self._bool_scratch: dict[int, ir.Value] = {}
        self._none_scratch: dict[int, ir.Value] = {}
        for i, buffers in self._columns.items():
            if self.inputs[i].type == types.boolean:
                scratch = self._bool_scratch[i] = self._scratch()
                self._bit_inputs.append((buffers.values, buffers.values_offset, scratch))
            if self.inputs[i].nullable and self.variant.nulls:
                scratch = self._none_scratch[i] = self._scratch()
                self._bit_inputs.append((buffers.validity, buffers.validity_offset, scratch))
        # A row that isn't computed, for a null in any other column or because it isn't selected, has null as
        # its result: one combined bitmap is enough.
        self._propagating = [i for i in self._columns if not self.inputs[i].nullable]
        self._valid = self._scratch() if self.variant.nulls else None
        self._value_scratch: list[ir.Value | None] = []
        self._validity_scratch: list[ir.Value | None] = []
        for output, target in zip(self._columns_out, self._targets, strict=True):
            values = validity = None
            if output.type == types.boolean:
                values = self._scratch()
                self._bit_outputs.append((target.values, target.values_offset, values))
            if output.nullable or self.variant.careful:
                validity = self._scratch()
            if validity is not None or self._valid is not None:
                # The same bits for each output that is never None by itself.
                self._bit_outputs.append((target.validity, target.validity_offset, validity or self._valid))
            self._value_scratch.append(values)
            self._validity_scratch.append(validity)
        self._selected = self._error_scratch = None
        if self.is_filter or self.variant.careful:
            self._selected = self._scratch()
            self._bit_outputs.append((*self._selection, self._selected))
        if self.variant.careful:
            self._error_scratch = self._scratch()
            self._bit_outputs.append((*self._failed_rows, self._error_scratch))
            if not self.is_filter:
                self._bit_inputs.append((*self._selection, self._selected))

    def _scratch(self) -> ir.Value:
        scratch = self.builder.alloca(_I8, _I64(BLOCK_ROWS))
        scratch.align = 64
        return scratch

    def _rows_with_bits(self, base: ir.Value, rows: ir.Value, failed: ir.Value) -> None:
        """One block: unpack the bitmaps, run its rows, pack the bitmaps."""
        builder = self.builder
        left = builder.sub(rows, base)
        enough = builder.icmp_signed("<", left, _I64(BLOCK_ROWS))
        count = builder.select(enough, left, _I64(BLOCK_ROWS))
        for source, offset, scratch in self._bit_inputs:
            builder.call(_unpack(self.module), [source, builder.add(offset, base), count, scratch])
        if self._valid is not None:
            selection, offset = self._selection
            builder.call(_unpack(self.module), [selection, builder.add(offset, base), count, self._valid])
            for i in self._propagating:
                buffers = self._columns[i]
                arguments = [buffers.validity, builder.add(buffers.validity_offset, base), count]
                builder.call(_unpack_and(self.module), [*arguments, self._valid])
        with cgutils.for_range(builder, count, intp=_I64) as loop:
            self._row(builder.add(base, loop.index), loop.index, failed)
        for target, offset, scratch in self._bit_outputs:
            builder.call(_pack(self.module), [target, builder.add(offset, base), count, scratch])

    # -- one row ------------------------------------------------------------------------------------------

    def _row(self, row: ir.Value, within: ir.Value | None, failed: ir.Value) -> None:
        """Load, call, store. ``row`` counts in the chunk, ``within`` in the block of bitmaps."""
        builder = self.builder
        arguments = [self._load(i, row, within) for i in range(len(self.inputs))]
        zeros = [self._zero(output) for output in self.outputs]
        slots = [cgutils.alloca_once_value(builder, zero) for zero in zeros]
        present = [cgutils.alloca_once_value(builder, _I8(0)) for _ in self.outputs]
        error = cgutils.alloca_once_value(builder, _I8(0))
        for slot, zero in zip(slots, zeros, strict=True):
            builder.store(zero, slot)
        for flag in [*present, error]:
            builder.store(_I8(0), flag)

        if self._valid is None:
            self._call_kernel(arguments, slots, present, error)
        else:
            valid = builder.load(builder.gep(self._valid, [within]))
            valid = builder.icmp_unsigned("!=", valid, _I8(0))
            if self.speculates:
                self._call_kernel(arguments, slots, present, error)
                for slot in [*slots, *present, error]:
                    value = builder.load(slot)
                    builder.store(builder.select(valid, value, ir.Constant(value.type, None)), slot)
            else:
                with builder.if_then(valid):
                    self._call_kernel(arguments, slots, present, error)

        flag = builder.load(error)
        # A sum: LLVM recognises it as a reduction behind any branches, a disjunction it doesn't.
        builder.store(builder.add(builder.load(failed), builder.zext(flag, self._flag)), failed)
        if self._error_scratch is not None:
            builder.store(flag, builder.gep(self._error_scratch, [within]))
        if self.is_filter:
            wanted = builder.and_(builder.load(present[0]), builder.zext(builder.load(slots[0]), _I8))
            if not self.variant.careful:
                # The careful loop reads what this one wrote: it has to see the rows that raised once more.
                wanted = builder.or_(wanted, flag)
            builder.store(wanted, builder.gep(self._selected, [within]))
            return
        if self._selected is not None:
            address = builder.gep(self._selected, [within])
            builder.store(builder.and_(builder.load(address), builder.xor(flag, _I8(1))), address)
        for i, slot in enumerate(slots):
            self._store(i, builder.load(slot), row, within)
            if (scratch := self._validity_scratch[i]) is not None:
                there = builder.load(present[i])
                if self.variant.careful:
                    there = builder.and_(there, builder.xor(flag, _I8(1)))
                builder.store(there, builder.gep(scratch, [within]))

    def _load(self, i: int, row: ir.Value, within: ir.Value | None) -> ir.Value:
        """Return the kernel's argument ``i`` for this row, as a Numba value."""
        builder, item = self.builder, self.inputs[i]
        if not item.is_column:
            return self._constants[i]
        if item.type == types.boolean:
            byte = builder.load(builder.gep(self._bool_scratch[i], [within]))
            value = builder.icmp_unsigned("!=", byte, _I8(0))
        else:
            pointer = builder.gep(self._columns[i].values, [row])
            value = builder.load(pointer, align=1)  # a slice of a foreign buffer need not be aligned
        if not item.nullable:
            return value
        optional = self.context.make_helper(builder, types.Optional(item.type))
        optional.data = value
        optional.valid = cgutils.true_bit
        if self.variant.nulls:
            byte = builder.load(builder.gep(self._none_scratch[i], [within]))
            optional.valid = builder.icmp_unsigned("!=", byte, _I8(0))
        return optional._getvalue()

    def _zero(self, output: Output) -> ir.Value:
        return cgutils.get_null_value(self.context.get_value_type(output.type))

    def _call_kernel(
        self,
        arguments: list[ir.Value],
        slots: list[ir.Value],
        present: list[ir.Value],
        error: ir.Value,
    ) -> None:
        """Call the kernel; leave values, presence and error in their slots."""
        builder, context = self.builder, self.context
        function = context.declare_function(self.module, self.fndesc)
        status, result = context.call_conv.call_function(
            builder,
            function,
            self.signature.return_type,
            self.signature.args,
            arguments,
            attrs=("alwaysinline",),
        )
        result = fix_returning_optional(context, builder, self.signature, status, result)
        builder.store(builder.zext(status.is_error, _I8), error)
        if self.frees_exceptions:
            with builder.if_then(status.is_user_exc):
                self._free_exception(status.excinfoptr)
        with builder.if_then(status.is_ok):
            items, returned = self._split(result)
            for i, (item, item_type) in enumerate(items):
                value, there = self._without_optional(item, item_type)
                value_type = _value_type(item_type)
                overflow = self._overflows(value, value_type, self.outputs[i].type)
                value = context.cast(builder, value, value_type, self.outputs[i].type)
                there = builder.and_(there, returned)
                if overflow is not None:
                    overflow = builder.and_(overflow, there)
                    builder.store(builder.or_(builder.load(error), builder.zext(overflow, _I8)), error)
                builder.store(builder.select(there, value, self._zero(self.outputs[i])), slots[i])
                builder.store(builder.zext(there, _I8), present[i])

    def _split(self, result: ir.Value) -> tuple[list[tuple[ir.Value, types.Type]], ir.Value]:
        """Return the kernel's result as (value, type) for each output, and whether there is one at all."""
        builder, ty = self.builder, self.signature.return_type
        if not self.returns_tuple:
            return [(result, ty)], cgutils.true_bit
        result, there = self._without_optional(result, ty)
        ty = _value_type(ty)
        items = cgutils.unpack_tuple(builder, result, len(ty))
        return list(zip(items, ty, strict=True)), there

    def _without_optional(self, value: ir.Value, ty: types.Type) -> tuple[ir.Value, ir.Value]:
        if not isinstance(ty, types.Optional):
            return value, cgutils.true_bit
        optional = self.context.make_helper(self.builder, ty, value=value)
        return optional.data, optional.valid

    def _overflows(self, value: ir.Value, given: types.Type, wanted: types.Type) -> ir.Value | None:
        """Whether an integer doesn't fit the declared output type (None where it always fits)."""
        if not (isinstance(given, types.Integer) and isinstance(wanted, types.Integer)):
            return None
        if given.minval >= wanted.minval and given.maxval <= wanted.maxval:
            return None
        builder = self.builder
        compare = builder.icmp_signed if given.signed else builder.icmp_unsigned
        outside = cgutils.false_bit
        if given.minval < wanted.minval:
            outside = builder.or_(outside, compare("<", value, value.type(wanted.minval)))
        if given.maxval > wanted.maxval:
            outside = builder.or_(outside, compare(">", value, value.type(wanted.maxval)))
        return outside

    def _store(self, i: int, value: ir.Value, row: ir.Value, within: ir.Value | None) -> None:
        builder = self.builder
        if (scratch := self._value_scratch[i]) is not None:
            builder.store(builder.zext(value, _I8), builder.gep(scratch, [within]))
        else:
            builder.store(value, builder.gep(self._targets[i].values, [row]), align=1)

    def _free_exception(self, excinfo: ir.Value) -> None:
        """Give back what a ``raise`` with a run-time message has allocated (Numba's excinfo_t)."""
        builder, nrt = self.builder, self.context.nrt
        dynamic_args = builder.load(cgutils.gep_inbounds(builder, excinfo, 0, 4))
        with builder.if_then(builder.icmp_signed(">", dynamic_args, dynamic_args.type(0))):
            nrt.free(builder, builder.load(cgutils.gep_inbounds(builder, excinfo, 0, 2)))
            nrt.free(builder, builder.bitcast(excinfo, cgutils.voidptr_t))


def scalar_leaves(ty: types.Type) -> list[types.Type]:
    """Return the scalars of a constant's type, depth first; each takes one slot of the block."""
    if isinstance(ty, types.NoneType):
        return []
    if isinstance(ty, types.BaseTuple):
        return [leaf for item in ty for leaf in scalar_leaves(item)]
    return [ty]


def _value_type(ty: types.Type) -> types.Type:
    return types.unliteral(ty.type if isinstance(ty, types.Optional) else ty)


def _from_bits(builder: ir.IRBuilder, raw: ir.Value, ty: ir.Type) -> ir.Value:
    """Return a slot of the block as a value of LLVM type ``ty``."""
    if isinstance(ty, ir.PointerType):
        return builder.inttoptr(raw, ty)
    if isinstance(ty, ir.DoubleType):
        return builder.bitcast(raw, ty)
    if isinstance(ty, ir.FloatType):
        return builder.bitcast(builder.trunc(raw, ir.IntType(32)), ty)
    return raw if ty.width == _WORD else builder.trunc(raw, ty)


# -- bitmaps ----------------------------------------------------------------------------------------------
# Words of 64 rows are read and written whole, with the bits turned into bytes by one vector instruction;
# what is left over goes bit by bit, so that no byte outside of the bitmap is ever touched.


def _helper(module: ir.Module, name: str, scratch_at: int) -> tuple[ir.Function, ir.IRBuilder | None]:
    """Return the internal function ``name(bitmap, bit offset, rows, scratch)``; a builder if it is new."""
    if name in module.globals:
        return module.globals[name], None
    signature = ir.FunctionType(ir.VoidType(), [_BYTES, _I64, _I64, _BYTES])
    function = ir.Function(module, signature, name)
    function.linkage = "internal"
    function.args[0].add_attribute("noalias")
    function.args[scratch_at].add_attribute("noalias")
    return function, ir.IRBuilder(function.append_basic_block("entry"))


def _bit_address(builder: ir.IRBuilder, bitmap: ir.Value, position: ir.Value) -> tuple[Any, Any]:
    byte = builder.gep(bitmap, [builder.lshr(position, _I64(3))])
    return byte, builder.and_(position, _I64(7))


def _load_word(builder: ir.IRBuilder, bitmap: ir.Value, position: ir.Value) -> ir.Value:
    """64 bits from any bit position on; reads the ninth byte only where bits of it are wanted."""
    byte, shift = _bit_address(builder, bitmap, position)
    low = builder.load(builder.bitcast(byte, ir.PointerType(_I64)), align=1)
    shifted = builder.icmp_unsigned("!=", shift, _I64(0))
    ninth = builder.load(builder.gep(byte, [builder.select(shifted, _I64(8), _I64(7))]))
    # Two shifts, because a shift by 64 is undefined: with shift = 0 nothing of the byte is left.
    high = builder.shl(builder.zext(ninth, _I64), _I64(1))
    high = builder.shl(high, builder.sub(_I64(63), shift))
    return builder.or_(builder.lshr(low, shift), high)


def _words_and_rest(builder: ir.IRBuilder, rows: ir.Value, word: Any, bit: Any) -> None:
    """Call ``word(row)`` for each 64 rows and ``bit(row)`` for each of the rest."""
    whole = builder.and_(rows, _I64(-_WORD))
    with cgutils.for_range_slice(builder, _I64(0), whole, _I64(_WORD), _I64) as (row, _):
        word(row)
    with cgutils.for_range_slice(builder, whole, rows, _I64(1), _I64) as (row, _):
        bit(row)


def _unpack(module: ir.Module) -> ir.Function:
    """scratch[i] = bit i of the bitmap, as a byte; all 1 where there is no bitmap."""
    return _unpack_with(module, "dfv.unpack", combine=False)


def _unpack_and(module: ir.Module) -> ir.Function:
    """scratch[i] &= bit i of the bitmap; nothing to do where there is no bitmap."""
    return _unpack_with(module, "dfv.unpack_and", combine=True)


def _unpack_with(module: ir.Module, name: str, *, combine: bool) -> ir.Function:
    function, builder = _helper(module, name, scratch_at=3)
    if builder is None:
        return function
    bitmap, offset, rows, scratch = function.args
    absent = builder.icmp_unsigned("==", bitmap, ir.Constant(_BYTES, None))

    def put(row: ir.Value, value: ir.Value) -> None:
        address = builder.gep(scratch, [row])
        target = builder.bitcast(address, ir.PointerType(value.type))
        if combine:
            value = builder.and_(value, builder.load(target, align=1))
        builder.store(value, target, align=1)

    def word(row: ir.Value) -> None:
        bits = builder.bitcast(_load_word(builder, bitmap, builder.add(offset, row)), _BIT_LANES)
        put(row, builder.zext(bits, _BYTE_LANES))

    def bit(row: ir.Value) -> None:
        byte, shift = _bit_address(builder, bitmap, builder.add(offset, row))
        value = builder.lshr(builder.load(byte), builder.trunc(shift, _I8))
        put(row, builder.and_(value, _I8(1)))

    with builder.if_then(absent):
        if not combine:
            cgutils.memset(builder, scratch, rows, 1)
        builder.ret_void()
    _words_and_rest(builder, rows, word, bit)
    builder.ret_void()
    return function


def _pack(module: ir.Module) -> ir.Function:
    """Bit i of the bitmap = scratch[i]; other bits of its first and last byte stay."""
    function, builder = _helper(module, "dfv.pack", scratch_at=3)
    if builder is None:
        return function
    bitmap, offset, rows, scratch = function.args

    def bit(row: ir.Value) -> None:
        byte, shift = _bit_address(builder, bitmap, builder.add(offset, row))
        shift = builder.trunc(shift, _I8)
        others = builder.and_(builder.load(byte), builder.not_(builder.shl(_I8(1), shift)))
        value = builder.load(builder.gep(scratch, [row]))
        builder.store(builder.or_(others, builder.shl(value, shift)), byte)

    def word(row: ir.Value) -> None:
        lanes = builder.bitcast(builder.gep(scratch, [row]), ir.PointerType(_BYTE_LANES))
        bits = builder.icmp_unsigned("!=", builder.load(lanes, align=1), ir.Constant(_BYTE_LANES, None))
        byte, _ = _bit_address(builder, bitmap, builder.add(offset, row))
        target = builder.bitcast(byte, ir.PointerType(_I64))
        builder.store(builder.bitcast(bits, _I64), target, align=1)

    # Rows up to the next whole byte of the bitmap go one by one; then words can be stored whole.
    odd = builder.and_(builder.sub(_I64(0), offset), _I64(7))
    fewer = builder.icmp_unsigned("<", rows, odd)
    head = builder.select(fewer, rows, odd)
    with cgutils.for_range_slice(builder, _I64(0), head, _I64(1), _I64) as (row, _):
        bit(row)
    whole = builder.add(head, builder.and_(builder.sub(rows, head), _I64(-_WORD)))
    with cgutils.for_range_slice(builder, head, whole, _I64(_WORD), _I64) as (row, _):
        word(row)
    with cgutils.for_range_slice(builder, whole, rows, _I64(1), _I64) as (row, _):
        bit(row)
    builder.ret_void()
    return function
