"""Bytes as text, and back: `bytes.hex` and `fromhex`, and `base64`."""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numba.core import types
from numba.extending import overload_method

from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, helper, is_bytes, is_string
from dataflare_vec.compiler.jit.lowering.strings.encode import all_below
from dataflare_vec.compiler.jit.lowering.strings.strip import is_byte_space
from dataflare_vec.compiler.jit.lowering.strings.text import text_of
from dataflare_vec.compiler.jit.types.strings import (
    BytesType,
    ascii_string,
    bytes_view,
    make_view,
)

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_STANDARD, _URL = (np.frombuffer(_BASE64 + more, np.uint8) for more in (b"+/", b"-_"))


def _values(*more):
    """Return the value of each byte, 64 for what isn't in the alphabet."""
    found = np.full(256, 64, np.uint8)
    for alphabet in (_BASE64 + b"+/", *more):
        found[np.frombuffer(alphabet, np.uint8)] = np.arange(64, dtype=np.uint8)
    return found


_OF_STANDARD, _OF_URL = _values(), _values(_BASE64 + b"-_")


# -- base 16 ----------------------------------------------------------------------------------------------


@helper
def put_hex(room, at, byte):
    """Write a byte in base 16."""
    room[at] = _HEX[byte >> np.uint8(4)]
    room[at + 1] = _HEX[byte & np.uint8(15)]


@helper
def in_hex(view):
    """Return bytes in base 16."""
    room = allocate(2 * view._nbytes)
    for i in range(view._nbytes):
        put_hex(room, 2 * i, view._data[i])
    return make_view(ascii_string, room, 2 * view._nbytes)


@helper
def _in_groups(view, mark, size):
    """Return bytes in base 16 with a character after each ``size`` of them, counted from the right.

    A negative size counts from the left; of 0 there is none.
    """
    nbytes, group = view._nbytes, abs(size)
    if group == 0 or nbytes == 0:
        return in_hex(view)
    room = allocate(3 * nbytes)
    written = 0
    for i in range(nbytes):
        before = nbytes - i if size > 0 else i
        if i > 0 and before % group == 0:
            room[written] = mark
            written += 1
        put_hex(room, written, view._data[i])
        written += 2
    return make_view(ascii_string, room, written)


@overload_method(BytesType, "hex", jit_options=OPTIONS)
def _hex(view, sep=None, bytes_per_sep=1):
    if isinstance(sep, types.NoneType) or getattr(sep, "value", sep) is None:
        return lambda view, sep=None, bytes_per_sep=1: in_hex(view)
    if not (is_string(sep) or is_bytes(sep)):
        return None

    bytes_of = text_of if is_string(sep) else helper(lambda sep: sep)

    def in_groups(view, sep=None, bytes_per_sep=1):
        mark = bytes_of(sep)
        if mark._nbytes != 1:
            raise ValueError("sep must be length 1.")
        if mark._data[0] >= 128:
            raise ValueError("sep must be ASCII.")
        return _in_groups(view, mark._data[0], np.int64(bytes_per_sep))

    return in_groups


@helper
def digit_of(byte):
    """Return the value of a digit in base 16, -1 if it is none."""
    if byte >= 48 and byte <= 57:
        return np.int64(byte) - 48
    if byte >= 65 and byte <= 70:
        return np.int64(byte) - 55
    return np.int64(byte) - 87 if byte >= 97 and byte <= 102 else -1


@helper
def _from_hex(text):
    data, nbytes = text._data, text._nbytes
    room = allocate(nbytes // 2)
    at = written = 0
    while at < nbytes:
        if is_byte_space(data[at]):  # of ASCII's control characters, bytes know fewer than strings
            at += 1
            continue
        if at + 1 == nbytes or digit_of(data[at]) < 0 or digit_of(data[at + 1]) < 0:
            raise ValueError("non-hexadecimal number found in fromhex() arg")
        room[written] = np.uint8(digit_of(data[at]) * 16 + digit_of(data[at + 1]))
        written += 1
        at += 2
    return make_view(bytes_view, room, written)


@overlay(bytes.fromhex, "string")
def _choose_from_hex(string=None):
    return _from_hex if is_string(string) else None


# -- base 64 ----------------------------------------------------------------------------------------------


@helper
def _in_base64(view, letters):
    data, nbytes = view._data, view._nbytes
    room = allocate((nbytes + 2) // 3 * 4)
    at = written = 0
    while at < nbytes:
        left = nbytes - at
        word = np.int64(data[at]) << 16
        if left > 1:
            word |= np.int64(data[at + 1]) << 8
        if left > 2:
            word |= np.int64(data[at + 2])
        room[written] = letters[word >> 18]
        room[written + 1] = letters[(word >> 12) & 63]
        room[written + 2] = letters[(word >> 6) & 63] if left > 1 else np.uint8(61)
        room[written + 3] = letters[word & 63] if left > 2 else np.uint8(61)
        at += 3
        written += 4
    return make_view(bytes_view, room, written)


@helper
def _standard(s):
    return _in_base64(s, _STANDARD)


@helper
def _for_urls(s):
    return _in_base64(s, _URL)


@helper
def _from_base64(view, values):
    """Return the bytes; what isn't in the alphabet is skipped, and padding ends it, as in Python."""
    data = view._data
    room = allocate(view._nbytes // 4 * 3 + 3)
    written = position = pads = 0
    rest = np.int64(0)
    for i in range(view._nbytes):
        if data[i] == 61:
            if position >= 2:
                pads += 1
                if position + pads >= 4:
                    return make_view(bytes_view, room, written)
            continue
        value = np.int64(values[data[i]])
        if value == 64:
            continue
        pads = 0
        if position:
            room[written] = np.uint8(((rest << (2 * position)) | (value >> (6 - 2 * position))) & 255)
            written += 1
        position = (position + 1) & 3
        rest = value
    if position:
        raise binascii.Error("Incorrect padding")
    return make_view(bytes_view, room, written)


def _decoding(name, values):
    @helper
    def decode(s):
        if not all_below(s._data, s._nbytes, 128):
            raise ValueError("string argument should contain only ASCII characters")
        return _from_base64(s, values)

    @helper
    def decode_bytes(s):
        return _from_base64(s, values)

    @overlay(getattr(base64, name), "s")
    def choose(s=None):
        return decode_bytes if is_bytes(s) else decode if is_string(s) else None


for _name, _own in (
    ("b64encode", _standard),
    ("standard_b64encode", _standard),
    ("urlsafe_b64encode", _for_urls),
):
    overlay(getattr(base64, _name), "s")(lambda s=None, own=_own: own if is_bytes(s) else None)
_decoding("b64decode", _OF_STANDARD)
_decoding("standard_b64decode", _OF_STANDARD)
_decoding("urlsafe_b64decode", _OF_URL)
