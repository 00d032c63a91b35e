"""How the item of a key is found in a dict or set of a state.

A few items are compared one after the other. For more of them there is an index: a table of places by hash,
open addressed. It is made anew where items have moved, or a row has failed; an entry whose place is no item's
any more is passed over.
"""

from __future__ import annotations

from dataflare_vec.compiler.jit.lowering.state_items import item_at
from dataflare_vec.compiler.jit.lowering.state_sequences import (
    capacity,
    cell_of,
    free_block,
    new_block,
    words_at,
)
from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.types.state_sequences import ContainerType, DictType
from dataflare_vec.definition.state_memory import COUNT, ENTRIES, HEAD, INDEX, INDEXED

#: So many items are compared one after the other.
_FEW = 8


@helper
def _first_key(item):
    return item[0]


@helper
def _whole(item):
    return item


@helper
def _slot(key, size):
    """Return where the search for a key begins."""
    mixed = hash(key)
    mixed = (mixed ^ (mixed >> 32)) * 0x1E3779B97F4A7C15  # keys may differ in their high bits alone
    return (mixed ^ (mixed >> 29)) & (size - 1)


def _key_of(container: ContainerType):
    return _first_key if isinstance(container, DictType) else _whole


def _enterer(container: ContainerType):
    """Return what puts item ``i`` into an index, in containers of a type."""
    key_of = _key_of(container)

    @helper
    def enter(container, i, index, size):
        at = _slot(key_of(item_at(container, i)), size)
        while index[at] != 0:
            at = (at + 1) & (size - 1)
        index[at] = cell_of(container)[HEAD] + i + 1

    return enter


def finder(container: ContainerType):
    """Return what gives the number of a key's item, or -1, in containers of a type."""
    key_of, enter = _key_of(container), _enterer(container)

    @helper
    def make_index(container):
        cell = cell_of(container)
        size = 32
        while size < 4 * cell[COUNT]:
            size *= 2
        if capacity(cell[INDEX]) != size * 8:
            if cell[INDEX] != 0:
                free_block(cell[INDEX])
                cell[INDEX] = 0
            cell[INDEX] = new_block(size * 8)
        index = words_at(cell[INDEX])
        for at in range(size):
            index[at] = 0
        for i in range(cell[COUNT]):
            enter(container, i, index, size)
        cell[INDEXED] = 1
        cell[ENTRIES] = cell[COUNT]

    @helper
    def find(container, key):
        cell = cell_of(container)
        count = cell[COUNT]
        if count <= _FEW:
            for i in range(count):
                if key_of(item_at(container, i)) == key:
                    return i
            return -1
        if cell[INDEXED] == 0:
            make_index(container)
        size = capacity(cell[INDEX]) >> 3
        index = words_at(cell[INDEX])
        at = _slot(key, size)
        while index[at] != 0:
            i = index[at] - 1 - cell[HEAD]
            if 0 <= i < count and key_of(item_at(container, i)) == key:
                return i
            at = (at + 1) & (size - 1)
        return -1

    return find


def noter(container: ContainerType):
    """Return what puts the last item of a container into its index, if there is one."""
    enter = _enterer(container)

    @helper
    def note_last(container):
        cell = cell_of(container)
        if cell[INDEXED] == 0:
            return
        size = capacity(cell[INDEX]) >> 3
        if 2 * (cell[ENTRIES] + 1) > size:
            cell[INDEXED] = 0  # it is made anew, and larger
            return
        enter(container, cell[COUNT] - 1, words_at(cell[INDEX]), size)
        cell[ENTRIES] += 1

    return note_last
