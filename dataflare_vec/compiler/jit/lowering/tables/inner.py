"""What Python does with dicts, lists and sets within a table."""

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.extending import intrinsic, make_attribute_wrapper, overload_method

from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, helper, operation
from dataflare_vec.compiler.jit.lowering.tables.find import finder
from dataflare_vec.compiler.jit.lowering.tables.memory import block, nothing_of, read, value_at
from dataflare_vec.compiler.jit.lowering.tables.methods import as_index
from dataflare_vec.compiler.jit.types.tables import InnerIterator, InnerType, NothingType
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType

_I64 = ir.IntType(64)

for _name in ("table", "owner", "first", "last"):
    make_attribute_wrapper(InnerType, _name, f"_{_name}")


def _finder(inner, key):
    """Return a function from the joined table's block, the owner's row and a key to the key's row there."""
    table = inner.table
    return finder(table.index, table.index_at, types.Tuple([types.int64, types.unliteral(key)]))


def _is_dict(inner):
    return isinstance(inner, InnerType) and inner.table.form == "dict" and inner.what == "keys"


def _compared(key):
    """Return what an item is compared as with a value: as NumPy has it, a Float32 rounds Python's numbers."""
    if types.unliteral(key) == types.float32:
        return helper(lambda item: np.float32(item))
    return helper(lambda item: item)


# -- looking up -------------------------------------------------------------------------------------------


@operation(operator.contains)
def _contains(inner, key):
    if not isinstance(inner, InnerType) or inner.what == "items":
        return None
    if inner.table.form == "list" or inner.what == "values":
        compared = _compared(key)

        def among(inner, key):
            for item in inner:
                if compared(item) == key:
                    return True
            return False

        return among
    find = _finder(inner, key)
    return lambda inner, key: find(block(inner._table), (inner._owner, key)) >= 0


@operation(operator.getitem)
def _getitem(inner, key):
    if _is_dict(inner):
        find, absent = _finder(inner, key), "the key isn't in the table"

        def get(inner, key):
            row = find(block(inner._table), (inner._owner, key))
            if row < 0:
                raise KeyError(absent)
            return value_at(inner._table, row)

        return get
    beyond = "list index out of range"
    is_list = isinstance(inner, InnerType) and inner.table.form == "list"
    if not is_list or not isinstance(key, (types.Integer, types.Boolean, WideIntType)):
        return None

    def item(inner, key):
        count = inner._last - inner._first
        row = as_index(key)
        if row < 0:
            row += count
        if row < 0 or row >= count:
            raise IndexError(beyond)
        return value_at(inner._table, inner._first + row)

    return item


@overload_method(InnerType, "get", jit_options=OPTIONS)
def _get(inner, key, default=None):
    if not _is_dict(inner):
        return None
    find = _finder(inner, key)
    if isinstance(default, NothingType):

        def get_some(inner, key, default=None):
            row = find(block(inner._table), (inner._owner, key))
            return nothing_of(inner._table) if row < 0 else value_at(inner._table, row)

        return get_some

    def get(inner, key, default=None):
        row = find(block(inner._table), (inner._owner, key))
        if row < 0:
            return default
        return value_at(inner._table, row)

    return get


@overload_method(InnerType, "index", jit_options=OPTIONS)
def _index(inner, item):
    if inner.table.form != "list":
        return None

    compared, absent = _compared(item), "it is not in the list"

    def index(inner, item):
        place = 0
        for one in inner:
            if compared(one) == item:
                return place
            place += 1
        raise ValueError(absent)

    return index


@overload_method(InnerType, "count", jit_options=OPTIONS)
def _count(inner, item):
    if inner.table.form != "list":
        return None

    compared = _compared(item)

    def count(inner, item):
        found = 0
        for one in inner:
            found += compared(one) == item
        return found

    return count


# -- all of it --------------------------------------------------------------------------------------------


@operation(len)
def _len(inner):
    return (lambda inner: inner._last - inner._first) if isinstance(inner, InnerType) else None


@operation(bool)
def _bool(inner):
    return (lambda inner: inner._last != inner._first) if isinstance(inner, InnerType) else None


@operation(operator.not_)
def _not(inner):
    return (lambda inner: inner._last == inner._first) if isinstance(inner, InnerType) else None


def _view(what):
    @intrinsic
    def view(typing_context, inner):
        made = InnerType(inner.table, what)
        return made(inner), lambda context, builder, signature, arguments: arguments[0]

    @overload_method(InnerType, what, jit_options=OPTIONS)
    def method(inner):
        return (lambda inner: view(inner)) if _is_dict(inner) else None


for _what in ("keys", "values", "items"):
    _view(_what)


@lower_builtin("getiter", InnerType)
def _getiter(context, builder, signature, arguments):
    inner = context.make_helper(builder, signature.args[0], value=arguments[0])
    iterator = context.make_helper(builder, signature.return_type)
    iterator.view = arguments[0]
    iterator.row = cgutils.alloca_once_value(builder, _I64(0))
    builder.store(inner.first, iterator.row)
    return iterator._getvalue()


@lower_builtin("iternext", InnerIterator)
@iternext_impl(RefType.UNTRACKED)
def _iternext(context, builder, signature, arguments, result):
    view = signature.args[0].view
    iterator = context.make_helper(builder, signature.args[0], value=arguments[0])
    inner = context.make_helper(builder, view, value=iterator.view)
    row = builder.load(iterator.row)
    valid = builder.icmp_signed("<", row, inner.last)
    result.set_valid(valid)
    with builder.if_then(valid):
        items = [read(context, builder, kind, inner.table, at, row) for kind, at in view.columns]
        result.yield_(context.make_tuple(builder, view.item, items) if len(items) > 1 else items[0])
        builder.store(builder.add(row, _I64(1)), iterator.row)
