"""upper, lower, casefold, title, capitalize, swapcase.

ASCII changes byte by byte. Other text goes through the interpreter's own case mappings (`unicode.py`), with
Unicode's one rule that looks around: a capital sigma at the end of a word becomes ς.
"""

from __future__ import annotations

import numpy as np

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import helper, is_ascii, method
from dataflare_vec.compiler.jit.lowering.strings.codepoints import (
    decode_at,
    encode_to,
    start_before,
    width_at,
)
from dataflare_vec.compiler.jit.lowering.strings.memory import swap_case
from dataflare_vec.compiler.jit.lowering.strings.unicode import (
    CASED,
    EXPANSION,
    IGNORABLE,
    LONGEST,
    LOWER,
    UPPER,
    case_of,
    expansions,
    flags_of,
)
from dataflare_vec.compiler.jit.lowering.strings.vectorcode import SLACK
from dataflare_vec.compiler.jit.types.strings import make_view

TO_UPPER, TO_LOWER, TO_TITLE, TO_FOLDED = range(4)
_SIGMA, _FINAL_SIGMA = 0x3A3, 0x3C2
#: Bytes that a code point may become: three code points of at most four bytes.
_ROOM = 4 * LONGEST


@helper
def has_case(data, offset):
    """Whether the character at an offset has case, in the sense of the final sigma."""
    return flags_of(decode_at(data, offset)) & (CASED | IGNORABLE) == CASED


@helper
def is_final(data, nbytes, offset):
    """Whether the capital sigma at an offset ends a word: behind a character with case, and before none."""
    before = offset
    ignorable = True
    while ignorable and before > 0:
        before = start_before(data, before)
        ignorable = flags_of(decode_at(data, before)) & IGNORABLE != 0
    if ignorable or not has_case(data, before):
        return False
    behind = offset + 2
    while behind < nbytes and flags_of(decode_at(data, behind)) & IGNORABLE:
        behind += width_at(data, behind)
    return not (behind < nbytes and has_case(data, behind))


@helper
def write_cased(view, offset, which, room, written):
    """Write the character at an offset in another case; return the offset behind it."""
    point = decode_at(view._data, offset)
    if which == TO_LOWER and point == _SIGMA and is_final(view._data, view._nbytes, offset):
        return encode_to(room, written, _FINAL_SIGMA)
    changed = case_of(point, which)
    if changed < EXPANSION:
        return encode_to(room, written, changed)
    first = (changed - EXPANSION) * LONGEST
    for i in range(LONGEST):
        item = np.int64(expansions()[first + i])
        if item:
            written = encode_to(room, written, item)
    return written


@helper
def ascii_upper(byte):
    """Return a byte in upper case."""
    return byte - np.uint8(np.uint8(byte - np.uint8(97)) < 26) * np.uint8(32)


@helper
def ascii_lower(byte):
    """Return a byte in lower case."""
    return byte + np.uint8(np.uint8(byte - np.uint8(65)) < 26) * np.uint8(32)


@helper
def swapped(view, first, ignored):
    """Return ASCII text whose letters from ``first`` on are in the other case, in which bits are ignored."""
    room = allocate(view._nbytes + SLACK)
    swap_case(room, view._data, view._nbytes, np.uint8(first), np.uint8(ignored))
    return make_view(view, room, view._nbytes)


def _each(name, which, change, data=True):
    """Register a method that treats each character alike."""
    first = ord("a") if which == TO_UPPER else ord("A")

    @method(name, data=data)
    def typed(view):
        if is_ascii(view):
            return lambda view: swapped(view, first, 0)

        def utf8_case(view):
            room = allocate_for(view)
            written, offset = 0, 0
            while offset < view._nbytes:
                byte = view._data[offset]
                if byte < 128:
                    room[written] = change(byte)
                    written, offset = written + 1, offset + 1
                else:
                    written = write_cased(view, offset, which, room, written)
                    offset += width_at(view._data, offset)
            return make_view(view, room, written)

        return utf8_case


@helper
def allocate_for(view):
    """Return room for a string in any case: a character of one byte stays one, others may grow."""
    nbytes = view._nbytes
    high = 0
    for i in range(nbytes):
        high += np.int64(view._data[i] >= 0xC0)
    return allocate(nbytes + high * _ROOM)


_each("upper", TO_UPPER, ascii_upper)
_each("lower", TO_LOWER, ascii_lower)
_each("casefold", TO_FOLDED, ascii_lower, data=False)


@method("swapcase", data=True)
def _swapcase(view):
    if is_ascii(view):
        return lambda view: swapped(view, 97, 32)

    def swapcase(view):
        room = allocate_for(view)
        written, offset = 0, 0
        while offset < view._nbytes:
            point = decode_at(view._data, offset)
            flags = flags_of(point)
            if flags & UPPER:
                written = write_cased(view, offset, TO_LOWER, room, written)
            elif flags & LOWER:
                written = write_cased(view, offset, TO_UPPER, room, written)
            else:
                written = encode_to(room, written, point)
            offset += width_at(view._data, offset)
        return make_view(view, room, written)

    return swapcase


def _words(name, all_words):
    """Register a method that begins words in title case, all or only the first of the string."""

    @method(name, data=True)
    def typed(view):
        if is_ascii(view):

            def ascii_words(view):
                room = allocate(view._nbytes)
                inside = False
                for i in range(view._nbytes):
                    byte = view._data[i]
                    room[i] = ascii_lower(byte) if inside else ascii_upper(byte)
                    inside = not all_words or np.uint8((byte | np.uint8(32)) - np.uint8(97)) < 26
                return make_view(view, room, view._nbytes)

            return ascii_words

        def utf8_words(view):
            room = allocate_for(view)
            written, offset, inside = 0, 0, False
            while offset < view._nbytes:
                which = TO_LOWER if inside else TO_TITLE
                written = write_cased(view, offset, which, room, written)
                inside = not all_words or flags_of(decode_at(view._data, offset)) & CASED != 0
                offset += width_at(view._data, offset)
            return make_view(view, room, written)

        return utf8_words


_words("title", all_words=True)
_words("capitalize", all_words=False)
