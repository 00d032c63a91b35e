"""How a loop reads strings and bytes from a column, and writes them into one.

A value is read where it lies. What is written is copied: up to 12 bytes into its view, more into the data
buffer of the thread's data builder (`arrow.string_builders`), unless it was made there (`arena`). A data
builder is a block of 64-bit words: where the next byte goes, where the buffer ends and begins, the buffer's
index in the column, whether each call of the loop starts it over, and an object with the function
``room(object, nbytes)``, which puts another buffer in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir
from numba.core import cgutils, types

from dataflare_vec.arrow.layouts import Categories, Codes, Layout, Views
from dataflare_vec.arrow.layouts.categories import NOT_ASCII
from dataflare_vec.arrow.layouts.string_views import INLINE_BYTES, VIEW_BYTES
from dataflare_vec.compiler.jit.abi.elements import CheckedElement, Element, register
from dataflare_vec.compiler.jit.lowering.strings import output, vectorcode, viewcode
from dataflare_vec.compiler.jit.types.strings import BytesType, StringType, ViewType, ascii_string

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.abi.buffers import Buffers
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_BYTES, _WORDS = ir.IntType(8).as_pointer(), _I64.as_pointer()
_HIGH_BITS = _I64(0x8080808080808080)


class ViewElement(CheckedElement):
    """A string or bytes in a column of views."""

    def layout(self, ty: types.Type) -> Layout:
        """Return how such a column lies in memory."""
        return Views()

    def argument_types(self, context: Context, ty: types.Type) -> list[ir.Type]:
        """Return the LLVM types of the column's four arguments."""
        # The second as a number: a pointer would be said not to alias, but `room` changes the data builder.
        return [_BYTES, _I64, _BYTES, _I64]

    def load_checked(
        self,
        context: Context,
        builder: Builder,
        ty: types.Type,
        column: Buffers,
        row: ir.Value,
        there: ir.Value | None,
    ) -> tuple[ir.Value, ir.Value | None]:
        """Return the value of ``row``, and whether it is ASCII if its type says so."""
        view = _view(builder, column, row)
        length = viewcode.load(builder, view, 0, _I32)
        if there is not None:
            length = builder.select(there, length, _I32(0))
        inline = builder.icmp_unsigned("<=", length, _I32(INLINE_BYTES))
        # Without a branch: for a value in its view the table's first entry is read, and not used.
        index = builder.select(inline, _I32(0), viewcode.load(builder, view, 8, _I32))
        offset = builder.zext(viewcode.load(builder, view, 12, _I32), _I64)
        buffer = builder.load(builder.gep(words_of(builder, column), [builder.zext(index, _I64)]))
        elsewhere = builder.inttoptr(builder.add(buffer, offset), _BYTES)
        data = builder.select(inline, builder.gep(view, [_I64(4)]), elsewhere)
        nbytes = builder.zext(length, _I64)
        value = _value(context, builder, ty, data, nbytes)
        if not _may_be_wider(ty):
            return value, None
        with builder.if_else(inline) as (short, long):
            with short:
                # Behind the string its view holds zeros; if not, the row only takes the other form.
                first = builder.zext(viewcode.load(builder, view, 4, _I32), _I64)
                both = builder.or_(first, viewcode.load(builder, view, 8, _I64))
                plain = builder.icmp_unsigned("==", builder.and_(both, _HIGH_BITS), _I64(0))
                # Of a row that isn't there nothing counts.
                plain = builder.or_(plain, builder.icmp_unsigned("==", length, _I32(0)))
                short_end = builder.block
            with long:
                scanned = builder.call(vectorcode.is_ascii(builder.module), [data, nbytes])
                long_end = builder.block
        fits = builder.phi(ir.IntType(1))
        fits.add_incoming(plain, short_end)
        fits.add_incoming(scanned, long_end)
        return value, fits

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
        string = cgutils.create_struct_proxy(ty)(context, builder, value=value)
        view = _view(builder, target, row)
        builder.call(
            output.put(builder.module), [view, words_of(builder, target), string.data, string.nbytes]
        )

    def begin(self, builder: Builder, target: Buffers) -> ir.Value:
        """Write what a loop does before its first row; return where the next byte goes, for `undo`."""
        return output.begin(builder, words_of(builder, target))

    def undo(self, builder: Builder, target: Buffers, mark: ir.Value) -> None:
        """Write how a loop gives back the room of all it wrote."""
        output.undo(builder, words_of(builder, target), mark)


class CategoryColumn(types.Type):  # type: ignore[misc]
    """A Categorical or Enum column with codes of ``width`` bytes, read as strings of type ``text``."""

    def __init__(self, width: int, text: StringType) -> None:
        self.width = width
        self.text = text
        super().__init__(name=f"categories[{width}, {text}]")


class CodeColumn(types.Type):  # type: ignore[misc]
    """A Categorical or Enum column, read as codes of type ``code``."""

    def __init__(self, code: types.Integer) -> None:
        self.code = code
        super().__init__(name=f"codes[{code}]")


class _Category(CheckedElement):
    def kernel_type(self, ty: CategoryColumn) -> types.Type:
        return ty.text

    def layout(self, ty: CategoryColumn) -> Layout:
        return Categories(ty.width)

    def argument_types(self, context: Context, ty: CategoryColumn) -> list[ir.Type]:
        return [_BYTES, _I64, _BYTES, _I64]

    def load_checked(
        self,
        context: Context,
        builder: Builder,
        ty: CategoryColumn,
        column: Buffers,
        row: ir.Value,
        there: ir.Value | None,
    ) -> tuple[ir.Value, ir.Value | None]:
        at = builder.gep(column.values, [builder.mul(row, _I64(ty.width))])
        code = builder.zext(viewcode.load(builder, at, 0, ir.IntType(8 * ty.width)), _I64)
        if there is not None:
            code = builder.select(there, code, _I64(0))
        entry = builder.gep(words_of(builder, column), [builder.mul(code, _I64(2))])
        data = builder.inttoptr(builder.load(entry), _BYTES)
        marked = builder.load(builder.gep(entry, [_I64(1)]))
        nbytes = builder.and_(marked, _I64(~NOT_ASCII))
        fits = builder.icmp_unsigned("==", nbytes, marked)
        if there is not None:
            nbytes = builder.select(there, nbytes, _I64(0))
            fits = builder.or_(fits, builder.not_(there))
        value = _value(context, builder, ty.text, data, nbytes)
        return value, fits if ty.text.ascii else None


class _Code(Element):
    def kernel_type(self, ty: CodeColumn) -> types.Type:
        return ty.code

    def layout(self, ty: CodeColumn) -> Layout:
        return Codes(ty.code.bitwidth // 8)

    def argument_types(self, context: Context, ty: CodeColumn) -> list[ir.Type]:
        return super().argument_types(context, ty.code)


def narrow(ty: types.Type) -> types.Type:
    """Return the type that a kernel's guarded variant reads a column as: strings as ASCII."""
    if isinstance(ty, StringType):
        return ascii_string
    return CategoryColumn(ty.width, ascii_string) if isinstance(ty, CategoryColumn) else ty


def is_text(ty: types.Type) -> bool:
    """Whether a column or constant holds strings or bytes."""
    return isinstance(ty, (ViewType, CategoryColumn))


def _may_be_wider(ty: types.Type) -> bool:
    return isinstance(ty, StringType) and ty.ascii


def _value(context: Context, builder: Builder, ty: types.Type, data: ir.Value, nbytes: ir.Value) -> ir.Value:
    value = cgutils.create_struct_proxy(ty)(context, builder)
    value.data, value.nbytes = data, nbytes
    return value._getvalue()


def words_of(builder: Builder, column: Buffers) -> ir.Value:
    """Return the table of an input column, or the data builder of an output column."""
    return builder.inttoptr(column.extra, _WORDS)


def _view(builder: Builder, column: Buffers, row: ir.Value) -> ir.Value:
    return builder.gep(column.values, [builder.mul(row, _I64(VIEW_BYTES))])


register(StringType, ViewElement())
register(BytesType, ViewElement())
register(CategoryColumn, _Category())
register(CodeColumn, _Code())
