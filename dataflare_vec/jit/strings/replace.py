"""replace."""

from __future__ import annotations

from numba.core import types

from dataflare_vec.jit.strings.arena import allocate
from dataflare_vec.jit.strings.base import copy_bytes, helper, is_ascii, is_bytes, method
from dataflare_vec.jit.strings.codepoints import width_at
from dataflare_vec.jit.strings.compare import comparable
from dataflare_vec.jit.strings.concat import common_type
from dataflare_vec.jit.strings.memory import find_bytes
from dataflare_vec.jit.strings.types import make_view, offset_by


@helper
def occurrences(view, old, limit):
    """Return how many times ``old`` is found, up to a limit (none if negative)."""
    count, offset = 0, 0
    while count != limit:
        offset = find_bytes(view._data, offset, view._nbytes, old._data, old._nbytes)
        if offset < 0:
            break
        offset += old._nbytes
        count += 1
    return count


@helper
def put_between(kind, view, new, limit, ascii):
    """Return a string with ``new`` before each character and at the end, ``limit`` times at most."""
    characters = len(view)
    count = characters + 1 if limit < 0 else min(limit, characters + 1)
    data = view._data
    nbytes = view._nbytes + count * new._nbytes
    room = allocate(nbytes)
    written, offset = 0, 0
    for _ in range(count):
        copy_bytes(offset_by(room, written), new._data, new._nbytes)
        written += new._nbytes
        if offset < view._nbytes:
            width = 1 if ascii else width_at(data, offset)
            copy_bytes(offset_by(room, written), offset_by(data, offset), width)
            written, offset = written + width, offset + width
    copy_bytes(offset_by(room, written), offset_by(data, offset), view._nbytes - offset)
    return make_view(kind, room, nbytes)


@method("replace", data=True)
def _replace(view, old, new, count=-1):
    if not (comparable(view, old) and comparable(view, new)):
        return None
    given = getattr(count, "value", count)
    if not isinstance(given, int | types.Integer):
        return None
    kind = common_type(view, new)
    ascii = is_ascii(view) or is_bytes(view)

    def replace(view, old, new, count=-1):
        limit = count
        if old._nbytes == 0:
            return put_between(kind, view, new, limit, ascii)
        data, size = view._data, old._nbytes
        offset = -1 if limit == 0 else find_bytes(data, 0, view._nbytes, old._data, size)
        if offset < 0:
            return make_view(kind, data, view._nbytes)
        # What is no longer than before needs no count of the occurrences first.
        nbytes = view._nbytes
        if new._nbytes > size:
            nbytes += occurrences(view, old, limit) * (new._nbytes - size)
        room = allocate(nbytes)
        written, start = 0, 0
        while offset >= 0:
            copy_bytes(offset_by(room, written), offset_by(data, start), offset - start)
            written += offset - start
            copy_bytes(offset_by(room, written), new._data, new._nbytes)
            written += new._nbytes
            start = offset + size
            limit -= 1
            offset = -1 if limit == 0 else find_bytes(data, start, view._nbytes, old._data, size)
        copy_bytes(offset_by(room, written), offset_by(data, start), view._nbytes - start)
        return make_view(kind, room, written + view._nbytes - start)

    return replace
