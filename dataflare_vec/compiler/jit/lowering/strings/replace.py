"""replace."""

from __future__ import annotations

from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import copy_bytes, helper, inlined_helper, method
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.lowering.strings.concat import common_type
from dataflare_vec.compiler.jit.lowering.strings.memory import exchange, find_bytes, leave_out
from dataflare_vec.compiler.jit.lowering.strings.strip import next_offset
from dataflare_vec.compiler.jit.lowering.strings.vectorcode import SLACK
from dataflare_vec.compiler.jit.types.strings import make_view, offset_by


@inlined_helper
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
    """Return a view with a byte, or nothing, in place of another."""
    data, nbytes, wanted = view._data, view._nbytes, old._data[0]
    room = allocate(nbytes + SLACK)
    if new._nbytes:
        exchange(room, data, nbytes, wanted, new._data[0])
    else:
        nbytes = leave_out(room, data, nbytes, wanted)
    return make_view(kind, room, nbytes)


@inlined_helper
def replace_in(kind, view, old, new, limit):
    """Return a view, as ``kind``, with ``new`` in place of ``old``, up to a limit (none if negative)."""
    data, size = view._data, old._nbytes
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


@method("replace", data=True, inlined=True)
def _replace(view, old, new, count=-1):
    if not (comparable(view, old) and comparable(view, new)):
        return None
    given = getattr(count, "value", count)
    if not isinstance(given, int | types.Integer):
        return None
    kind = common_type(view, new)

    def replace(view, old, new, count=-1):
        if old._nbytes == 1 and new._nbytes <= 1 and count < 0:
            return replace_byte(kind, view, old, new)
        return replace_in(kind, view, old, new, count)

    return replace
