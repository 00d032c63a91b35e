"""``repr`` and ``ascii`` of text, bytes, numbers, bools and None; `isprintable`."""

from __future__ import annotations

import numpy as np
from numba.core import types
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.builtins import value_of
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    helper,
    is_ascii,
    is_bytes,
    is_string,
    method,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at, encode_to, width_of
from dataflare_vec.compiler.jit.lowering.strings.constants import REPLACED
from dataflare_vec.compiler.jit.lowering.strings.strip import next_offset
from dataflare_vec.compiler.jit.lowering.strings.symbols import symbol, table
from dataflare_vec.compiler.jit.lowering.strings.text import text_of
from dataflare_vec.compiler.jit.types.caught import CaughtType
from dataflare_vec.compiler.jit.types.strings import StringConstant, ascii_string, make_view, utf8_string
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType

_POINTS = 0x110000


@symbol("dfv_unicode_printable")
def _printable_bits():
    """Return a bit for each code point: whether this interpreter's ``repr`` shows it as it is."""
    bits = np.zeros(_POINTS, bool)
    for start in range(0, _POINTS, 256):
        if 0xD800 <= start < 0xE000:  # surrogates, which no text has
            continue
        page = "".join(map(chr, range(start, start + 256)))
        if page.isprintable():
            bits[start : start + 256] = True
        else:
            bits[start : start + 256] = [character.isprintable() for character in page]
    return np.packbits(bits, bitorder="little")


_printable = table("dfv_unicode_printable", types.uint8)


@helper
def _is_printable(point):
    return (_printable()[point >> 3] >> np.uint8(point & 7)) & np.uint8(1) != 0


@helper
def _quote_of(view):
    """Return the quote that Python takes: the double one where there are single ones alone."""
    single = False
    for i in range(view._nbytes):
        if view._data[i] == 34:
            return np.int64(39)
        single |= view._data[i] == 39
    return np.int64(34) if single else np.int64(39)


@helper
def _put(room, at, byte):
    room[at] = np.uint8(byte)
    return at + 1


@helper
def _put_hex(room, at, letter, digits, number):
    """Write an escape by number: backslash, x, u or U, and so many digits."""
    at = _put(room, _put(room, at, 92), letter)
    for i in range(digits):
        digit = (number >> (4 * (digits - 1 - i))) & 15
        at = _put(room, at, digit + (48 if digit < 10 else 87))
    return at


@helper
def _put_point(room, at, point, quote, plain):
    """Write one character, as it is if it is above ASCII and ``plain``."""
    if point == quote or point == 92:
        return _put(room, _put(room, at, 92), point)
    if point == 9 or point == 10 or point == 13:
        return _put(room, _put(room, at, 92), 116 if point == 9 else 110 if point == 10 else 114)
    if 32 <= point < 127:
        return _put(room, at, point)
    if plain:
        return encode_to(room, at, point)
    if point < 0x100:
        return _put_hex(room, at, 120, 2, point)
    if point < 0x10000:
        return _put_hex(room, at, 117, 4, point)
    return _put_hex(room, at, 85, 8, point)


def repr_of(value):
    """Return what Python shows a value as; stands for `repr` in kernels."""
    return repr(value)


def ascii_of(value):
    """Return the same in ASCII; stands for `ascii` in kernels."""
    return ascii(value)


def _bytes_shown(value):
    room = allocate(4 * value._nbytes + 3)
    quote = _quote_of(value)
    at = _put(room, _put(room, 0, 98), quote)
    for i in range(value._nbytes):
        at = _put_point(room, at, np.int64(value._data[i]), quote, False)
    return make_view(ascii_string, room, _put(room, at, quote))


def _ascii_shown(value):
    room = allocate(4 * value._nbytes + 2)
    quote = _quote_of(value)
    at = _put(room, 0, quote)
    for i in range(value._nbytes):
        at = _put_point(room, at, np.int64(value._data[i]), quote, False)
    return make_view(ascii_string, room, _put(room, at, quote))


def _text_shown(kind, printable):
    def shown(value):
        room = allocate(4 * value._nbytes + 2)
        quote = _quote_of(value)
        at = _put(room, 0, quote)
        i = 0
        while i < value._nbytes:
            point = decode_at(value._data, i)
            i += width_of(point)
            plain = printable and point >= 127 and _is_printable(point)
            at = _put_point(room, at, point, quote, plain)
        return make_view(kind, room, _put(room, at, quote))

    return shown


def _shown(value, kind, printable):
    own = getattr(value, "literal_type", value)
    if is_bytes(own):
        return _bytes_shown
    if is_string(value):
        return _ascii_shown if is_ascii(value) else _text_shown(kind, printable)
    numbers = types.Number | types.Boolean | types.NoneType | WideIntType
    if isinstance(own, numbers) and not isinstance(own, types.Complex):
        return lambda value: text_of(value)
    msg = f"`repr` of {own} isn't known to compiled code; of text, bytes, numbers, bools and None it is"
    raise TypingError(msg)


@operation(repr_of)
def _repr_of(value):
    if isinstance(value, CaughtType):  # see `told`
        return None
    if isinstance(value, types.Optional):
        none = StringConstant("None")
        return lambda value: none if value is None else repr_of(value_of(value))
    return _shown(value, utf8_string, True)


@operation(ascii_of)
def _ascii_of(value):
    if isinstance(value, types.Optional):
        none = StringConstant("None")
        return lambda value: none if value is None else ascii_of(value_of(value))
    return _shown(value, ascii_string, False)


@method("isprintable")
def _isprintable(view):
    def isprintable(view):
        offset = 0
        while offset < view._nbytes:
            if not _is_printable(decode_at(view._data, offset)):
                return False
            offset = next_offset(view, offset)
        return True

    return isprintable


REPLACED.update({repr: repr_of, ascii: ascii_of})
