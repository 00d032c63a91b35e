"""ljust, rjust, center, zfill, expandtabs."""

from __future__ import annotations

import numpy as np
from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings.arena import LIMIT, TOO_MUCH, allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_least,
    copy_bytes,
    helper,
    is_bytes,
    method,
)
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.lowering.strings.concat import common_type
from dataflare_vec.compiler.jit.types.raised import NoRoom
from dataflare_vec.compiler.jit.types.strings import (
    BytesConstant,
    StringConstant,
    ViewType,
    make_view,
    offset_by,
)


@helper
def padded(kind, view, before, after, fill):
    """Return a view with ``fill`` some times before and after it."""
    size = fill._nbytes
    if before > LIMIT or after > LIMIT:  # the product with `size` has to fit 64 bits
        raise NoRoom(TOO_MUCH)
    room = allocate((before + after) * size + view._nbytes)
    written = 0
    for _ in range(before):
        copy_bytes(offset_by(room, written), fill._data, size)
        written += size
    copy_bytes(offset_by(room, written), view._data, view._nbytes)
    written += view._nbytes
    for _ in range(after):
        copy_bytes(offset_by(room, written), fill._data, size)
        written += size
    return make_view(kind, room, written)


def _padder(name, split):
    """Register a method; ``split(missing, width)`` says how many fill characters go before."""

    @method(name, data=True)
    def typed(view, width, fill=None):
        given = getattr(fill, "value", fill)
        if not isinstance(width, types.Integer | types.Boolean):
            return None
        if given is None or isinstance(given, types.NoneType):
            space = BytesConstant(b" ") if is_bytes(view) else StringConstant(" ")

            def pad(view, width, fill=None):
                missing = width - len(view)
                if missing <= 0:
                    return view
                before = split(missing, width)
                return padded(view, view, before, missing - before, space)

            return pad
        if not comparable(view, fill):
            return None
        kind = common_type(view, fill)

        def pad_with(view, width, fill=None):
            if len(fill) != 1:
                raise TypeError("the fill character must be exactly one character long")
            missing = width - len(view)
            if missing <= 0:
                return make_view(kind, view._data, view._nbytes)
            before = split(missing, width)
            return padded(kind, view, before, missing - before, fill)

        return pad_with


# Where the missing are odd, CPython puts the odd one left if the width is odd too.
_padder("ljust", helper(lambda missing, width: 0))
_padder("rjust", helper(lambda missing, width: missing))
_padder("center", helper(lambda missing, width: missing // 2 + (missing & width & 1)))


@method("zfill", data=True)
def _zfill(view, width):
    if not isinstance(width, types.Integer | types.Boolean):
        return None

    def zfill(view, width):
        missing = width - len(view)
        if missing <= 0:
            return view
        data, nbytes = view._data, view._nbytes
        room = allocate(nbytes + missing)
        signed = np.int64(nbytes > 0 and (data[0] == 43 or data[0] == 45))
        if signed:
            room[0] = data[0]
        for i in range(missing):
            room[signed + i] = np.uint8(48)
        copy_bytes(offset_by(room, signed + missing), offset_by(data, signed), nbytes - signed)
        return make_view(view, room, nbytes + missing)

    return zfill


_LARGEST_TAB = (1 << 31) - 1


@method("expandtabs", data=True)
def _expandtabs(view, tabsize=8):
    if not isinstance(view, ViewType):
        return None

    each_byte = is_bytes(view)

    def expandtabs(view, tabsize=8):
        if tabsize > _LARGEST_TAB or tabsize < -_LARGEST_TAB - 1:
            raise OverflowError("Python int too large to convert to C int")
        data, nbytes = view._data, view._nbytes
        tabs = 0
        for i in range(nbytes):
            tabs += np.int64(data[i] == 9)
        if tabs == 0:
            return view
        room = allocate(nbytes + tabs * at_least(tabsize, 0))
        written, column = 0, 0
        for i in range(nbytes):
            byte = data[i]
            if byte == 9:
                if tabsize > 0:
                    spaces = tabsize - column % tabsize
                    column += spaces
                    for _ in range(spaces):
                        room[written] = np.uint8(32)
                        written += 1
                continue
            room[written] = byte
            written += 1
            column += np.int64(each_byte or (byte & np.uint8(0xC0)) != np.uint8(0x80))
            if byte == 10 or byte == 13:
                column = 0
        return make_view(view, room, written)

    return expandtabs
