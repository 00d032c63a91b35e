"""A kernel returns an array or a list: its bytes are copied into the column, and its memory is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from llvmlite import ir
from numba.core import types
from numba.cpython.listobj import ListInstance
from numba.np.arrayobj import make_array

from dataflare_vec.jit.elements import register
from dataflare_vec.jit.strings import viewcode
from dataflare_vec.jit.strings.column import ViewElement
from dataflare_vec.layouts.packed import PackedRows
from dataflare_vec.layouts.views import VIEW_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.jit.slots import Buffers
    from dataflare_vec.layouts import Layout

_I64 = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
_VALUE = ir.LiteralStructType([_BYTES, _I64, _BYTES])  # items, bytes, what keeps them alive
_MEMORY = types.MemInfoPointer(types.voidptr)


class PackedType(types.Type):  # type: ignore[misc]
    """A column of results that are 1-D arrays or lists.

    Parameters
    ----------
    dtype
        Type of an item.
    length
        How many items each has; None for any.
    """

    def __init__(self, dtype: types.Type, length: int | None) -> None:
        self.dtype = dtype
        self.length = length
        super().__init__(name=f"packed({dtype}, {length})")

    @property
    def width(self) -> int:
        """Bytes of an item."""
        return 1 if self.dtype == types.boolean else int(self.dtype.bitwidth) // 8


def packed_column(
    value: types.Type, wanted: Any, item: Callable[[Any], Any], dtype_of: Callable[[Any], Any]
) -> tuple[PackedType, Any]:
    """Return type and dtype of a column of results that are arrays or lists.

    Parameters
    ----------
    wanted
        The declared dtype, or None.
    item, dtype_of
        The type of items of a dtype of numbers (None for others), and the dtype of a type.

    Raises
    ------
    ValueError
        If it can't be a column, or isn't what is declared; the message says why.
    """
    dtype = types.unliteral(value.dtype)
    if isinstance(value, types.Array) and (value.ndim != 1 or value.layout != "C"):
        what = f"{value.ndim}-D" if value.ndim != 1 else "not contiguous"
        msg = f"it returns an array that is {what}; return a 1-D one, as `np.ascontiguousarray(a)` makes it"
        raise ValueError(msg)
    own = dtype_of(dtype)
    if own is None:
        msg = f"it returns a list or array of `{dtype}`; its items must be numbers or bools"
        raise ValueError(msg)
    if wanted is None:
        return PackedType(dtype, None), pl.List(own)
    if not isinstance(wanted, (pl.List, pl.Array)) or isinstance(wanted.inner, (pl.List, pl.Array)):
        msg = f"it returns a list or array of {own}, but `returns` declares {wanted}"
        raise ValueError(msg)
    if item(wanted.inner) != dtype:
        msg = (
            f"it returns a list or array of {own}, but `returns` declares {wanted}; convert in the kernel, "
            "as `a.astype(np.float32)`"
        )
        raise ValueError(msg)
    return PackedType(dtype, wanted.size if isinstance(wanted, pl.Array) else None), wanted


class _Packed(ViewElement):
    def layout(self, ty: PackedType) -> Layout:
        return PackedRows(ty.width)

    def zero(self, context: Any, ty: PackedType) -> ir.Value:
        return ir.Constant(_VALUE, None)

    def convert(
        self, context: Any, builder: ir.IRBuilder, value: ir.Value, given: types.Type, ty: PackedType
    ) -> ir.Value:
        if isinstance(given, types.Array):
            array = make_array(given)(context, builder, value)
            data, items, memory = array.data, array.nitems, array.meminfo
        else:
            found = ListInstance(context, builder, given, value)
            data, items, memory = found.data, found.size, found.meminfo
        packed = ir.Constant(_VALUE, ir.Undefined)
        nbytes = builder.mul(items, _I64(ty.width))
        for i, part in enumerate((builder.bitcast(data, _BYTES), nbytes, memory)):
            packed = builder.insert_value(packed, part, i)
        return packed

    def outside(
        self, context: Any, builder: ir.IRBuilder, value: ir.Value, given: types.Type, ty: PackedType
    ) -> ir.Value | None:
        if ty.length is None:
            return None
        nbytes = builder.extract_value(self.convert(context, builder, value, given, ty), 1)
        return builder.icmp_unsigned("!=", nbytes, _I64(ty.length * ty.width))

    def store(
        self,
        context: Any,
        builder: ir.IRBuilder,
        ty: PackedType,
        value: ir.Value,
        target: Buffers,
        row: ir.Value,
    ) -> None:
        data, nbytes, memory = (builder.extract_value(value, i) for i in range(3))
        view = builder.gep(target.values, [builder.mul(row, _I64(VIEW_BYTES))])
        writer = builder.inttoptr(target.extra, _I64.as_pointer())
        builder.call(viewcode.put(builder.module), [view, writer, data, nbytes])
        context.nrt.decref(builder, _MEMORY, memory)


register(PackedType, _Packed())
