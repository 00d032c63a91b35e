"""`json.dumps` of numbers, strings, None, tuples, lists and dicts whose keys are constants."""

from __future__ import annotations

import numpy as np
from numba.core import types
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.builtins import value_of
from dataflare_vec.compiler.jit.lowering.nested.row_lists import RowListType, room_behind
from dataflare_vec.compiler.jit.lowering.nested.string_lists import StringListType
from dataflare_vec.compiler.jit.lowering.standard.binary import put_hex
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    copy_bytes,
    helper,
    is_string,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at, width_at
from dataflare_vec.compiler.jit.lowering.strings.numbers.digits import float_text, is_special
from dataflare_vec.compiler.jit.lowering.strings.split import PiecesType
from dataflare_vec.compiler.jit.lowering.strings.text import int_text, wide_text
from dataflare_vec.compiler.jit.types.strings import (
    StringConstant,
    ascii_string,
    make_view,
    offset_by,
    utf8_string,
)
from dataflare_vec.compiler.jit.types.wide_integers import DecimalType, WideIntType

_LISTS = types.List, RowListType, StringListType, PiecesType
_NULL, _TRUE, _FALSE, _NAN, _INFINITY, _MINUS_INFINITY = (
    StringConstant(text) for text in ("null", "true", "false", "NaN", "Infinity", "-Infinity")
)
_OPEN_LIST, _CLOSE_LIST, _OPEN_DICT, _CLOSE_DICT = (StringConstant(mark) for mark in "[]{}")


def dumped(value, comma, colon):
    """Return a value as JSON, with what isn't ASCII escaped; stands for `json.dumps` in kernels."""
    raise NotImplementedError  # compiled only


def dumped_wide(value, comma, colon):
    """Return a value as JSON, with all characters as they are."""
    raise NotImplementedError  # likewise


def key_of(value):
    """Return a key of a dict that isn't a constant."""
    raise NotImplementedError  # likewise


@operation(key_of)
def _key_of(value):
    if not is_string(value):
        msg = "`json.dumps` can't be compiled: a key that isn't a constant has to be a string"
        raise TypingError(msg)
    return lambda value: value


# -- strings ----------------------------------------------------------------------------------------------


@helper
def _letter_of(point):
    """Return what stands behind a backslash for a character; 0 if it has no letter of its own."""
    if point == 34 or point == 92:
        return point
    if point == 8:
        return 98
    if point == 9:
        return 116
    if point == 10:
        return 110
    if point == 12:
        return 102
    return 114 if point == 13 else 0


@helper
def _put_unit(room, at, unit):
    room[at] = np.uint8(92)
    room[at + 1] = np.uint8(117)
    put_hex(room, at + 2, np.uint8(unit >> 8))
    put_hex(room, at + 4, np.uint8(unit & 255))
    return at + 6


@helper
def _put_point(room, at, point):
    """Write a character that doesn't stand for itself."""
    letter = _letter_of(point)
    if letter:
        room[at] = np.uint8(92)
        room[at + 1] = np.uint8(letter)
        return at + 2
    if point >= 0x10000:
        at = _put_unit(room, at, 0xD800 + ((point - 0x10000) >> 10))
        point = 0xDC00 + (point & 0x3FF)
    return _put_unit(room, at, point)


@helper
def _quoted(text, is_wide):
    """Return a text in quotes, as one of any characters; unless it is wide, all of it is ASCII."""
    data, nbytes = text._data, text._nbytes
    room = allocate(6 * nbytes + 2)
    room[0] = np.uint8(34)
    at, written = 0, 1
    while at < nbytes:
        byte = data[at]
        if byte >= 32 and byte != 34 and byte != 92 and (byte < 127 or is_wide):
            room[written] = byte
            written += 1
            at += 1
        else:
            written = _put_point(room, written, decode_at(data, at))
            at += width_at(data, at)
    room[written] = np.uint8(34)
    return make_view(utf8_string, room, written + 1)


@helper
def _quoted_ascii(text):
    quoted = _quoted(text, False)
    return make_view(ascii_string, quoted._data, quoted._nbytes)


@helper
def _quoted_wide(text):
    return _quoted(text, True)


# -- other values -----------------------------------------------------------------------------------------


@helper
def _number(value):
    """Return a float as JSON, or as Python's extension of it."""
    if is_special(value):
        return _NAN if value != value else _INFINITY if value > 0 else _MINUS_INFINITY
    return float_text(value)


def _registered(function, quoted):
    """Register what a function returns that stands for `json.dumps`; ``quoted`` puts a text in quotes."""

    @operation(function)
    def choose(value, comma, colon):
        value = types.unliteral(getattr(value, "value", value))
        if isinstance(value, types.NoneType) or value is None:
            return lambda value, comma, colon: _NULL
        if isinstance(value, types.Optional):
            return lambda value, comma, colon: (
                _NULL if value is None else function(value_of(value), comma, colon)
            )
        if is_string(value):
            return lambda value, comma, colon: quoted(value)
        if isinstance(value, types.Boolean):
            return lambda value, comma, colon: _TRUE if value else _FALSE
        if isinstance(value, types.Integer):
            return lambda value, comma, colon: int_text(value)
        if isinstance(value, WideIntType) and not isinstance(value, DecimalType):
            return lambda value, comma, colon: wide_text(value)
        if value == types.float64:
            return lambda value, comma, colon: _number(value)
        if isinstance(value, types.BaseTuple):
            return _tuple(function, len(value))
        if isinstance(value, _LISTS):
            return _list(function)
        if isinstance(value, types.DictType) and is_string(value.key_type):
            return _dict(function, quoted)
        msg = (
            f"`json.dumps` can't write a value of type {value}; it takes numbers of "
            "Python's, bools, strings, None, lists and tuples of these, and dicts written in the call"
        )
        raise TypingError(msg)


@helper
def _written(room, used, size, text):
    """Write a text behind others; return where they are, their bytes, and the room that there is."""
    room, size = room_behind(room, used, size, text._nbytes)
    copy_bytes(offset_by(room, used), text._data, text._nbytes)
    return room, used + text._nbytes, size


def _list(function):
    kind = ascii_string if function is dumped else utf8_string

    def dump(value, comma, colon):
        room, used, size = _written(allocate(64), 0, 64, _OPEN_LIST)
        first = True
        for item in value:
            if not first:
                room, used, size = _written(room, used, size, comma)
            room, used, size = _written(room, used, size, function(item, comma, colon))
            first = False
        room, used, size = _written(room, used, size, _CLOSE_LIST)
        return make_view(kind, room, used)

    return dump


def _dict(function, quoted):
    kind = ascii_string if function is dumped else utf8_string

    def dump(value, comma, colon):
        room, used, size = _written(allocate(64), 0, 64, _OPEN_DICT)
        first = True
        for key, item in value.items():
            if not first:
                room, used, size = _written(room, used, size, comma)
            room, used, size = _written(room, used, size, quoted(key))
            room, used, size = _written(room, used, size, colon)
            room, used, size = _written(room, used, size, function(item, comma, colon))
            first = False
        room, used, size = _written(room, used, size, _CLOSE_DICT)
        return make_view(kind, room, used)

    return dump


def _tuple(function, size):
    """Return what writes a tuple: its items are of types of their own."""
    items = " + comma + ".join(f"function(value[{i}], comma, colon)" for i in range(size))
    scope = {"function": function, "opening": _OPEN_LIST, "closing": _CLOSE_LIST}
    shown = f"opening + {items} + closing" if size else "opening + closing"
    exec(f"def dump(value, comma, colon):\n    return {shown}", scope)
    return scope["dump"]


_registered(dumped, _quoted_ascii)
_registered(dumped_wide, _quoted_wide)
