"""How a loop reads and writes one value of a column, by the value's Numba type.

A type that isn't one plain number (a string, a row of a list) brings an `Element` of its own: `register` it.
Booleans are no concern of this file: loops see them as bytes that were unpacked before (`bitmaps.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir
from numba.core import cgutils, types

from dataflare_vec.arrow.layouts import Bits, FixedWidth, Layout
from dataflare_vec.compiler.jit.types.wide_integers import I128, WideIntType, natural, widened

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.abi.buffers import Buffers
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I8, _I64 = ir.IntType(8), ir.IntType(64)
_BYTES = ir.PointerType(_I8)


class Element:
    """Numbers: values of a fixed width, one after the other."""

    def kernel_type(self, ty: types.Type) -> types.Type:
        """Return the type of the kernel's argument for a column of type ``ty``."""
        return natural if ty == types.uint64 else ty

    def layout(self, ty: types.Type) -> Layout:
        """Return how such a column lies in memory."""
        return FixedWidth(ty.bitwidth // 8)

    def argument_types(self, context: Context, ty: types.Type) -> list[ir.Type]:
        """Return the LLVM types of the column's four arguments."""
        return [context.get_data_type(ty).as_pointer(), _I64, _BYTES, _I64]

    def load(
        self, context: Context, builder: Builder, ty: types.Type, column: Buffers, row: ir.Value
    ) -> ir.Value:
        """Return the value of ``row``, a Numba value of type ``ty``."""
        pointer = builder.gep(column.values, [row])
        value = builder.load(pointer, align=1)  # a slice of a foreign buffer need not be aligned
        return builder.zext(value, I128) if ty == types.uint64 else value

    def load_checked(
        self,
        context: Context,
        builder: Builder,
        ty: types.Type,
        column: Buffers,
        row: ir.Value,
        there: ir.Value | None,
    ) -> tuple[ir.Value, ir.Value | None]:
        """Return the value of ``row``, and whether it is one of its type.

        Parameters
        ----------
        there
            Whether the row counts; None for always. If not, its value is of no interest, and an element whose
            columns may hold anything there, as addresses, mustn't follow it.

        Returns
        -------
        tuple
            The second is None if any value is of its type. A row with one that isn't fails in the kernel's
            guarded variant, and goes to the general variant, whose type is wider.
        """
        return self.load(context, builder, ty, column, row), None

    def store(
        self,
        context: Context,
        builder: Builder,
        ty: types.Type,
        value: ir.Value,
        target: Buffers,
        row: ir.Value,
    ) -> None:
        """Write the value of ``row``."""
        builder.store(value, builder.gep(target.values, [row]), align=1)

    def convert(
        self, context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: types.Type
    ) -> tuple[ir.Value, ir.Value | None]:
        """Return a result of the kernel, of type ``given``, as it is stored, and whether it doesn't fit.

        Where the kernel returned None it is given zeros.

        Returns
        -------
        tuple
            The second is None where each fits the column.
        """
        if isinstance(given, WideIntType) and isinstance(ty, types.Integer):
            narrow = builder.trunc(value, context.get_value_type(ty))
            wide = widened(builder, narrow, ty), widened(builder, value, given)
            return narrow, builder.icmp_unsigned("!=", *wide)
        return context.cast(builder, value, given, ty), _outside(builder, value, given, ty)

    def begin(self, builder: Builder, target: Buffers) -> ir.Value | None:
        """Write what a loop does to an output before its first row; return what `undo` needs, if anything."""
        return None

    def undo(self, builder: Builder, target: Buffers, mark: ir.Value) -> None:
        """Write how a loop takes back what it has stored: rows failed, and all will be stored again."""

    def zero(self, context: Context, ty: types.Type) -> ir.Value:
        """Return what stands under a null."""
        return cgutils.get_null_value(context.get_value_type(ty))


def _outside(builder: Builder, value: ir.Value, given: types.Type, ty: types.Type) -> ir.Value | None:
    """Whether an integer is beyond those of a type; None if none of its own is."""
    if not (isinstance(given, types.Integer) and isinstance(ty, types.Integer)):
        return None
    if given.minval >= ty.minval and given.maxval <= ty.maxval:
        return None
    compare = builder.icmp_signed if given.signed else builder.icmp_unsigned
    outside = cgutils.false_bit
    if given.minval < ty.minval:
        outside = builder.or_(outside, compare("<", value, value.type(ty.minval)))
    if given.maxval > ty.maxval:
        outside = builder.or_(outside, compare(">", value, value.type(ty.maxval)))
    return outside


class CheckedElement(Element):
    """Values that have a `load_checked` of their own."""

    def load(
        self, context: Context, builder: Builder, ty: types.Type, column: Buffers, row: ir.Value
    ) -> ir.Value:
        """Return the value of ``row``, which counts and is one of its type."""
        return self.load_checked(context, builder, ty, column, row, None)[0]


class _Boolean(Element):
    def layout(self, ty: types.Type) -> Layout:
        return Bits()

    def argument_types(self, context: Context, ty: types.Type) -> list[ir.Type]:
        return [_BYTES, _I64, _BYTES, _I64]

    def load(
        self, context: Context, builder: Builder, ty: types.Type, column: Buffers, row: ir.Value
    ) -> ir.Value:
        # Only of a field of a struct: a column's bits were unpacked before.
        return load_bit(builder, column.values, builder.add(column.extra, row))


def load_bit(builder: Builder, bits: ir.Value, position: ir.Value) -> ir.Value:
    """Return one bit of a bitmap."""
    byte = builder.load(builder.gep(bits, [builder.ashr(position, _I64(3))]))
    shift = builder.trunc(builder.and_(position, _I64(7)), _I8)
    return builder.trunc(builder.lshr(byte, shift), ir.IntType(1))


def store_bit(builder: Builder, bits: ir.Value, position: ir.Value, bit: ir.Value) -> None:
    """Write one bit of a bitmap; of its byte no other thread may write one."""
    address = builder.gep(bits, [builder.ashr(position, _I64(3))])
    shift = builder.trunc(builder.and_(position, _I64(7)), _I8)
    others = builder.and_(builder.load(address), builder.not_(builder.shl(_I8(1), shift)))
    builder.store(builder.or_(others, builder.shl(builder.zext(bit, _I8), shift)), address)


_NUMBER = Element()
_ELEMENTS: dict[type[types.Type], Element] = {types.Boolean: _Boolean()}


def register(kind: type[types.Type], element: Element) -> None:
    """Say how columns are read and written whose values are of a kind of Numba type."""
    _ELEMENTS[kind] = element


def element_of(ty: types.Type) -> Element:
    """Return how values of a type are read and written."""
    return _ELEMENTS.get(type(ty), _NUMBER)


def layout_of(ty: types.Type) -> Layout:
    """Return how a column of a type lies in memory."""
    return element_of(ty).layout(ty)


def kernel_type_of(ty: types.Type) -> types.Type:
    """Return the type of the kernel's argument for a column of a type."""
    return element_of(ty).kernel_type(ty)
