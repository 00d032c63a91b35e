"""A kernel returns an array or a list: its bytes are copied into the column, and its memory is given back.

Of strings a list holds addresses: the column gets views instead, each as in a column of strings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from llvmlite import ir
from numba.core import cgutils, types
from numba.cpython.listobj import ListInstance
from numba.np.arrayobj import make_array

from dataflare_vec.arrow.layouts.list_result import ListResults
from dataflare_vec.arrow.layouts.string_views import VIEW_BYTES
from dataflare_vec.compiler.jit.abi.buffers import Buffers
from dataflare_vec.compiler.jit.abi.elements import element_of, register
from dataflare_vec.compiler.jit.lowering.nested.row_lists import RowListType
from dataflare_vec.compiler.jit.lowering.nested.string_lists import StringListType
from dataflare_vec.compiler.jit.lowering.strings import output, viewcode
from dataflare_vec.compiler.jit.lowering.strings.column import ViewElement
from dataflare_vec.compiler.jit.types.strings import StringType, ViewType, utf8_string
from dataflare_vec.compiler.jit.types.wide_integers import I128, NaturalType, natural
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.arrow.layouts import Layout
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I64 = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
# Items, bytes, what keeps them alive; of items that are views already, the table of their buffers.
_VALUE = ir.LiteralStructType([_BYTES, _I64, _BYTES, _I64])
_MEMORY = types.MemInfoPointer(types.voidptr)


class ListResultColumn(types.Type):  # type: ignore[misc]
    """A column of results that are 1-D arrays or lists.

    Parameters
    ----------
    dtype
        Type of an item.
    length
        How many items each has; None for any.
    given
        Type of the result.
    """

    def __init__(self, dtype: types.Type, length: int | None, given: types.Type) -> None:
        self.dtype = dtype
        self.length = length
        self.are_views = isinstance(given, StringListType)
        super().__init__(name=f"stored({dtype}, {length}, {self.are_views})")

    @property
    def width(self) -> int:
        """Bytes of an item."""
        if isinstance(self.dtype, ViewType):
            return VIEW_BYTES
        return 1 if self.dtype == types.boolean else int(self.dtype.bitwidth) // 8


def list_result_column(
    value: types.Type,
    wanted: Any,
    item: Callable[[Any], Any],
    dtype_of: Callable[[Any], Any],
    shown: Callable[[str], str],
) -> tuple[ListResultColumn, Any]:
    """Return type and dtype of a column of results that are arrays or lists.

    Parameters
    ----------
    wanted
        The declared dtype, or None.
    item, dtype_of
        The type of items of a dtype of numbers or strings (None for others), and the dtype of a type.
    shown
        A type's name in plain words.

    Raises
    ------
    KernelResultError
        If it can't be a column, or isn't what is declared; the message says why.
    """
    dtype = value.view if isinstance(value, StringListType) else types.unliteral(value.dtype)
    if isinstance(dtype, StringType):
        dtype = utf8_string
    if isinstance(value, types.Array) and (value.ndim != 1 or value.layout != "C"):
        what = f"{value.ndim}-D" if value.ndim != 1 else "not contiguous"
        msg = f"it returns an array that is {what}"
        raise KernelResultError(msg, hint="return a 1-D one, as `np.ascontiguousarray(a)` makes it")
    if isinstance(dtype, NaturalType) and isinstance(value, types.List):
        dtype = types.uint64
    own = dtype_of(dtype)
    if own is None:
        msg = f"it returns a list or array of `{shown(str(dtype))}`"
        raise KernelResultError(msg, hint="its items must be numbers, bools or strings")
    if wanted is None:
        return ListResultColumn(dtype, None, value), pl.List(own)
    if not isinstance(wanted, (pl.List, pl.Array)) or isinstance(wanted.inner, (pl.List, pl.Array)):
        msg = f"it returns a list or array of {own}, but `returns` declares {wanted}"
        raise KernelResultError(msg)
    if item(wanted.inner) != dtype:
        msg = f"it returns a list or array of {own}, but `returns` declares {wanted}"
        if item(wanted.inner) == utf8_string:
            hint = "convert in the kernel, as `[str(x) for x in a]`"
        elif isinstance(dtype, ViewType):
            hint = "cast the column afterwards"
        else:
            hint = "convert in the kernel, as `a.astype(np.float32)`"
        raise KernelResultError(msg, hint=hint)
    return ListResultColumn(dtype, wanted.size if isinstance(wanted, pl.Array) else None, value), wanted


class _ListResults(ViewElement):
    def layout(self, ty: ListResultColumn) -> Layout:
        return ListResults(ty.width)

    def zero(self, context: Context, ty: ListResultColumn) -> ir.Value:
        return ir.Constant(_VALUE, None)

    def convert(
        self, context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: ListResultColumn
    ) -> tuple[ir.Value, ir.Value | None]:
        if isinstance(given, types.List) and given.dtype == natural:
            wrong = _too_large(context, builder, value, given, ty)  # before they are shortened
            return self._stored(context, builder, value, given, ty), wrong
        stored = self._stored(context, builder, value, given, ty)
        if ty.length is None:
            return stored, None
        nbytes = builder.extract_value(stored, 1)
        return stored, builder.icmp_unsigned("!=", nbytes, _I64(ty.length * ty.width))

    def _stored(
        self, context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: ListResultColumn
    ) -> ir.Value:
        if isinstance(given, types.List):
            return self._of_list(context, builder, value, given, ty)
        if isinstance(given, types.Array):
            array = make_array(given)(context, builder, value)
            return _list_value(builder, ty, array.data, array.nitems, array.meminfo, _I64(0))
        strings = context.make_helper(builder, given, value=value)
        if isinstance(given, RowListType):
            return _list_value(builder, ty, strings.data, strings.size, _BYTES(None), _I64(0))
        return _list_value(builder, ty, strings.views, strings.size, _BYTES(None), strings.table)

    def _of_list(
        self, context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: ListResultColumn
    ) -> ir.Value:
        # A list is a pointer to all it is, and none where the kernel returned None.
        found = ListInstance(context, builder, given, value)
        stored = cgutils.alloca_once_value(builder, self.zero(context, ty))
        builder.store(self.zero(context, ty), stored)
        with builder.if_then(builder.icmp_unsigned("!=", found.meminfo, found.meminfo.type(None))):
            if given.dtype == natural:
                _shorten(builder, found)
            result = _list_value(builder, ty, found.data, found.size, found.meminfo, _I64(0))
            builder.store(result, stored)
        return builder.load(stored)

    def store(
        self,
        context: Context,
        builder: Builder,
        ty: ListResultColumn,
        value: ir.Value,
        target: Buffers,
        row: ir.Value,
    ) -> None:
        data, nbytes, memory, table = (builder.extract_value(value, i) for i in range(4))
        view = builder.gep(target.values, [builder.mul(row, _I64(VIEW_BYTES))])
        data_builder = builder.inttoptr(target.extra, _I64.as_pointer())
        builder.call(output.put(builder.module), [view, data_builder, data, nbytes])
        if isinstance(ty.dtype, ViewType):
            _put_items(context, builder, ty, view, data_builder, data, table)
        context.nrt.decref(builder, _MEMORY, memory)


def _too_large(
    context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: ListResultColumn
) -> ir.Value:
    """Whether a list of natural numbers doesn't fit a column of UInt64, or isn't of the right length."""
    found = ListInstance(context, builder, given, value)
    wrong = cgutils.alloca_once_value(builder, cgutils.false_bit)
    builder.store(cgutils.false_bit, wrong)
    with builder.if_then(builder.icmp_unsigned("!=", found.meminfo, found.meminfo.type(None))):
        if ty.length is not None:
            builder.store(builder.icmp_unsigned("!=", found.size, _I64(ty.length)), wrong)
        with cgutils.for_range(builder, found.size, intp=_I64) as loop:
            number = builder.load(builder.gep(found.data, [loop.index]), align=8)
            large = builder.icmp_unsigned("!=", builder.lshr(number, I128(64)), I128(0))
            builder.store(builder.or_(builder.load(wrong), large), wrong)
    return builder.load(wrong)


def _shorten(builder: Builder, found: Any) -> None:
    """Move the numbers of a list together, where they lie, as ones of 64 bits: nobody else has the list."""
    short = builder.bitcast(found.data, _I64.as_pointer())
    with cgutils.for_range(builder, found.size, intp=_I64) as loop:
        number = builder.load(builder.gep(found.data, [loop.index]), align=8)
        builder.store(builder.trunc(number, _I64), builder.gep(short, [loop.index]))


def _list_value(
    builder: Builder, ty: ListResultColumn, data: ir.Value, items: ir.Value, memory: ir.Value, table: ir.Value
) -> ir.Value:
    value = ir.Constant(_VALUE, ir.Undefined)
    nbytes = builder.mul(items, _I64(ty.width))
    for i, part in enumerate((builder.bitcast(data, _BYTES), nbytes, memory, table)):
        value = builder.insert_value(value, part, i)
    return value


def _put_items(
    context: Context,
    builder: Builder,
    ty: ListResultColumn,
    view: ir.Value,
    data_builder: ir.Value,
    data: ir.Value,
    table: ir.Value,
) -> None:
    """Write views of a list's strings over the copy of its items that was just made."""
    # 0 also if there was no room: the run will end with an error.
    nbytes = builder.zext(viewcode.load(builder, view, 0, ir.IntType(32)), _I64)
    end = builder.load(builder.gep(data_builder, [_I64(output.NEXT)]))
    copy = builder.inttoptr(builder.sub(end, nbytes), _BYTES)
    buffers = Buffers([data, table, None, None])
    with cgutils.for_range_slice(builder, _I64(0), nbytes, _I64(VIEW_BYTES), _I64) as (at, _):
        if ty.are_views:
            row = builder.udiv(at, _I64(VIEW_BYTES))
            item = element_of(ty.dtype).load(context, builder, ty.dtype, buffers, row)
            address, length = (builder.extract_value(item, i) for i in range(2))
        else:
            item = builder.gep(data, [at])
            address, length = (viewcode.load(builder, item, i, kind) for i, kind in ((0, _BYTES), (8, _I64)))
        builder.call(output.put(builder.module), [builder.gep(copy, [at]), data_builder, address, length])


register(ListResultColumn, _ListResults())
