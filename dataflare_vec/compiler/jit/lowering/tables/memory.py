"""What a table's block holds: words of its header, and the keys and values of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.types.strings import byte_pointer
from dataflare_vec.compiler.jit.types.tables import RecordType, TableType, or_empty, type_of_kind

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )
    from dataflare_vec.definition.tables.kinds import Kind

_I8, _I64, _I128 = ir.IntType(8), ir.IntType(64), ir.IntType(128)
#: How many bits a value takes, where it isn't 64.
_WIDTHS = {"bool": _I8, "wide": _I128, "decimal": _I128}


@intrinsic
def block(typing_context: TypingContext, table: Any) -> Any:
    """Return where the block of a table, or of a view of one, begins."""
    return byte_pointer(table), lambda context, builder, signature, arguments: arguments[0]


@intrinsic
def word(typing_context: TypingContext, block: Any, at: Any) -> Any:
    """Return a word of a header."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return _word(builder, *arguments)

    return types.int64(byte_pointer, types.int64), generate


@intrinsic
def section(typing_context: TypingContext, block: Any, at: Any) -> Any:
    """Return what lies where a word of the header says."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return _section(builder, *arguments)

    return byte_pointer(byte_pointer, types.int64), generate


def _word(builder: Builder, block: ir.Value, at: ir.Value) -> ir.Value:
    header = builder.bitcast(block, _I64.as_pointer())
    return _fixed(builder, builder.load(builder.gep(header, [at]), align=8))


def _section(builder: Builder, block: ir.Value, at: ir.Value) -> ir.Value:
    return builder.gep(block, [_word(builder, block, at)])


def _fixed(builder: Builder, load: ir.Value) -> ir.Value:
    """Tell LLVM that nothing is ever written there."""
    load.set_metadata("invariant.load", builder.module.add_metadata([]))
    return load


@intrinsic
def value_at(typing_context: TypingContext, table: Any, row: Any) -> Any:
    """Return the value in a row, or the item of a list or tuple."""
    return _reader(table, table.value_kind, table.value_at)


@intrinsic
def key_at(typing_context: TypingContext, table: Any, row: Any) -> Any:
    """Return the key in a row."""
    return _reader(table, table.key_kind, table.key_at)


@intrinsic
def nothing_of(typing_context: TypingContext, table: Any) -> Any:
    """Return a container that holds nothing, as those that are the values of a table."""
    kind = table.value_kind
    if kind is None or kind.name not in ("inner", "record"):
        return None
    kind = kind._replace(nullable=False)
    at = table.value_at + table.value_kind.nullable
    ty = type_of_kind(kind)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return emptied(context, builder, ty, read(context, builder, kind, arguments[0], at, _I64(0)))

    return or_empty(ty)(table), generate


def emptied(context: Context, builder: Builder, ty: Any, container: Any) -> Any:
    """Return an empty container, of the type of one within a table or of `or_empty` of it."""
    made = context.make_helper(builder, ty, value=container)
    if isinstance(ty, RecordType):
        made.there = cgutils.false_bit
    else:
        made.owner, made.first, made.last = _I64(-1), _I64(0), _I64(0)
    return made._getvalue()


def _reader(table: TableType, kind: Kind | None, at: int) -> Any:
    if kind is None:
        return None

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return read(context, builder, kind, arguments[0], at, arguments[1])

    return type_of_kind(kind)(table, types.int64), generate


def read(context: Context, builder: Builder, kind: Kind, block: ir.Value, at: int, row: ir.Value) -> Any:
    """Return the value in a row of the column whose places in the header begin with ``at``."""
    ty = type_of_kind(kind)
    if kind.nullable:
        there = _fixed(builder, builder.load(builder.gep(_section(builder, block, _I64(at)), [row])))
        optional = context.make_helper(builder, ty)
        optional.valid = builder.trunc(there, ir.IntType(1))
        optional.data = read(context, builder, kind._replace(nullable=False), block, at + 1, row)
        return optional._getvalue()
    if kind.name == "none":
        return context.get_dummy_value()
    if kind.name == "tuple":
        items = []
        for item in kind.items:
            items.append(read(context, builder, item, block, at, row))
            at += item.words
        return context.make_tuple(builder, ty, items)
    if kind.name == "record":
        record = cgutils.create_struct_proxy(ty)(context, builder)
        record.there = cgutils.true_bit
        for place, item in enumerate(kind.items):
            has = cgutils.true_bit
            if not kind.about[place][1]:
                column = builder.gep(_section(builder, block, _I64(at)), [row])
                has = builder.trunc(_fixed(builder, builder.load(column)), ir.IntType(1))
                at += 1
            setattr(record, f"has{place}", has)
            setattr(record, f"item{place}", read(context, builder, item, block, at, row))
            at += item.words
        return record._getvalue()
    column = _section(builder, block, _I64(at))
    if kind.name in ("text", "bytes", "inner"):
        places = builder.bitcast(column, _I64.as_pointer())
        begin, end = (
            _fixed(builder, builder.load(builder.gep(places, [builder.add(row, _I64(i))]))) for i in (0, 1)
        )
    if kind.name == "inner":
        inner = cgutils.create_struct_proxy(ty)(context, builder)
        inner.table = _section(builder, block, _I64(at + 1))
        inner.owner, inner.first, inner.last = row, begin, end
        return inner._getvalue()
    if kind.name in ("text", "bytes"):
        view = cgutils.create_struct_proxy(ty)(context, builder)
        view.data = builder.gep(_section(builder, block, _I64(at + 1)), [begin])
        view.nbytes = builder.sub(end, begin)
        return view._getvalue()
    stored = ir.DoubleType() if kind.name == "float" else _WIDTHS.get(kind.name, _I64)
    value = builder.load(builder.gep(builder.bitcast(column, stored.as_pointer()), [row]), align=1)
    _fixed(builder, value)
    if kind.name == "bool":
        return builder.trunc(value, ir.IntType(1))
    return builder.zext(value, _I128) if kind.name == "natural" else value
