"""Enum columns of results: of each string the code, which a table of the categories says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import Signature

from dataflare_vec.arrow.layouts import FixedWidth, Layout
from dataflare_vec.compiler.jit.abi.elements import Element, register
from dataflare_vec.compiler.jit.lowering.tables.find import finder
from dataflare_vec.compiler.jit.lowering.tables.memory import block
from dataflare_vec.compiler.jit.types.tables import TableType, constant_table
from dataflare_vec.definition.tables.frozen import categories_of

if TYPE_CHECKING:
    import polars as pl

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I64 = ir.IntType(64)


class EnumColumn(types.Type):  # type: ignore[misc]
    """A column of results that are categories of an Enum, stored as codes of type ``code``."""

    def __init__(self, dtype: pl.Enum, code: types.Type) -> None:
        self.table = categories_of(dtype)
        self.code = code
        super().__init__(name=f"enums({self.table.digest}, {code})")


class _EnumResult(Element):
    def layout(self, ty: EnumColumn) -> Layout:
        return FixedWidth(ty.code.bitwidth // 8)

    def argument_types(self, context: Context, ty: EnumColumn) -> list[ir.Type]:
        return super().argument_types(context, ty.code)

    def zero(self, context: Context, ty: EnumColumn) -> ir.Value:
        return super().zero(context, ty.code)

    def convert(
        self, context: Context, builder: Builder, value: ir.Value, given: types.Type, ty: EnumColumn
    ) -> tuple[ir.Value, ir.Value | None]:
        table = TableType(*ty.table.signature)
        signature = Signature(types.int64, (table, given), None)
        search = _search(finder(table.index, table.index_at, given))
        compiled = context.compile_subroutine(builder, search, signature)
        arguments = constant_table(context, builder, table, ty.table), value
        # A loop raises nothing, and neither does this.
        _, place = context.call_internal_no_propagate(builder, compiled.fndesc, signature, arguments)
        absent = builder.icmp_signed("<", place, _I64(0))
        place = builder.select(absent, _I64(0), place)  # of a struct that failed its fields are there
        return builder.trunc(place, context.get_data_type(ty.code)), absent


def _search(find: Any) -> Any:
    def search(table: Any, text: Any) -> Any:  # compiled
        return find(block(table), text)

    return search


register(EnumColumn, _EnumResult())
