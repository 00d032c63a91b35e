"""What Python does with dicts, sets, lists and tuples that nothing changes."""

from __future__ import annotations

import operator

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.extending import intrinsic, overload_method

from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, operation
from dataflare_vec.compiler.jit.lowering.tables.find import finder
from dataflare_vec.compiler.jit.lowering.tables.memory import block, nothing_of, read, value_at, word
from dataflare_vec.compiler.jit.lowering.tables.records import got
from dataflare_vec.compiler.jit.types.tables import (
    GONE_OVER,
    NothingType,
    TableIterator,
    TableType,
    TableView,
)
from dataflare_vec.compiler.jit.types.wide_integers import I128, WideIntType, widened

_I64 = ir.IntType(64)
_VIEWS = ("keys", "values", "items")


def _finder(table, key):
    return finder(table.index, table.index_at, types.unliteral(key))


def _is_sequence(table):
    return isinstance(table, TableType) and table.form in ("list", "tuple")


# -- looking up -------------------------------------------------------------------------------------------


@operation(operator.contains)
def _contains(table, key):
    if isinstance(table, TableView) and table.what == "keys":
        find = _finder(table.table, key)
    elif isinstance(table, TableType) and table.form != "record":
        find = _finder(table, key)
    else:
        return None
    return lambda table, key: find(block(table), key) >= 0


@operation(operator.getitem)
def _getitem(table, key):
    if not isinstance(table, TableType) or table.form == "record":
        return None
    if table.form == "dict":
        find, absent = _finder(table, key), "the key isn't in the table"

        def get(table, key):
            row = find(block(table), key)
            if row < 0:
                raise KeyError(absent)
            return value_at(table, row)

        return get
    if table.form == "set" or not isinstance(key, (types.Integer, types.Boolean, WideIntType)):
        return None
    table.check_values()
    message = f"{table.form} index out of range"

    def item(table, key):
        count = word(block(table), 0)
        row = as_index(key)
        if row < 0:
            row += count
        if row < 0 or row >= count:
            raise IndexError(message)
        return value_at(table, row)

    return item


@intrinsic
def as_index(typing_context, number):
    """Return an integer in 64 bits; one that doesn't fit as the least, which is in no list."""

    def generate(context, builder, signature, arguments):
        whole = widened(builder, arguments[0], types.unliteral(number))
        index = builder.trunc(whole, _I64)
        fits = builder.icmp_signed("==", builder.sext(index, I128), whole)
        return builder.select(fits, index, _I64(-(1 << 63)))

    return types.int64(number), generate


@overload_method(TableType, "get", jit_options=OPTIONS)
def _get(table, key, default=None):
    if table.form == "record":
        return got(table, key, default)
    if table.form != "dict":
        return None
    find = _finder(table, key)
    if isinstance(default, NothingType):

        def get_some(table, key, default=None):
            row = find(block(table), key)
            return nothing_of(table) if row < 0 else value_at(table, row)

        return get_some

    def get(table, key, default=None):
        row = find(block(table), key)
        if row < 0:
            return default
        return value_at(table, row)

    return get


@overload_method(TableType, "index", jit_options=OPTIONS)
def _index(table, item):
    if not _is_sequence(table):
        return None
    find, absent = _finder(table, item), f"it is not in the {table.form}"

    def index(table, item):
        row = find(block(table), item)
        if row < 0:
            raise ValueError(absent)
        return row

    return index


# -- all of it --------------------------------------------------------------------------------------------


def _is_any(table):
    return isinstance(table, TableView) or (isinstance(table, TableType) and table.form != "record")


@operation(len)
def _len(table):
    return (lambda table: word(block(table), 0)) if _is_any(table) else None


@operation(bool)
def _bool(table):
    return (lambda table: word(block(table), 0) != 0) if _is_any(table) else None


@operation(operator.not_)
def _not(table):
    return (lambda table: word(block(table), 0) == 0) if _is_any(table) else None


def _view(what):
    @intrinsic
    def view(typing_context, table):
        return TableView(table, what)(table), lambda context, builder, signature, arguments: arguments[0]

    @overload_method(TableType, what, jit_options=OPTIONS)
    def method(table):
        if table.form == "record":
            raise TypingError(GONE_OVER)
        return (lambda table: view(table)) if table.form == "dict" else None


for _what in _VIEWS:
    _view(_what)


@lower_builtin("getiter", TableType)
@lower_builtin("getiter", TableView)
def _getiter(context, builder, signature, arguments):
    iterator = context.make_helper(builder, signature.return_type)
    iterator.view = arguments[0]
    iterator.row = cgutils.alloca_once_value(builder, _I64(0))
    builder.store(_I64(0), iterator.row)
    return iterator._getvalue()


@lower_builtin("iternext", TableIterator)
@iternext_impl(RefType.UNTRACKED)
def _iternext(context, builder, signature, arguments, result):
    view = signature.args[0].view
    table = view.table
    iterator = context.make_helper(builder, signature.args[0], value=arguments[0])
    row = builder.load(iterator.row)
    count = builder.load(builder.bitcast(iterator.view, _I64.as_pointer()))
    valid = builder.icmp_signed("<", row, count)
    result.set_valid(valid)
    with builder.if_then(valid):
        columns = {"keys": (table.key_kind, table.key_at), "values": (table.value_kind, table.value_at)}
        wanted = list(columns.values()) if view.what == "items" else [columns[view.what]]
        items = [read(context, builder, kind, iterator.view, at, row) for kind, at in wanted]
        value = context.make_tuple(builder, view.item, items) if view.what == "items" else items[0]
        result.yield_(value)
        builder.store(builder.add(row, _I64(1)), iterator.row)
