"""A value of a Struct column is a named tuple; each field is read from a column of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types

from dataflare_vec.arrow.layouts import Layout, Structs
from dataflare_vec.compiler.jit.abi.buffers import Buffers
from dataflare_vec.compiler.jit.abi.elements import (
    CheckedElement,
    element_of,
    kernel_type_of,
    load_bit,
    register,
)
from dataflare_vec.definition.python_values import struct_fields, tuple_class
from dataflare_vec.exceptions import ColumnTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I64 = ir.IntType(64)
_BYTES = ir.PointerType(ir.IntType(8))


class StructColumn(types.Type):  # type: ignore[misc]
    """A column of structs.

    Parameters
    ----------
    python_class
        The class of named tuples that a kernel receives.
    columns
        Types of the fields' columns.
    nullable
        Which fields the kernel may receive as None.
    """

    def __init__(
        self, python_class: type, columns: tuple[types.Type, ...], nullable: tuple[bool, ...]
    ) -> None:
        self.python_class = python_class
        self.columns = columns
        self.nullable = nullable
        fields = ", ".join(
            f"{name}: {column}{' | None' if null else ''}"
            for name, column, null in zip(self.names, columns, nullable, strict=True)
        )
        super().__init__(name=f"struct {python_class.__name__}({fields})")

    @property
    def key(self) -> Any:
        """Columns of equal keys are of equal types."""
        return self.python_class, self.columns, self.nullable

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields."""
        return self.python_class._fields  # type: ignore[attr-defined,no-any-return]

    @property
    def items(self) -> list[types.Type]:
        """Types of the named tuple's fields."""
        return [
            types.Optional(kernel_type_of(column)) if null else kernel_type_of(column)
            for column, null in zip(self.columns, self.nullable, strict=True)
        ]


def struct_column(dtype: Any, expects: type | None, column_type: Callable[..., Any]) -> StructColumn | None:
    """Return the type of a Struct column; None if a kernel can read no field of it.

    Parameters
    ----------
    expects
        The class of named tuples that the kernel's parameter is annotated with, if it is.
    column_type
        Returns the type of a field's column by dtype and annotation, None if it can't be read.

    Raises
    ------
    ColumnTypeError
        If an annotated field isn't there, or can't be read: what is expected, and why it isn't so.
    """
    dtypes = {field.name: field.dtype for field in dtype.fields}
    expected = "a struct with the annotated fields"
    names, columns, nullable = [], [], []
    for field in struct_fields(dtype, expects):
        if field.name not in dtypes:
            there = ", ".join(f"`{name}`" for name in dtypes)
            msg = f"there is no field `{field.name}`, there are {there}"
            raise ColumnTypeError(msg, expected=expected)
        column = column_type(dtypes[field.name], field.expects)
        if column is None and expects is not None:
            msg = f"the field `{field.name}` is {dtypes[field.name]}, which a kernel can't read"
            raise ColumnTypeError(msg, expected=expected)
        if column is not None:
            names.append(field.name)
            columns.append(column)
            nullable.append(field.nullable)
    if not names:
        return None
    python_class = expects or tuple_class(tuple(names))
    return StructColumn(python_class, tuple(columns), tuple(nullable))


class _Structs(CheckedElement):
    def kernel_type(self, ty: StructColumn) -> types.Type:
        return types.BaseTuple.from_types(ty.items, ty.python_class)

    def layout(self, ty: StructColumn) -> Layout:
        layouts = tuple(element_of(column).layout(column) for column in ty.columns)
        nullable = frozenset(name for name, null in zip(ty.names, ty.nullable, strict=True) if null)
        return Structs(ty.names, layouts, nullable)

    def argument_types(self, context: Context, ty: StructColumn) -> list[ir.Type]:
        inner = [
            argument
            for column in ty.columns
            for argument in element_of(column).argument_types(context, column)
        ]
        return [_BYTES, _I64, _BYTES, _I64, *inner]

    def load_checked(
        self,
        context: Context,
        builder: Builder,
        ty: StructColumn,
        column: Buffers,
        row: ir.Value,
        there: ir.Value | None,
    ) -> tuple[ir.Value, ir.Value | None]:
        left = list(column.inner)
        values, fits = [], None
        for field, null, item in zip(ty.columns, ty.nullable, ty.items, strict=True):
            count = len(element_of(field).argument_types(context, field))
            buffers, left = Buffers(left[:count]), left[count:]
            valid = _valid(builder, buffers, row) if null else None
            counts = there if valid is None else valid if there is None else builder.and_(there, valid)
            value, fitting = element_of(field).load_checked(context, builder, field, buffers, row, counts)
            if fitting is not None:
                fits = fitting if fits is None else builder.and_(fits, fitting)
            if valid is not None:
                optional = context.make_helper(builder, item)
                optional.data = value
                optional.valid = valid
                value = optional._getvalue()
            values.append(value)
        return context.make_tuple(builder, self.kernel_type(ty), values), fits


def _valid(builder: Builder, buffers: Buffers, row: ir.Value) -> ir.Value:
    """Whether a field isn't null; all are if it has no bitmap."""
    there = builder.icmp_unsigned("!=", buffers.validity, _BYTES(None))
    valid = cgutils.alloca_once_value(builder, cgutils.true_bit)
    builder.store(cgutils.true_bit, valid)
    with builder.if_then(there):
        builder.store(load_bit(builder, buffers.validity, builder.add(buffers.validity_offset, row)), valid)
    return builder.load(valid)


register(StructColumn, _Structs())
