"""strip, lstrip, rstrip."""

from __future__ import annotations

from numba.core import types

from dataflare_vec.compiler.jit.lowering.builtins import value_of
from dataflare_vec.compiler.jit.lowering.strings.base import (
    helper,
    is_ascii,
    is_bytes,
    method,
    operation,
    part,
)
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at, start_before, width_at
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.lowering.strings.memory import find_bytes
from dataflare_vec.compiler.jit.lowering.strings.unicode import SPACE, flags_of
from dataflare_vec.compiler.jit.types.strings import offset_by


@helper
def is_ascii_space(byte):
    """Whether a byte is one of ASCII's spaces, as `str` counts them."""
    return byte == 32 or (byte >= 9 and byte <= 13) or (byte >= 28 and byte <= 31)


@helper
def is_byte_space(byte):
    """Whether a byte is a space, as `bytes` and C count them."""
    return byte == 32 or (byte >= 9 and byte <= 13)


@helper
def is_space(point):
    """Whether a code point is a space."""
    if point < 128:
        return is_ascii_space(point)
    return flags_of(point) & SPACE != 0


def space_at(view, offset):
    """Whether the character at an offset is a space."""
    raise TypeError(view, offset)


@operation(space_at)
def _space_at(view, offset):
    if is_bytes(view):
        return lambda view, offset: is_byte_space(view._data[offset])
    if is_ascii(view):
        return lambda view, offset: is_ascii_space(view._data[offset])
    return lambda view, offset: is_space(decode_at(view._data, offset))


def next_offset(view, offset):
    """Return the offset of the character behind the one at an offset."""
    raise TypeError(view, offset)


def previous_offset(view, offset):
    """Return the offset of the character that ends at an offset."""
    raise TypeError(view, offset)


@operation(next_offset)
def _next_offset(view, offset):
    if is_ascii(view):
        return lambda view, offset: offset + 1
    return lambda view, offset: offset + width_at(view._data, offset)


@operation(previous_offset)
def _previous_offset(view, offset):
    if is_ascii(view):
        return lambda view, offset: offset - 1
    return lambda view, offset: start_before(view._data, offset)


def _unwanted(view, offset, chars):
    """Whether the character at an offset is among ``chars``; None: is a space."""
    raise TypeError(view, offset, chars)


@operation(_unwanted)
def _typed_unwanted(view, offset, chars):
    if isinstance(chars, types.NoneType):
        return lambda view, offset, chars: space_at(view, offset)
    if isinstance(chars, types.Optional):

        def among_given(view, offset, chars):
            return space_at(view, offset) if chars is None else _unwanted(view, offset, value_of(chars))

        return among_given
    if is_ascii(view):

        def among_bytes(view, offset, chars):
            byte = view._data[offset]
            for i in range(chars._nbytes):
                if chars._data[i] == byte:
                    return True
            return False

        return among_bytes

    def among(view, offset, chars):
        width = width_at(view._data, offset)
        found = find_bytes(chars._data, 0, chars._nbytes, offset_by(view._data, offset), width)
        return found >= 0

    return among


@helper
def left_end(view, chars):
    """Return the offset of the first character that stays."""
    start = 0
    while start < view._nbytes and _unwanted(view, start, chars):
        start = next_offset(view, start)
    return start


@helper
def right_end(view, start, chars):
    """Return the offset behind the last character that stays."""
    stop = view._nbytes
    while stop > start:
        before = previous_offset(view, stop)
        if not _unwanted(view, before, chars):
            break
        stop = before
    return stop


def _fits(view, chars):
    chars = getattr(chars, "value", chars)
    chars = chars.type if isinstance(chars, types.Optional) else chars
    return chars is None or isinstance(chars, types.NoneType) or comparable(view, chars)


@method("lstrip", data=True)
def _lstrip(view, chars=None):
    if not _fits(view, chars):
        return None
    return lambda view, chars=None: part(view, left_end(view, chars), view._nbytes)


@method("rstrip", data=True)
def _rstrip(view, chars=None):
    if not _fits(view, chars):
        return None
    return lambda view, chars=None: part(view, 0, right_end(view, 0, chars))


@method("strip", data=True)
def _strip(view, chars=None):
    if not _fits(view, chars):
        return None

    def strip(view, chars=None):
        start = left_end(view, chars)
        return part(view, start, right_end(view, start, chars))

    return strip
