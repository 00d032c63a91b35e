"""replace."""

from __future__ import annotations

from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import copy_bytes, helper, method
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.lowering.strings.concat import common_type
from dataflare_vec.compiler.jit.lowering.strings.memory import find_bytes
from dataflare_vec.compiler.jit.lowering.strings.strip import next_offset
from dataflare_vec.compiler.jit.types.strings import make_view, offset_by


@helper
def next_match(view, old, start, behind):
    """Return where ``old`` is found from ``start`` on; -1 if it isn't.

    Nothing is found before each character and at the end; ``behind``: it was just found at ``start``.
    """
    if old._nbytes:
        return find_bytes(view._data, start, view._nbytes, old._data, old._nbytes)
    if not behind:
        return start
    return next_offset(view, start) if start < view._nbytes else -1


@helper
def occurrences(view, old, limit):
    """Return how many times ``old`` is found, up to a limit (none if negative)."""
    count, offset = 0, 0
    while count != limit:
        offset = next_match(view, old, offset, count > 0)
        if offset < 0:
            break
        offset += old._nbytes
        count += 1
    return count


@helper
def replace_byte(kind, view, old, new):
    """Return a view with a byte, or nothing, in place of another: no branch that text could mislead."""
    data, nbytes, wanted, kept = view._data, view._nbytes, old._data[0], new._nbytes
    instead = new._data[0] if kept else wanted
    room = allocate(nbytes)
    written = 0
    for i in range(nbytes):
        byte = data[i]
        same = byte == wanted
        room[written] = instead if same else byte
        written += kept if same else 1
    return make_view(kind, room, written)


@helper
def replace_in(kind, view, old, new, limit):
    """Return a view, as ``kind``, with ``new`` in place of ``old``, up to a limit (none if negative)."""
    data, size = view._data, old._nbytes
    if size == 1 and new._nbytes <= 1 and limit < 0:
        return replace_byte(kind, view, old, new)
    offset = -1 if limit == 0 else next_match(view, old, 0, False)
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
        offset = -1 if limit == 0 else next_match(view, old, start, True)
    copy_bytes(offset_by(room, written), offset_by(data, start), view._nbytes - start)
    return make_view(kind, room, written + view._nbytes - start)


@method("replace", data=True)
def _replace(view, old, new, count=-1):
    if not (comparable(view, old) and comparable(view, new)):
        return None
    given = getattr(count, "value", count)
    if not isinstance(given, int | types.Integer):
        return None
    kind = common_type(view, new)
    return lambda view, old, new, count=-1: replace_in(kind, view, old, new, count)
