"""How a number's parts are put together: sign, prefix, grouped digits, the rest, padding."""

from __future__ import annotations

import numpy as np

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_least,
    copy_bytes,
    helper,
)
from dataflare_vec.compiler.jit.types.strings import make_view, offset_by

_0 = ord("0")


@helper
def lay_out(kind, head, digits, count, tail, group, group_size, fill, align, width):
    """Return a number as text.

    Parameters
    ----------
    kind
        Type of the result.
    head
        Sign and prefix.
    digits, count
        The digits before the point, and how many; these may be grouped.
    tail
        Everything behind them.
    group, group_size
        The byte between groups of so many digits; 0 for none.
    fill, align, width
        How to pad: align is the code of one of ``<>=^``.
    """
    used = head._nbytes + tail._nbytes
    shown = count
    zeros = align == 61 and fill._nbytes == 1 and fill._data[0] == _0
    if zeros:
        # Zeros before the digits are grouped with them.
        while used + shown + (group_size and (shown - 1) // group_size) < width:
            shown += 1
    separators = (shown - 1) // group_size if group_size else 0
    length = used + shown + separators
    missing = at_least(width - length, 0)
    before = 0
    inside = 0
    if align == 62:
        before = missing
    elif align == 94:
        before = missing // 2
    elif align == 61:
        inside = missing
    after = missing - before - inside
    room = allocate(length + missing * fill._nbytes)
    at = _put(room, 0, fill, before)
    copy_bytes(offset_by(room, at), head._data, head._nbytes)
    at = _put(room, at + head._nbytes, fill, inside)
    for i in range(shown, 0, -1):
        room[at] = digits[count - i] if i <= count else np.uint8(_0)
        at += 1
        if group_size and i > 1 and (i - 1) % group_size == 0:
            room[at] = np.uint8(group)
            at += 1
    copy_bytes(offset_by(room, at), tail._data, tail._nbytes)
    at = _put(room, at + tail._nbytes, fill, after)
    return make_view(kind, room, at)


@helper
def _put(room, at, fill, times):
    for _ in range(times):
        copy_bytes(offset_by(room, at), fill._data, fill._nbytes)
        at += fill._nbytes
    return at
