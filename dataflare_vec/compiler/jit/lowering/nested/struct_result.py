"""A kernel returns a tuple that is one Struct column: each field is written into a column of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from llvmlite import ir
from numba.core import cgutils, types

from dataflare_vec.arrow.layouts import Layout, Structs
from dataflare_vec.compiler.jit.abi.arguments import Output
from dataflare_vec.compiler.jit.abi.buffers import Buffers
from dataflare_vec.compiler.jit.abi.elements import Element, element_of, register, store_bit
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I1, _I64 = ir.IntType(1), ir.IntType(64)
_BYTES = ir.PointerType(ir.IntType(8))


class StructResultColumn(types.Type):  # type: ignore[misc]
    """A column of results that are structs.

    Parameters
    ----------
    names
        Of the fields.
    fields
        What each is stored as.
    positions
        Which item of the kernel's tuple each is.
    """

    def __init__(
        self, names: tuple[str, ...], fields: tuple[Output, ...], positions: tuple[int, ...]
    ) -> None:
        self.names = names
        self.fields = fields
        self.positions = positions
        super().__init__(name=f"struct result({names}, {fields}, {positions})")


def struct_result_column(
    value: types.BaseTuple, wanted: Any, output_of: Callable[[types.Type, Any], Output]
) -> tuple[StructResultColumn, Any]:
    """Return type and dtype of a Struct column of results.

    Parameters
    ----------
    value
        The kernel's tuple.
    wanted
        The declared dtype; without fields, or None, they are those of the named tuple.
    output_of
        Returns how a field is stored, by its type and declared dtype.

    Raises
    ------
    KernelResultError
        If it isn't what is declared; the message says why.
    """
    own = tuple(value.fields) if isinstance(value, types.BaseNamedTuple) else None
    declared = {field.name: field.dtype for field in wanted.fields} if wanted is not None else {}
    names = tuple(declared) or own
    if names is None:
        msg = "it returns a plain tuple, and a struct's fields have names"
        raise KernelResultError(
            msg, hint="return a named tuple, or declare them, as `returns=pl.Struct({…})`"
        )
    if len(names) != len(value) or (own is not None and set(own) != set(names)):
        fields = ", ".join(own) if own is not None else f"{len(value)} values"
        msg = f"it returns {fields}, but `returns` declares a struct of {', '.join(names)}"
        raise KernelResultError(msg)
    positions = tuple(range(len(names))) if own is None else tuple(own.index(name) for name in names)
    items = list(value)
    outputs = tuple(output_of(items[i], declared.get(name)) for name, i in zip(names, positions, strict=True))
    dtype = pl.Struct({name: output.dtype for name, output in zip(names, outputs, strict=True)})
    return StructResultColumn(names, outputs, positions), dtype


class _StructResults(Element):
    """Its value in LLVM: for each field the value and whether it is there."""

    def layout(self, ty: StructResultColumn) -> Layout:
        layouts = tuple(element_of(field.type).layout(field.type) for field in ty.fields)
        nullable = frozenset(name for name, field in zip(ty.names, ty.fields, strict=True) if field.nullable)
        return Structs(ty.names, layouts, nullable)

    def argument_types(self, context: Context, ty: StructResultColumn) -> list[ir.Type]:
        inner = [argument for field in ty.fields for argument in _argument_types(context, field)]
        return [_BYTES, _I64, _BYTES, _I64, *inner]

    def zero(self, context: Context, ty: StructResultColumn) -> ir.Value:
        kinds = [kind for field in ty.fields for kind in (_zero(context, field).type, _I1)]
        return ir.Constant(ir.LiteralStructType(kinds), None)

    def convert(
        self, context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: StructResultColumn
    ) -> tuple[ir.Value, ir.Value | None]:
        result, any_outside = self.zero(context, ty), cgutils.false_bit
        for i, (field, item, item_type, there) in enumerate(_items(context, builder, value, given, ty)):
            element = element_of(field.type)
            stored, outside = element.convert(context, builder, item, item_type, field.type)
            stored = builder.select(there, stored, _zero(context, field))
            result = builder.insert_value(result, stored, 2 * i)
            result = builder.insert_value(result, there, 2 * i + 1)
            if outside is not None:
                any_outside = builder.or_(any_outside, builder.and_(outside, there))
        return result, any_outside

    def store(
        self,
        context: Context,
        builder: Builder,
        ty: StructResultColumn,
        value: ir.Value,
        target: Buffers,
        row: ir.Value,
    ) -> None:
        for i, (field, buffers) in enumerate(_columns(context, ty, target)):
            item, there = (builder.extract_value(value, 2 * i + j) for j in range(2))
            if field.type == types.boolean:
                store_bit(builder, buffers.values, builder.add(buffers.extra, row), item)
            else:
                element_of(field.type).store(context, builder, field.type, item, buffers, row)
            if field.nullable:
                store_bit(builder, buffers.validity, builder.add(buffers.validity_offset, row), there)


def _argument_types(context: Context, field: Output) -> list[ir.Type]:
    return element_of(field.type).argument_types(context, field.type)


def _zero(context: Context, field: Output) -> ir.Value:
    return element_of(field.type).zero(context, field.type)


def _items(
    context: Context, builder: Builder, value: ir.Value, given: types.BaseTuple, ty: StructResultColumn
) -> Iterator[tuple[Output, ir.Value, types.Type, ir.Value]]:
    """Yield each field, its value in the kernel's tuple, the value's type, and whether it isn't None."""
    items = cgutils.unpack_tuple(builder, value, len(given))
    kinds: Sequence[types.Type] = list(given)
    for field, position in zip(ty.fields, ty.positions, strict=True):
        item, kind, there = items[position], kinds[position], cgutils.true_bit
        if isinstance(kind, types.Optional):
            optional = context.make_helper(builder, kind, value=item)
            item, there, kind = optional.data, optional.valid, kind.type
        plain = types.unliteral(kind)
        yield field, context.cast(builder, item, kind, plain), plain, there


def _columns(context: Context, ty: StructResultColumn, target: Buffers) -> Iterator[tuple[Output, Buffers]]:
    left = list(target.inner)
    for field in ty.fields:
        count = len(_argument_types(context, field))
        taken, left = left[:count], left[count:]
        yield field, Buffers(taken)


register(StructResultColumn, _StructResults())
