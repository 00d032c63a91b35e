"""What is written between the quotes of JSON."""

from __future__ import annotations

import numpy as np

from dataflare_vec.compiler.jit.lowering.json.scan import BACKSLASH, QUOTE, hex_at
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.lowering.strings.codepoints import encode_to
from dataflare_vec.compiler.jit.lowering.strings.memory import find_byte, same_bytes
from dataflare_vec.compiler.jit.types.raised import NotDeclared
from dataflare_vec.compiler.jit.types.strings import make_view, offset_by, utf8_string


@helper
def _escaped(byte):
    """Return the character that a letter behind a backslash stands for."""
    if byte == 98:
        return 8
    if byte == 102:
        return 12
    if byte == 110:
        return 10
    if byte == 114:
        return 13
    return 9 if byte == 116 else np.int64(byte)


@helper
def _escapes_point(data, at):
    return data[at] == BACKSLASH and data[at + 1] == 117


@helper
def between_quotes(data, nbytes):
    """Return the text of a string with its quotes, and whether it has half of a surrogate pair.

    Such a half is encoded as if it were a character, which no text of a column has.
    """
    start = find_byte(data, 0, nbytes, np.uint8(BACKSLASH))
    if start < 0:
        return make_view(utf8_string, offset_by(data, 1), nbytes - 2), False
    room = allocate(nbytes)
    halves = False
    written, at, end = 0, 1, nbytes - 1
    while at < end:
        byte = data[at]
        if byte != BACKSLASH:
            room[written] = byte
            written += 1
            at += 1
            continue
        at += 1
        if data[at] != 117:
            room[written] = np.uint8(_escaped(data[at]))
            written += 1
            at += 1
            continue
        point = hex_at(data, at + 1, end)
        at += 5
        if (
            point >= 0xD800
            and point < 0xDC00
            and at + 6 <= end
            and data[at] == BACKSLASH
            and data[at + 1] == 117
        ):
            low = hex_at(data, at + 2, end)
            if low >= 0xDC00 and low < 0xE000:
                point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00)
                at += 6
        halves |= point >= 0xD800 and point < 0xE000
        written = encode_to(room, written, point)
    return make_view(utf8_string, room, written), halves


@helper
def text_between(data, nbytes):
    """Return the text of a string with its quotes."""
    text, halves = between_quotes(data, nbytes)
    if halves:
        raise NotDeclared("a string of Arrow can't hold half of a surrogate pair, U+D800 to U+DFFF")
    return text


@helper
def is_text(data, nbytes, text):
    """Whether a string with its quotes is a text."""
    if data[0] != QUOTE:
        return False
    if nbytes - 2 == text._nbytes and same_bytes(offset_by(data, 1), text._data, text._nbytes):
        return find_byte(text._data, 0, text._nbytes, np.uint8(BACKSLASH)) < 0
    if nbytes - 2 <= text._nbytes or find_byte(data, 0, nbytes, np.uint8(BACKSLASH)) < 0:
        return False
    found, _ = between_quotes(data, nbytes)
    return found._nbytes == text._nbytes and same_bytes(found._data, text._data, text._nbytes)
