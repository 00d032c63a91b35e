"""encode and decode, in UTF-8, ASCII and Latin-1."""

from __future__ import annotations

import codecs

import numpy as np
from numba.core.errors import TypingError
from numba.extending import overload_method

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, helper, is_ascii, known_value
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

UTF8, STRICT = StringConstant("utf-8"), StringConstant("strict")
_ERRORS = ("strict", "ignore", "replace")
_KNOWN = ("utf-8", "ascii", "iso8859-1")


def _codec(encoding):
    """Return the standard name of a constant encoding; None while its value isn't known."""
    value = known_value(encoding)
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


def _handling(errors):
    """Return what is done with what is no text; None while that isn't known."""
    value = known_value(errors)
    if not isinstance(value, str):
        return None
    if value not in _ERRORS:
        msg = f"kernels know the ways to handle errors strict, ignore and replace, not {value!r}"
        raise TypingError(msg)
    return value


@helper
def all_below(data, nbytes, limit):
    """Whether all bytes are below a limit."""
    for i in range(nbytes):
        if data[i] >= limit:
            return False
    return True


@overload_method(StringType, "encode", jit_options=OPTIONS, prefer_literal=True)
def _encode(view, encoding=UTF8, errors=STRICT):
    name, handling = _codec(encoding), _handling(errors)
    if name is None or handling is None:
        return None
    if name == "utf-8" or is_ascii(view):
        return lambda view, encoding=UTF8, errors=STRICT: make_view(bytes_view, view._data, view._nbytes)
    limit = 128 if name == "ascii" else 256
    strict, replaced = handling == "strict", handling == "replace"

    def encode(view, encoding=UTF8, errors=STRICT):
        room = allocate(view._nbytes)
        offset, written = 0, 0
        while offset < view._nbytes:
            point = decode_at(view._data, offset)
            offset += width_at(view._data, offset)
            if point >= limit:
                if strict:
                    raise UnicodeEncodeError("ascii", "\xe9", 0, 1, "ordinal not in range")
                if not replaced:
                    continue
                point = 63
            room[written] = np.uint8(point)
            written += 1
        return make_view(bytes_view, room, written)

    return encode


@helper
def utf8_width(data, i, nbytes):
    """Return how many bytes the character at an offset takes.

    Of what is no character in UTF-8 (an overlong form, a surrogate, something above U+10FFFF) it is minus the
    number of bytes that one replacement stands for.
    """
    first = data[i]
    if first < 0x80:
        return 1
    if first < 0xC2 or first > 0xF4:
        return -1
    width = width_at(data, i)
    for k in range(1, width):
        if i + k >= nbytes:
            return -k
        byte = data[i + k]
        if byte & np.uint8(0xC0) != 0x80:
            return -k
        if k == 1 and (
            (first == 0xE0 and byte < 0xA0)
            or (first == 0xED and byte > 0x9F)
            or (first == 0xF0 and byte < 0x90)
            or (first == 0xF4 and byte > 0x8F)
        ):
            return -1
    return width


@helper
def is_utf8(data, nbytes):
    """Whether bytes are valid UTF-8."""
    i = 0
    while i < nbytes:
        width = utf8_width(data, i, nbytes)
        if width < 0:
            return False
        i += width
    return True


@helper
def decoded(data, nbytes, replaced):
    """Return the text of bytes in UTF-8; what is none is left out, or ``replaced`` by U+FFFD."""
    room = allocate(3 * nbytes if replaced else nbytes)
    i, written = 0, 0
    while i < nbytes:
        width = utf8_width(data, i, nbytes)
        if width > 0:
            for k in range(width):
                room[written + k] = data[i + k]
            written += width
        elif replaced:
            written = encode_to(room, written, 0xFFFD)
        i += abs(width)
    return make_view(utf8_string, room, written)


@overload_method(BytesType, "decode", jit_options=OPTIONS, prefer_literal=True)
def _decode(view, encoding=UTF8, errors=STRICT):
    name, handling = _codec(encoding), _handling(errors)
    if name is None or handling is None:
        return None
    if name == "utf-8" and handling == "strict":

        def decode_utf8(view, encoding=UTF8, errors=STRICT):
            if not is_utf8(view._data, view._nbytes):
                raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid bytes")
            return make_view(utf8_string, view._data, view._nbytes)

        return decode_utf8
    replaced = handling == "replace"
    if name == "utf-8":
        return lambda view, encoding=UTF8, errors=STRICT: decoded(view._data, view._nbytes, replaced)
    if name == "ascii" and handling == "strict":

        def decode_ascii(view, encoding=UTF8, errors=STRICT):
            if not all_below(view._data, view._nbytes, 128):
                raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid bytes")
            return make_view(ascii_string, view._data, view._nbytes)

        return decode_ascii
    is_latin = name != "ascii"

    def decode_bytes(view, encoding=UTF8, errors=STRICT):
        room = allocate(view._nbytes * 3)
        written = 0
        for i in range(view._nbytes):
            point = np.int64(view._data[i])
            if point < 128 or is_latin:
                written = encode_to(room, written, point)
            elif replaced:
                written = encode_to(room, written, 0xFFFD)
        return make_view(utf8_string, room, written)

    return decode_bytes
