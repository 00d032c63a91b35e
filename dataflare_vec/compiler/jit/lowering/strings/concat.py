"""``+``, ``*`` and join: strings put together in the arena."""

from __future__ import annotations

import operator

from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings.arena import LIMIT, TOO_MUCH, allocate, allocate_after
from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_least,
    copy_bytes,
    helper,
    is_ascii,
    is_bytes,
    method,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.lowering.strings.memory import distance
from dataflare_vec.compiler.jit.types.raised import NoRoom
from dataflare_vec.compiler.jit.types.strings import (
    BytesConstant,
    StringConstant,
    ViewType,
    ascii_string,
    bytes_view,
    make_view,
    offset_by,
    utf8_string,
)


def common_type(*kinds):
    """Return the type of a string that holds what all of these do."""
    if is_bytes(kinds[0]):
        return bytes_view
    return ascii_string if is_ascii(*kinds) else utf8_string


@operation(operator.add)
@operation(operator.iadd)
def _add(a, b):
    if not comparable(a, b):
        return None
    kind = common_type(a, b)

    def add(a, b):
        nbytes = a._nbytes + b._nbytes
        # What was just made grows where it is: a chain of `+`, an f-string, and `s += c` copy no byte twice.
        room = allocate_after(a._data, a._nbytes, nbytes)
        if distance(room, a._data) != 0:
            copy_bytes(room, a._data, a._nbytes)
        copy_bytes(offset_by(room, a._nbytes), b._data, b._nbytes)
        return make_view(kind, room, nbytes)

    return add


@helper
def repeat(view, times):
    """Return a view ``times`` times over."""
    times = at_least(times, 0)
    size = view._nbytes
    if size != 0 and times > LIMIT // size:
        raise NoRoom(TOO_MUCH)
    room = allocate(size * times)
    for i in range(times):
        copy_bytes(offset_by(room, i * size), view._data, size)
    return make_view(view, room, size * times)


@operation(operator.mul)
@operation(operator.imul)
def _mul(a, b):
    if isinstance(a, ViewType) and isinstance(b, types.Integer | types.Boolean):
        return lambda a, b: repeat(a, b)
    if isinstance(b, ViewType) and isinstance(a, types.Integer | types.Boolean):
        return lambda a, b: repeat(b, a)
    return None


@method("join", data=True)
def _join(separator, items):
    if isinstance(items, types.BaseTuple):
        kinds = list(items)
    elif isinstance(items, types.IterableType):
        kinds = [items.iterator_type.yield_type]
    else:
        return None
    if not all(comparable(separator, kind) for kind in kinds):
        return None
    kind = common_type(separator, *kinds)
    if isinstance(items, types.BaseTuple):
        steps = [("separator", f"items[{i}]") for i in range(len(items))]
        names = [name for step in steps for name in step][1:]
        return eval(f"lambda separator, items: {' + '.join(['start', *names])}", {"start": _empty(kind)})

    def join(separator, items):
        joined = make_view(kind, separator._data, 0)
        first = True
        for item in items:
            if not first:
                joined = joined + separator
            joined = joined + item
            first = False
        return joined

    return join


def _empty(kind):
    """Return an empty constant of a type."""
    return BytesConstant() if is_bytes(kind) else StringConstant()
