"""What Python does with the dicts and sets in a state."""

from __future__ import annotations

import operator

from numba.core import types
from numba.extending import overload_method

from dataflare_vec.compiler.jit.lowering.state_items import (
    adder,
    exchange_items,
    item_at,
    text_bytes_of_value,
    texts_of,
    width_of,
    write_value,
)
from dataflare_vec.compiler.jit.lowering.state_lookup import finder, noter
from dataflare_vec.compiler.jit.lowering.state_sequence_methods import check_item
from dataflare_vec.compiler.jit.lowering.state_sequences import (
    cell_of,
    make_text_room,
    own_items,
    writable,
)
from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, helper, operation
from dataflare_vec.compiler.jit.types.state_sequences import ContainerType, DictType, SetType
from dataflare_vec.definition.state_memory import COUNT, HEAD, INDEXED

_ABSENT = "the key isn't in the dict"


def _key_of(container: ContainerType) -> types.Type:
    return container.dtype[0] if isinstance(container, DictType) else container.dtype


def _check_key(container: ContainerType, key: types.Type) -> None:
    check_item(container, key, _key_of(container))


@helper
def _take_out(container, width, i):
    """Remove item ``i``; the others stay in their order."""
    cell = cell_of(container)
    last = cell[COUNT] - 1
    if i == 0:
        cell[HEAD] += 1
    elif i < last:
        own_items(cell, width)
        for k in range(i, last):
            exchange_items(container, k, k + 1)
        cell[INDEXED] = 0
    cell[COUNT] = last


# -- dicts -------------------------------------------------------------------------------------------------


@operation(operator.contains)
def _contains(container, key):
    if not isinstance(container, DictType | SetType):
        return None
    _check_key(container, key)
    find = finder(container)
    return lambda container, key: find(container, key) >= 0


@operation(operator.getitem)
def _getitem(mapping, key):
    if not isinstance(mapping, DictType):
        return None
    _check_key(mapping, key)
    find = finder(mapping)

    def get(mapping, key):
        i = find(mapping, key)
        if i < 0:
            raise KeyError(_ABSENT)
        return item_at(mapping, i)[1]

    return get


@operation(operator.setitem)
def _setitem(mapping, key, value):
    if not isinstance(mapping, DictType):
        return None
    _check_key(mapping, key)
    check_item(mapping, value, mapping.dtype[1])
    width, texts = width_of(mapping), texts_of(mapping.dtype)
    has_text = texts_of(mapping.dtype[1]) != 0
    add_behind, find, note_last = adder(mapping), finder(mapping), noter(mapping)

    def put(mapping, key, value):
        cell = cell_of(mapping)
        i = find(mapping, key)
        if i < 0:
            add_behind(mapping, (key, value))
            cell[COUNT] += 1
            note_last(mapping)
        else:
            if has_text:
                make_text_room(cell, width, texts, text_bytes_of_value(mapping, value))
            write_value(mapping, writable(cell, width, i), value)

    return put


@operation(operator.delitem)
def _delitem(mapping, key):
    if not isinstance(mapping, DictType):
        return None
    _check_key(mapping, key)
    width, find = width_of(mapping), finder(mapping)

    def delete(mapping, key):
        i = find(mapping, key)
        if i < 0:
            raise KeyError(_ABSENT)
        _take_out(mapping, width, i)

    return delete


@overload_method(DictType, "get", jit_options=OPTIONS)
def _get(mapping, key, default=None):
    _check_key(mapping, key)
    find = finder(mapping)

    def get(mapping, key, default=None):
        i = find(mapping, key)
        if i < 0:
            return default
        return item_at(mapping, i)[1]

    return get


@overload_method(DictType, "setdefault", jit_options=OPTIONS)
def _setdefault(mapping, key, default):
    def setdefault(mapping, key, default):
        if key not in mapping:
            mapping[key] = default
        return mapping[key]

    return setdefault


@overload_method(DictType, "pop", jit_options=OPTIONS)
def _pop(mapping, key, default=None):
    _check_key(mapping, key)
    width, find = width_of(mapping), finder(mapping)
    if isinstance(default, types.Omitted) or default is None:

        def pop(mapping, key, default=None):
            i = find(mapping, key)
            if i < 0:
                raise KeyError(_ABSENT)
            value = item_at(mapping, i)[1]
            _take_out(mapping, width, i)
            return value

        return pop

    def pop_or_default(mapping, key, default=None):
        i = find(mapping, key)
        if i < 0:
            return default
        value = item_at(mapping, i)[1]
        _take_out(mapping, width, i)
        return value

    return pop_or_default


def _listed(name, part):
    """Register a method that lists something of each item."""

    @overload_method(DictType, name, jit_options=OPTIONS)
    def method(mapping):
        def listed(mapping):
            made = []
            for i in range(cell_of(mapping)[COUNT]):
                made.append(part(item_at(mapping, i)))
            return made

        return listed


_listed("keys", helper(lambda item: item[0]))
_listed("values", helper(lambda item: item[1]))
_listed("items", helper(lambda item: item))


# -- sets --------------------------------------------------------------------------------------------------


@overload_method(SetType, "add", jit_options=OPTIONS)
def _add(items, item):
    check_item(items, item)
    add_behind, find, note_last = adder(items), finder(items), noter(items)

    def add(items, item):
        if find(items, item) < 0:
            add_behind(items, item)
            cell_of(items)[COUNT] += 1
            note_last(items)

    return add


@overload_method(SetType, "update", jit_options=OPTIONS)
def _update(items, others):
    def update(items, others):
        for other in others:
            items.add(other)

    return update if isinstance(others, types.IterableType) else None


@overload_method(SetType, "discard", jit_options=OPTIONS)
def _discard(items, item):
    check_item(items, item)
    width, find = width_of(items), finder(items)

    def discard(items, item):
        i = find(items, item)
        if i >= 0:
            _take_out(items, width, i)

    return discard


@overload_method(SetType, "remove", jit_options=OPTIONS)
def _remove(items, item):
    check_item(items, item)
    width, find = width_of(items), finder(items)

    def remove(items, item):
        i = find(items, item)
        if i < 0:
            raise KeyError("the item isn't in the set")  # noqa: EM101
        _take_out(items, width, i)

    return remove
