"""The chunk loop: one kernel compiled onto Arrow buffers, as LLVM IR.

The IR is written here instead of generated Python, because a Python loop would go through Numba's
type inference a second time (it is most of a compilation) and couldn't say what LLVM needs to vectorise it:
that the buffers don't alias, that a validity bitmap is 64 rows in a word, that a row which raises doesn't
end the loop.

Three functions, one inside the other: the C function, which takes the argument buffer apart (`arguments.py`);
the walk over blocks of rows, which turns bitmaps into bytes and back (`bitmaps.py`); the loop over the rows
of one block, which calls the kernel (`rows.py`). Where nothing is stored as bits there is no walk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types

from dataflare_vec.compiler.jit.abi.arguments import Input, Output, from_bits, scalar_leaves
from dataflare_vec.compiler.jit.abi.bitmaps import pack, unpack, unpack_and
from dataflare_vec.compiler.jit.abi.buffers import Buffers
from dataflare_vec.compiler.jit.abi.elements import element_of
from dataflare_vec.compiler.jit.codegen.rows import (
    FAILED,
    SELECTED,
    VALID,
    KernelCode,
    bools,
    nones,
    presence,
)
from dataflare_vec.compiler.jit.codegen.vector_width import prefer_512_bits
from dataflare_vec.compiler.jit.lowering.strings.arena import release_function
from dataflare_vec.compiler.jit.types.clocks import ClockType, FoldedTimeType, ZoneType, clock_value
from dataflare_vec.compiler.jit.types.strings import ViewType
from dataflare_vec.compiler.jit.types.wide_integers import I128, NaturalType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.compiler.jit.types.numba_types import Builder
    from dataflare_vec.compiler.kernel import LoopVariant

__all__ = ["Input", "LoopBuilder", "Output", "scalar_leaves"]

# Rows handled between unpacking and packing of bitmaps: a scratch byte a row and bitmap has to stay in the
# first-level cache, and the loop between has to be long against loading its constants into registers.
BLOCK_ROWS = 1024

_I8, _I64 = ir.IntType(8), ir.IntType(64)
_BYTES = ir.PointerType(_I8)


class LoopBuilder:
    """Writes the loop of one kernel and variant into an LLVM module.

    Parameters
    ----------
    code
        The kernel.
    variant
        Which of its loops.
    """

    def __init__(self, code: KernelCode, variant: LoopVariant) -> None:
        self.code = code
        self.variant = variant
        self.context = code.context
        self._scratches = self._scratches_needed()

    def build(self, module: ir.Module, name: str) -> None:
        """Add the C function ``name`` to ``module``."""
        self.module = module
        argument_types = [argument for item in self.code.inputs for argument in self._argument_types(item)]
        for output in self.code.columns_out:
            argument_types += element_of(output.type).argument_types(self.context, output.type)
        argument_types += [_BYTES, _I64] * 2  # selection, failed rows
        argument_types.append(ir.PointerType(_I64))  # the reason
        rows_function = self._rows_function(name + ".rows", argument_types)
        body = self._walk(name + ".walk", argument_types, rows_function) if self._scratches else rows_function

        entry = ir.Function(module, ir.FunctionType(_I64, [ir.PointerType(_I64), _I64]), name)
        builder = ir.IRBuilder(entry.append_basic_block())
        buffer, rows = entry.args
        arguments = []
        for i, argument_type in enumerate(argument_types):
            raw = builder.load(builder.gep(buffer, [_I64(i)]))
            arguments.append(from_bits(builder, raw, argument_type))
        if not self._scratches:
            arguments.append(_I64(0))
        _, _, targets, *_ = self._take_apart(builder, arguments[: len(argument_types)])
        outputs = [
            (target, element_of(output.type))
            for target, output in zip(targets, self.code.columns_out, strict=True)
        ]
        marks = [element.begin(builder, target) for target, element in outputs]
        count = builder.call(body, [*arguments, rows])
        failed = builder.icmp_unsigned("!=", count, count.type(0))
        runs_again = not self.variant.records_errors and not self.code.stops
        if runs_again and any(mark is not None for mark in marks):
            with builder.if_then(failed, likely=False):
                for (target, element), mark in zip(outputs, marks, strict=True):
                    if mark is not None:
                        element.undo(builder, target, mark)
        if self.code.makes_strings:
            builder.call(release_function(module), [])
        builder.ret(count if self._stops else builder.zext(failed, _I64))

    @property
    def _stops(self) -> bool:
        return self.code.stops and not self.variant.records_errors

    def _argument_types(self, item: Input) -> list[ir.Type]:
        if item.is_column:
            return element_of(item.type).argument_types(self.context, item.type)
        return [self.context.get_value_type(leaf) for leaf in scalar_leaves(item.type)]

    def _scratches_needed(self) -> list[str]:
        """Name a byte a row for everything that Arrow stores as bits."""
        code, variant = self.code, self.variant
        names = []
        for i, item in enumerate(code.inputs):
            if item.is_column and item.type == types.boolean:
                names.append(bools("input", i))
            if item.is_column and item.nullable and variant.nulls:
                names.append(nones(i))
        # A row that isn't computed, for a null in any other column or because it isn't selected, has null as
        # its result: one combined bitmap is enough.
        if variant.nulls:
            names.append(VALID)
        for i, output in enumerate(code.columns_out):
            if output.type == types.boolean:
                names.append(bools("output", i))
            if output.nullable:
                names.append(presence(i))
        if code.is_filter or variant.records_errors:
            names.append(SELECTED)
        if variant.records_errors:
            names.append(FAILED)
        return names

    # -- the rows of one block ------------------------------------------------------------------------------

    def _rows_function(self, name: str, argument_types: Sequence[ir.Type]) -> ir.Function:
        """Return ``name(arguments…, scratch…, first row, number of rows)``: how many of them raised.

        A function of its own, never inlined: inside of the walk LLVM wouldn't keep the constants of the
        kernel in registers (a single `exp` over nulls then takes 1.4 times as long as without; measured), and
        what `noalias` says of the pointers would be lost.
        """
        row_loop = self.code.row_loop_builder(self.variant)
        types_ = [*argument_types, *[_BYTES] * len(self._scratches), _I64, _I64]
        function = ir.Function(self.module, ir.FunctionType(row_loop.counter, types_), name)
        _keep_apart(function)
        if self.code.wide:
            prefer_512_bits(function)
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        *arguments, base, rows = function.args
        columns, constants, targets, _, reason = self._take_apart(builder, arguments[: len(argument_types)])
        scratches = dict(zip(self._scratches, arguments[len(argument_types) :], strict=True))
        row_loop.reason = reason
        row_loop.write(builder, columns, constants, targets, scratches, base, rows)
        return function

    def _take_apart(self, builder: Builder, args: Sequence[ir.Value]) -> Any:
        """Sort arguments into columns, constants, outputs, bitmaps and the address of the reason."""
        left = list(args)
        columns: dict[int, Buffers] = {}
        constants: dict[int, ir.Value] = {}
        for i, item in enumerate(self.code.inputs):
            count = len(self._argument_types(item))
            taken, left = left[:count], left[count:]
            if item.is_column:
                columns[i] = Buffers(taken)
            else:
                constants[i] = self._pack_constant(builder, item.type, taken)
        targets = []
        for output in self.code.columns_out:
            count = len(element_of(output.type).argument_types(self.context, output.type))
            taken, left = left[:count], left[count:]
            targets.append(Buffers(taken))
        return columns, constants, targets, (tuple(left[:2]), tuple(left[2:4])), left[4]

    def _pack_constant(self, builder: Builder, ty: types.Type, leaves: list[ir.Value]) -> ir.Value:
        if isinstance(ty, types.NoneType | ZoneType):
            return self.context.get_dummy_value()
        if isinstance(ty, ClockType | FoldedTimeType):
            parts = [leaves.pop(0) for _ in scalar_leaves(ty)]
            return clock_value(self.context, builder, ty, parts)
        if isinstance(ty, ViewType):
            string = cgutils.create_struct_proxy(ty)(self.context, builder)
            string.data = builder.inttoptr(leaves.pop(0), _BYTES)
            string.nbytes = leaves.pop(0)
            return string._getvalue()
        if isinstance(ty, NaturalType):
            return builder.zext(leaves.pop(0), I128)
        if not isinstance(ty, types.BaseTuple):
            return leaves.pop(0)
        items = [self._pack_constant(builder, item, leaves) for item in ty]
        return self.context.make_tuple(builder, ty, items)

    # -- the walk over blocks -------------------------------------------------------------------------------

    def _walk(self, name: str, argument_types: Sequence[ir.Type], rows_function: ir.Function) -> ir.Function:
        """Return ``name(arguments…, number of rows)``: how many of them raised."""
        counter = rows_function.function_type.return_type
        function = ir.Function(self.module, ir.FunctionType(counter, [*argument_types, _I64]), name)
        _keep_apart(function)
        self._builder = builder = ir.IRBuilder(function.append_basic_block("entry"))
        *arguments, rows = function.args
        self._columns, _, self._targets, bitmaps, _ = self._take_apart(builder, arguments)
        self._selection, self._failed_rows = bitmaps
        self._bytes = {key: self._scratch() for key in self._scratches}
        total = cgutils.alloca_once_value(builder, counter(0))
        with cgutils.for_range_slice(builder, _I64(0), rows, _I64(BLOCK_ROWS), _I64) as (base, _):
            left = builder.sub(rows, base)
            fewer = builder.icmp_signed("<", left, _I64(BLOCK_ROWS))
            self._base, self._count = base, builder.select(fewer, left, _I64(BLOCK_ROWS))
            self._unpack_inputs()
            failed = builder.call(rows_function, [*arguments, *self._bytes.values(), base, self._count])
            builder.store(builder.add(builder.load(total), failed), total)
            if self.variant.records_errors:
                with builder.if_then(builder.icmp_unsigned("!=", failed, counter(0))):
                    self._take_out_failed()
            self._pack_outputs()
            if self._stops:
                with builder.if_then(builder.icmp_unsigned("!=", failed, counter(0)), likely=False):
                    builder.ret(builder.add(base, failed))
        builder.ret(builder.load(total))
        return function

    def _scratch(self) -> ir.Value:
        scratch = self._builder.alloca(_I8, _I64(BLOCK_ROWS))
        scratch.align = 64
        return scratch

    def _call(self, helper: ir.Function, key: str, bitmap: ir.Value, offset: ir.Value) -> None:
        """Call a helper of `bitmaps.py` for this block's part of a bitmap and a scratch."""
        position = self._builder.add(offset, self._base)
        self._builder.call(helper, [bitmap, position, self._count, self._bytes[key]])

    def _unpack_inputs(self) -> None:
        inputs, whole, part = self.code.inputs, unpack(self.module), unpack_and(self.module)
        for i, buffers in self._columns.items():
            if inputs[i].type == types.boolean:
                self._call(whole, bools("input", i), buffers.values, buffers.extra)
            if inputs[i].nullable and self.variant.nulls:
                self._call(whole, nones(i), buffers.validity, buffers.validity_offset)
        if self.variant.nulls:
            self._call(whole, VALID, *self._selection)
            if self.variant.records_errors and not self.code.is_filter:
                cgutils.raw_memcpy(
                    self._builder, self._bytes[SELECTED], self._bytes[VALID], self._count, itemsize=1
                )
            for i, buffers in self._columns.items():
                if not inputs[i].nullable:
                    self._call(part, VALID, buffers.validity, buffers.validity_offset)

    def _take_out_failed(self) -> None:
        """Nulls where a row raised, and no longer selected; for all rows of the block at once."""
        builder = self._builder
        keys = [key for key in self._validity_keys() if key is not None]
        if not self.code.is_filter:
            keys.append(SELECTED)
        with cgutils.for_range(builder, self._count, intp=_I64) as loop:
            fine = builder.xor(builder.load(builder.gep(self._bytes[FAILED], [loop.index])), _I8(1))
            for key in dict.fromkeys(keys):
                address = builder.gep(self._bytes[key], [loop.index])
                builder.store(builder.and_(builder.load(address), fine), address)
        if not self.code.is_filter:
            self._call(pack(self.module), SELECTED, *self._selection)
        self._call(pack(self.module), FAILED, *self._failed_rows)

    def _validity_keys(self) -> list[str | None]:
        """For each output the scratch with its validity: one for all that are never None by themselves."""
        usual = VALID if self.variant.nulls else None
        return [presence(i) if output.nullable else usual for i, output in enumerate(self.code.columns_out)]

    def _pack_outputs(self) -> None:
        function = pack(self.module)
        for i, (target, key) in enumerate(zip(self._targets, self._validity_keys(), strict=True)):
            if self.code.outputs[i].type == types.boolean:
                self._call(function, bools("output", i), target.values, target.extra)
            if key is not None:
                self._call(function, key, target.validity, target.validity_offset)
        if self.code.is_filter:
            self._call(function, SELECTED, *self._selection)


def _keep_apart(function: ir.Function) -> None:
    """Say of an internal function that its pointers don't alias, and that it isn't to be inlined."""
    function.linkage = "internal"
    function.attributes.add("noinline")
    # Constants of a kernel that don't fit into registers lie on the stack; on one aligned to 16 bytes
    # half of all loads of 32 bytes cross a cache line.
    function.attributes.alignstack = 64
    for arg in function.args:
        if isinstance(arg.type, ir.PointerType):
            arg.add_attribute("noalias")
