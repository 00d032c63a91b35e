"""`str.translate` by tables that are known while a kernel is compiled."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba.core.registry import cpu_target

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    copy_bytes,
    helper,
    is_ascii,
    is_string,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at, width_at
from dataflare_vec.compiler.jit.lowering.strings.text import text_of
from dataflare_vec.compiler.jit.types.strings import ascii_string, make_view, offset_by, utf8_string


def as_items(table):
    """Return what a table of `str.maketrans` replaces, by code point; None if compiled code can't have it."""
    if type(table) is not dict:
        return None
    items = []
    for point, value in table.items():
        if isinstance(point, str):
            continue  # which no character is
        text = "" if value is None else chr(value) if type(value) is int and 0 <= value < 0x110000 else value
        if type(point) is not int or type(text) is not str or any("\ud800" <= c < "\ue000" for c in text):
            return None
        items.append((point, text))
    return tuple(sorted(items))


@cache
def translator(items):
    """Return what replaces characters by such items."""

    def translated(text):
        return text.translate(dict(items))

    texts = [text.encode() for _, text in items]
    points = np.array([point for point, _ in items] or [-1], np.int64)
    starts = np.cumsum([0, *map(len, texts)])
    letters = np.frombuffer(b"".join(texts) + b"\0", np.uint8)
    of_ascii = np.zeros(128, np.int64) - 1
    for i, (point, _) in enumerate(items):
        if 0 <= point < 128:
            of_ascii[point] = i
    stays_ascii = all(text.isascii() for _, text in items)

    @helper
    def place(data, offset):
        """Return which of the items a character has, -1 if none."""
        if data[offset] < 128:
            return of_ascii[data[offset]]
        point = decode_at(data, offset)
        low, high = 0, len(points)
        while low < high:
            middle = (low + high) // 2
            if points[middle] < point:
                low = middle + 1
            else:
                high = middle
        return low if low < len(points) and points[low] == point else -1

    @operation(translated)
    def _translated(text):
        if not is_string(text):
            return None
        kind = ascii_string if stays_ascii and is_ascii(text) else utf8_string

        def translate(text):
            view = text_of(text)  # of a constant, too
            data, nbytes = view._data, view._nbytes
            size, offset = 0, 0
            while offset < nbytes:
                width, i = width_at(data, offset), place(data, offset)
                size += width if i < 0 else starts[i + 1] - starts[i]
                offset += width
            room = allocate(size)
            written, offset = 0, 0
            while offset < nbytes:
                width, i = width_at(data, offset), place(data, offset)
                if i < 0:
                    copy_bytes(offset_by(room, written), offset_by(data, offset), width)
                    written += width
                else:
                    for k in range(starts[i], starts[i + 1]):
                        room[written] = letters[k]
                        written += 1
                offset += width
            return make_view(kind, room, written)

        return translate

    cpu_target.typing_context.refresh()  # it is made while another one is compiled
    return translated
