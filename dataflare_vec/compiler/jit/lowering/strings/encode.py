"""encode and decode, in UTF-8, ASCII and Latin-1."""

from __future__ import annotations

import codecs

import numpy as np
from numba.core.errors import TypingError
from numba.extending import overload_method

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, helper, is_ascii
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at, encode_to, width_at
from dataflare_vec.compiler.jit.types.strings import (
    BytesType,
    StringConstant,
    StringType,
    ascii_string,
    bytes_view,
    make_view,
    utf8_string,
)

UTF8 = StringConstant("utf-8")
_KNOWN = ("utf-8", "ascii", "iso8859-1")


def _codec(encoding):
    """Return the standard name of a constant encoding; None while its value isn't known."""
    value = getattr(encoding, "value", getattr(encoding, "literal_value", encoding))
    if not isinstance(value, str):
        return None
    try:
        name = codecs.lookup(value).name
    except LookupError:
        name = value
    if name not in _KNOWN:
        msg = f"kernels know the encodings utf-8, ascii and latin-1, not {value!r}"
        raise TypingError(msg)
    return name


@helper
def all_below(data, nbytes, limit):
    """Whether all bytes are below a limit."""
    for i in range(nbytes):
        if data[i] >= limit:
            return False
    return True


@overload_method(StringType, "encode", jit_options=OPTIONS, prefer_literal=True)
def _encode(view, encoding=UTF8):
    name = _codec(encoding)
    if name is None:
        return None
    if name == "utf-8" or is_ascii(view):
        return lambda view, encoding=UTF8: make_view(bytes_view, view._data, view._nbytes)
    if name == "ascii":

        def encode_ascii(view, encoding=UTF8):
            if not all_below(view._data, view._nbytes, 128):
                raise UnicodeError("ordinal not in range(128)")
            return make_view(bytes_view, view._data, view._nbytes)

        return encode_ascii

    def encode_latin(view, encoding=UTF8):
        room = allocate(view._nbytes)
        offset, written = 0, 0
        while offset < view._nbytes:
            point = decode_at(view._data, offset)
            if point > 255:
                raise UnicodeError("character not in range(256)")
            room[written] = np.uint8(point)
            written += 1
            offset += width_at(view._data, offset)
        return make_view(bytes_view, room, written)

    return encode_latin


@helper
def is_utf8(data, nbytes):
    """Whether bytes are valid UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF."""
    i = 0
    while i < nbytes:
        first = data[i]
        if first < 0x80:
            i += 1
            continue
        if first < 0xC2 or first > 0xF4:
            return False
        width = width_at(data, i)
        if i + width > nbytes:
            return False
        for k in range(1, width):
            if data[i + k] & np.uint8(0xC0) != 0x80:
                return False
        second = data[i + 1]
        if (
            (first == 0xE0 and second < 0xA0)
            or (first == 0xED and second > 0x9F)
            or (first == 0xF0 and second < 0x90)
            or (first == 0xF4 and second > 0x8F)
        ):
            return False
        i += width
    return True


@overload_method(BytesType, "decode", jit_options=OPTIONS, prefer_literal=True)
def _decode(view, encoding=UTF8):
    name = _codec(encoding)
    if name is None:
        return None
    if name == "utf-8":

        def decode_utf8(view, encoding=UTF8):
            if not is_utf8(view._data, view._nbytes):
                raise UnicodeError("invalid utf-8")
            return make_view(utf8_string, view._data, view._nbytes)

        return decode_utf8
    if name == "ascii":

        def decode_ascii(view, encoding=UTF8):
            if not all_below(view._data, view._nbytes, 128):
                raise UnicodeError("ordinal not in range(128)")
            return make_view(ascii_string, view._data, view._nbytes)

        return decode_ascii

    def decode_latin(view, encoding=UTF8):
        room = allocate(view._nbytes * 2)
        written = 0
        for i in range(view._nbytes):
            written = encode_to(room, written, np.int64(view._data[i]))
        return make_view(utf8_string, room, written)

    return decode_latin
