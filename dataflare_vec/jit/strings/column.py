"""How a loop reads strings and bytes from a column, and writes them into one.

A column of views is read where it lies. Written strings of more than 12 bytes are copied into the data buffer of
the thread's writer, ``{next, end, start, index, restart, object, room}`` of 64 bits each: where the next byte
goes, where the buffer ends and begins, its index in the column, whether each call of the loop starts it over, and
the function ``room(object, nbytes)`` that puts another buffer in its place (`dataflare_vec.engine.writers`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils

from dataflare_vec.jit.elements import Element, register
from dataflare_vec.jit.strings.types import BytesType, StringType
from dataflare_vec.layouts import Categories, Views
from dataflare_vec.layouts.categories import NOT_ASCII
from dataflare_vec.layouts.views import INLINE_BYTES, VIEW_BYTES

if TYPE_CHECKING:
    from numba.core import types

    from dataflare_vec.jit.slots import Buffers

_I8, _I32, _I64, _I128 = (ir.IntType(bits) for bits in (8, 32, 64, 128))
_BYTES, _WORDS = _I8.as_pointer(), _I64.as_pointer()
_LANES = ir.VectorType(_I8, 16)
_NEXT, _END, _START, _INDEX, _RESTART, _OBJECT, _ROOM = range(7)
_INLINE = _I64(INLINE_BYTES)
#: Copies up to as many bytes are done in line; a call of the C library costs as much as the copy itself.
_SHORT_COPY = 32


class ViewElement(Element):
    """A string or bytes in a column of views."""

    def layout(self, ty: types.Type) -> Views:
        """Return how such a column lies in memory."""
        return Views()

    def slot_types(self, context: Any, ty: types.Type) -> list[ir.Type]:
        """Return the LLVM types of the column's four slots."""
        return [_BYTES, _WORDS, _BYTES, _I64]

    def load(
        self,
        context: Any,
        builder: ir.IRBuilder,
        ty: types.Type,
        column: Buffers,
        row: ir.Value,
        there: ir.Value | None = None,
    ) -> ir.Value:
        """Return the value of ``row``; an empty one, without a look at its view, if it isn't ``there``."""
        view = _view(builder, column, row)
        length = _load(builder, view, 0, _I32)
        if there is not None:
            length = builder.select(there, length, _I32(0))
        inline = builder.icmp_unsigned("<=", length, _I32(INLINE_BYTES))
        # Without a branch: for a value in its view the first entry of the table is read, and not used.
        index = builder.select(inline, _I32(0), _load(builder, view, 8, _I32))
        offset = builder.zext(_load(builder, view, 12, _I32), _I64)
        buffer = builder.load(builder.gep(column.extra, [builder.zext(index, _I64)]))
        elsewhere = builder.inttoptr(builder.add(buffer, offset), _BYTES)
        value = cgutils.create_struct_proxy(ty)(context, builder)
        value.data = builder.select(inline, builder.gep(view, [_I64(4)]), elsewhere)
        value.nbytes = builder.zext(length, _I64)
        return value._getvalue()

    def fits(
        self, context: Any, builder: ir.IRBuilder, ty: types.Type, column: Buffers, row: ir.Value, value: ir.Value
    ) -> ir.Value | None:
        """Return whether a value is of its type at all: a string of the ASCII type may be found not to be."""
        if not (isinstance(ty, StringType) and ty.ascii):
            return None
        string = cgutils.create_struct_proxy(ty)(context, builder, value=value)
        inline = builder.icmp_unsigned("<=", string.nbytes, _INLINE)
        # The bytes in the view behind the string are zeros.
        view = _view(builder, column, row)
        first = builder.shl(_load(builder, view, 0, _I64), _I64(32))
        high = builder.and_(builder.or_(first, _load(builder, view, 8, _I64)), _I64(0x8080808080808080))
        empty = builder.icmp_unsigned("==", string.nbytes, _I64(0))
        plain = builder.or_(empty, builder.icmp_unsigned("==", high, _I64(0)))
        with builder.if_else(inline) as (short, long):
            with short:
                short_end = builder.block
            with long:
                scanned = builder.call(_is_ascii(builder.module), [string.data, string.nbytes])
                long_end = builder.block
        result = builder.phi(ir.IntType(1))
        result.add_incoming(plain, short_end)
        result.add_incoming(scanned, long_end)
        return result

    def store(
        self, context: Any, builder: ir.IRBuilder, ty: types.Type, value: ir.Value, target: Buffers, row: ir.Value
    ) -> None:
        """Write the value of ``row``."""
        string = cgutils.create_struct_proxy(ty)(context, builder, value=value)
        builder.call(_put(builder.module), [_view(builder, target, row), target.extra, string.data, string.nbytes])

    def begin(self, builder: ir.IRBuilder, target: Buffers) -> ir.Value:
        """Write what is done before the first row; return the state of the writer for `undo`."""
        writer = target.extra
        restart = builder.icmp_unsigned("!=", _word(builder, writer, _RESTART), _I64(0))
        start, following = _word(builder, writer, _START), _word(builder, writer, _NEXT)
        following = builder.select(restart, start, following)
        builder.store(following, builder.gep(writer, [_I64(_NEXT)]))
        return following

    def undo(self, builder: ir.IRBuilder, target: Buffers, before: ir.Value) -> None:
        """Give back the room of what was written since `begin`, all of which will be written again."""
        writer = target.extra
        start, end = _word(builder, writer, _START), _word(builder, writer, _END)
        same = builder.and_(builder.icmp_unsigned(">=", before, start), builder.icmp_unsigned("<=", before, end))
        builder.store(builder.select(same, before, start), builder.gep(writer, [_I64(_NEXT)]))


class CategoryElement(ViewElement):
    """A string by its code, in a Categorical or Enum column; only read."""

    def __init__(self, width: int) -> None:
        self.width = width

    def layout(self, ty: types.Type) -> Categories:  # type: ignore[override]
        """Return how such a column lies in memory."""
        return Categories(self.width)

    def load(
        self,
        context: Any,
        builder: ir.IRBuilder,
        ty: types.Type,
        column: Buffers,
        row: ir.Value,
        there: ir.Value | None = None,
    ) -> ir.Value:
        """Return the string of ``row``; an empty one if it isn't ``there``."""
        address, length = self._entry(builder, column, row, there)
        length = builder.and_(length, _I64(~NOT_ASCII))
        value = cgutils.create_struct_proxy(ty)(context, builder)
        value.data = builder.inttoptr(address, _BYTES)
        value.nbytes = length if there is None else builder.select(there, length, _I64(0))
        return value._getvalue()

    def _entry(
        self, builder: ir.IRBuilder, column: Buffers, row: ir.Value, there: ir.Value | None
    ) -> tuple[ir.Value, ir.Value]:
        at = builder.gep(column.values, [builder.mul(row, _I64(self.width))])
        code = builder.zext(_load(builder, at, 0, ir.IntType(8 * self.width)), _I64)
        if there is not None:
            code = builder.select(there, code, _I64(0))
        entry = builder.gep(column.extra, [builder.mul(code, _I64(2))])
        return builder.load(entry), builder.load(builder.gep(entry, [_I64(1)]))
