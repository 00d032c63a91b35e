"""Code points in UTF-8 bytes: length, offsets, decoding, encoding.

Text in Arrow is valid UTF-8, so nothing is checked here: `bytes.decode` checks (`encode.py`).
"""

from __future__ import annotations

import numpy as np

from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_least,
    at_most,
    helper,
    is_ascii,
    operation,
)
from dataflare_vec.compiler.jit.types.strings import ViewType

__all__ = ["count_points", "decode_at", "encode_to", "offset_of", "width_at", "width_of"]


@helper
def count_points(data, nbytes):
    """Return the number of code points: of bytes that don't continue one."""
    count = 0
    for i in range(nbytes):
        count += np.int64((data[i] & np.uint8(0xC0)) != np.uint8(0x80))
    return count


@helper
def width_at(data, i):
    """Return how many bytes the code point at ``i`` takes."""
    byte = data[i]
    if byte < 0x80:
        return 1
    return 2 + np.int64(byte >= 0xE0) + np.int64(byte >= 0xF0)


@helper
def start_before(data, i):
    """Return the offset of the code point that ends at ``i``."""
    i -= 1
    while (data[i] & np.uint8(0xC0)) == np.uint8(0x80):
        i -= 1
    return i


@helper
def decode_at(data, i):
    """Return the code point at ``i``."""
    first = np.int64(data[i])
    if first < 0x80:
        return first
    second = np.int64(data[i + 1]) & 0x3F
    if first < 0xE0:
        return (first & 0x1F) << 6 | second
    third = np.int64(data[i + 2]) & 0x3F
    if first < 0xF0:
        return (first & 0x0F) << 12 | second << 6 | third
    return (first & 0x07) << 18 | second << 12 | third << 6 | (np.int64(data[i + 3]) & 0x3F)


@helper
def width_of(point):
    """Return how many bytes a code point takes."""
    return 1 + np.int64(point >= 0x80) + np.int64(point >= 0x800) + np.int64(point >= 0x10000)


@helper
def encode_to(data, i, point):
    """Write a code point at ``i``; return the offset behind it."""
    if point < 0x80:
        data[i] = np.uint8(point)
        return i + 1
    if point < 0x800:
        data[i] = np.uint8(0xC0 | point >> 6)
        data[i + 1] = np.uint8(0x80 | (point & 0x3F))
        return i + 2
    if point < 0x10000:
        data[i] = np.uint8(0xE0 | point >> 12)
        data[i + 1] = np.uint8(0x80 | (point >> 6 & 0x3F))
        data[i + 2] = np.uint8(0x80 | (point & 0x3F))
        return i + 3
    data[i] = np.uint8(0xF0 | point >> 18)
    data[i + 1] = np.uint8(0x80 | (point >> 12 & 0x3F))
    data[i + 2] = np.uint8(0x80 | (point >> 6 & 0x3F))
    data[i + 3] = np.uint8(0x80 | (point & 0x3F))
    return i + 4


def offset_of(view, index):
    """Return the byte offset of a start or an end, as Python's slices take them.

    A negative index counts from the end, not beyond the beginning. Beyond the end it is ``nbytes + 1`` or
    more.
    """
    raise NotImplementedError(view, index)  # replaced in compiled code by the overload below


@operation(offset_of)
def _offset_of(view, index):
    if is_ascii(view):

        def offset_ascii(view, index):
            if index < 0:
                index += view._nbytes
                return at_least(index, 0)
            return at_most(index, view._nbytes + 1)

        return offset_ascii

    def offset_utf8(view, index):
        data, nbytes = view._data, view._nbytes
        if index < 0:
            offset = nbytes
            while index < 0 and offset > 0:
                offset = start_before(data, offset)
                index += 1
            return offset
        offset = 0
        while index > 0 and offset < nbytes:
            offset += width_at(data, offset)
            index -= 1
        return offset + at_most(index, 1)

    return offset_utf8


@operation(len)
def _len(view):
    if not isinstance(view, ViewType):
        return None
    if is_ascii(view):
        return lambda view: view._nbytes
    return lambda view: count_points(view._data, view._nbytes)
