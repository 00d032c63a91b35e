"""`quote`, `unquote` and their like of `urllib.parse`."""

from __future__ import annotations

from urllib import parse

import numpy as np

from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.standard.binary import digit_of
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    helper,
    is_bytes,
    is_string,
    known_value,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.codepoints import encode_to
from dataflare_vec.compiler.jit.lowering.strings.encode import utf8_width
from dataflare_vec.compiler.jit.types.strings import StringConstant, ascii_string, make_view, utf8_string

_ALWAYS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"


@helper
def _quoted(text, kept, space):
    """Return a text with each byte that isn't kept as ``%XX``; ``space`` stands for one, if it isn't 0."""
    room = allocate(3 * text._nbytes)
    written = 0
    for i in range(text._nbytes):
        byte = text._data[i]
        if byte == 32 and space:
            room[written] = np.uint8(space)
            written += 1
        elif kept[byte]:
            room[written] = byte
            written += 1
        else:
            room[written] = np.uint8(37)
            for k in range(2):
                digit = (byte >> np.uint8(4 - 4 * k)) & np.uint8(15)
                room[written + 1 + k] = np.uint8(digit + (48 if digit < 10 else 55))
            written += 3
    return make_view(ascii_string, room, written)


def _register(function, default, space):
    """Have a function quote; ``space`` stands for one, if it isn't 0."""
    always = StringConstant(default)

    @operation(function, prefer_literal=True)
    def quote(string, safe=always):
        more = known_value(safe)
        if not isinstance(more, str) or not (is_string(string) or is_bytes(string)):
            return None
        kept = np.zeros(256, np.bool_)
        kept[np.frombuffer(_ALWAYS + more.encode("ascii", "ignore"), np.uint8)] = True
        return lambda string, safe=always: _quoted(string, kept, space)


_register(parse.quote, "/", 0)
_register(parse.quote_plus, "", ord("+"))


# -- back -------------------------------------------------------------------------------------------------


@helper
def _unquoted(text, plus):
    """Return a text without ``%XX``; what is no UTF-8 is replaced, in each run of ASCII on its own."""
    data, nbytes = text._data, text._nbytes
    room, plain = allocate(3 * nbytes), allocate(nbytes)
    at = written = 0
    while at < nbytes:
        if data[at] >= 128:
            room[written] = data[at]
            written += 1
            at += 1
            continue
        count = 0
        while at < nbytes and data[at] < 128:
            byte = data[at]
            at += 1
            if byte == 37 and at + 1 < nbytes and digit_of(data[at]) >= 0 and digit_of(data[at + 1]) >= 0:
                byte = np.uint8(digit_of(data[at]) * 16 + digit_of(data[at + 1]))
                at += 2
            elif byte == 43 and plus:
                byte = np.uint8(32)
            plain[count] = byte
            count += 1
        i = 0
        while i < count:
            width = utf8_width(plain, i, count)
            if width < 0:
                written = encode_to(room, written, 0xFFFD)
            for k in range(width):
                room[written + k] = plain[i + k]
            written += width if width > 0 else 0
            i += abs(width)
    return make_view(utf8_string, room, written)


@helper
def _unquote(string):
    return _unquoted(string, False)


@helper
def _unquote_plus(string):
    return _unquoted(string, True)


overlay(parse.unquote, "string")(lambda string=None: _unquote if is_string(string) else None)
overlay(parse.unquote_plus, "string")(lambda string=None: _unquote_plus if is_string(string) else None)
