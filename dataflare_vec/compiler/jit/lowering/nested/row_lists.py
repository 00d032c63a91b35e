"""Lists that a row makes and nobody changes, as what `re.findall` finds: items side by side in the arena.

They last as long as the row does. What is to be changed is made a list of Numba's, by `list`.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.extending import intrinsic, make_attribute_wrapper, overload_method, register_model

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate, allocate_after
from dataflare_vec.compiler.jit.lowering.strings.base import (
    OPTIONS,
    at_least,
    copy_bytes,
    helper,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.lowering.strings.memory import distance
from dataflare_vec.compiler.jit.types.strings import byte_pointer

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

_I64 = ir.IntType(64)

#: Bytes of the first piece of memory that something grows in.
_FIRST = 256


class RowListType(types.IterableType):  # type: ignore[misc]
    """A list of items of one type."""

    def __init__(self, dtype: types.Type) -> None:
        self.dtype = dtype
        super().__init__(name=f"rowlist({dtype})")

    @property
    def iterator_type(self) -> RowListIterator:
        """What goes over the items."""
        return RowListIterator(self)


class RowListIterator(types.SimpleIteratorType):  # type: ignore[misc]
    """Iterator over the items of a list."""

    def __init__(self, items: RowListType) -> None:
        self.items = items
        super().__init__(f"iter({items})", items.dtype)


@register_model(RowListType)
class _RowListModel(models.StructModel):  # type: ignore[misc]
    """Where the items lie, at any address, and how many there are."""

    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        super().__init__(dmm, fe_type, [("data", byte_pointer), ("size", types.int64)])


@register_model(RowListIterator)
class _IteratorModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        members = [("items", fe_type.items), ("index", types.EphemeralPointer(types.int64))]
        super().__init__(dmm, fe_type, members)


make_attribute_wrapper(RowListType, "data", "_data")
make_attribute_wrapper(RowListType, "size", "_size")


# -- how they are made ------------------------------------------------------------------------------------


@helper
def room_behind(room, used, capacity, wanted):
    """Return memory with room for ``wanted`` bytes behind those that are used, and how large it is."""
    size = used + wanted
    if size <= capacity:
        return room, capacity
    size = at_least(at_least(2 * capacity, size), _FIRST)
    new = allocate_after(room, capacity, size)
    if distance(new, room) != 0:
        copy_bytes(new, room, used)
    return new, size


def item_bytes(context: Context, kind: RowListType) -> int:
    """Return how many bytes an item takes."""
    return int(context.get_abi_sizeof(context.get_data_type(kind.dtype)))


def item_address(context: Context, builder: Builder, kind: RowListType, data: Any, index: Any) -> Any:
    """Return the address of an item."""
    offset = builder.mul(index, _I64(item_bytes(context, kind)))
    return builder.bitcast(builder.gep(data, [offset]), context.get_data_type(kind.dtype).as_pointer())


def write_item(
    context: Context, builder: Builder, kind: RowListType, data: Any, index: Any, value: Any
) -> None:
    """Write an item into memory that has room for it."""
    address = item_address(context, builder, kind, data, index)
    context.pack_value(builder, kind.dtype, value, address, align=1)


def _load(context: Context, builder: Builder, kind: RowListType, data: Any, index: Any) -> Any:
    return context.unpack_value(
        builder, kind.dtype, item_address(context, builder, kind, data, index), align=1
    )


@intrinsic
def _item(typing_context, items, index):
    """Return the item at an index that the caller knows to be there."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        given = context.make_helper(builder, items, value=arguments[0])
        return _load(context, builder, items, given.data, arguments[1])

    return items.dtype(items, types.int64), generate


@intrinsic
def _stretch(typing_context, items, start, size):
    """Return ``size`` items from ``start`` on, which are there."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        part = context.make_helper(builder, items, value=arguments[0])
        offset = builder.mul(arguments[1], _I64(item_bytes(context, items)))
        part.data, part.size = builder.gep(part.data, [offset]), arguments[2]
        return part._getvalue()

    return items(items, types.int64, types.int64), generate


@intrinsic
def _at(typing_context, items, data, size):
    """Return the list of ``size`` items at an address."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        made = context.make_helper(builder, items)
        _, made.data, made.size = arguments
        return made._getvalue()

    return items(items, byte_pointer, types.int64), generate


@intrinsic
def _width(typing_context, items):
    """Return how many bytes an item takes."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return _I64(item_bytes(context, items))

    return types.int64(items), generate


@intrinsic
def _put(typing_context, items, index, value):
    """Write an item into a list that is still being made."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        given = context.make_helper(builder, items, value=arguments[0])
        write_item(context, builder, items, given.data, arguments[1], arguments[2])
        return context.get_dummy_value()

    return types.none(items, types.int64, items.dtype), generate


# -- what Python does with lists --------------------------------------------------------------------------


@operation(len)
def _len(items):
    return (lambda items: items._size) if isinstance(items, RowListType) else None


@operation(bool)
def _bool(items):
    return (lambda items: items._size > 0) if isinstance(items, RowListType) else None


@operation(operator.not_)
def _not(items):
    return (lambda items: items._size == 0) if isinstance(items, RowListType) else None


@operation(operator.getitem)
def _getitem(items, index):
    if not isinstance(items, RowListType):
        return None
    if isinstance(index, types.SliceType):
        return _stretched if not index.has_step else _stepped
    if not isinstance(index, types.Integer | types.Boolean):
        return None

    def get(items, index):
        wanted = index
        if wanted < 0:
            wanted += items._size
        if wanted < 0 or wanted >= items._size:
            raise IndexError("list index out of range")  # noqa: EM101
        return _item(items, wanted)

    return get


def _stretched(items, index):
    start, stop, _ = index.indices(items._size)
    return _stretch(items, start, at_least(stop - start, 0))


def _stepped(items, index):
    start, stop, step = index.indices(items._size)
    size = len(range(start, stop, step))
    picked = _at(items, allocate(size * _width(items)), size)
    for i in range(size):
        _put(picked, i, _item(items, start + i * step))
    return picked


@operation(operator.contains)
def _contains(items, item):
    if not (isinstance(items, RowListType) and comparable(items.dtype, item)):
        return None

    def contains(items, item):
        for i in range(items._size):  # compiled as it stands
            if _item(items, i) == item:
                return True
        return False

    return contains


@overload_method(RowListType, "count", jit_options=OPTIONS)
def _count(items, item):
    if not comparable(items.dtype, item):
        return None

    def count(items, item):
        found = 0
        for i in range(items._size):
            if _item(items, i) == item:
                found += 1
        return found

    return count


@overload_method(RowListType, "index", jit_options=OPTIONS)
def _index(items, item):
    if not comparable(items.dtype, item):
        return None

    def index(items, item):
        for i in range(items._size):
            if _item(items, i) == item:
                return i
        raise ValueError("is not in list")  # noqa: EM101

    return index


def begin(context: Context, builder: Builder, kind: RowListType, items: Any) -> Any:
    """Return an iterator over the items of a list."""
    iterator = context.make_helper(builder, kind.iterator_type)
    iterator.items = items
    iterator.index = cgutils.alloca_once(builder, _I64)
    builder.store(_I64(0), iterator.index)
    return iterator._getvalue()


@lower_builtin("getiter", RowListType)
def _getiter(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
    return begin(context, builder, signature.args[0], arguments[0])


@lower_builtin("iternext", RowListIterator)
@iternext_impl(RefType.UNTRACKED)
def _iternext(
    context: Context, builder: Builder, signature: Signature, arguments: Values, result: Any
) -> None:
    kind = signature.args[0].items
    iterator = context.make_helper(builder, signature.args[0], value=arguments[0])
    items = context.make_helper(builder, kind, value=iterator.items)
    index = builder.load(iterator.index)
    valid = builder.icmp_signed("<", index, items.size)
    result.set_valid(valid)
    with builder.if_then(valid):
        result.yield_(_load(context, builder, kind, items.data, index))
        builder.store(builder.add(index, _I64(1)), iterator.index)
