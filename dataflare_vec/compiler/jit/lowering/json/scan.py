"""JSON as Python's `json` reads it: whether a text is sound, and where the values in it end."""

from __future__ import annotations

import json

import numpy as np

from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.standard.binary import digit_of
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import helper, is_string
from dataflare_vec.compiler.jit.types.json import make_json
from dataflare_vec.compiler.jit.types.raised import DoesNotFit
from dataflare_vec.compiler.jit.types.strings import offset_by

QUOTE, BACKSLASH, COMMA, COLON = (ord(c) for c in '"\\,:')
OPEN_LIST, CLOSE_LIST, OPEN_DICT, CLOSE_DICT = (ord(c) for c in "[]{}")
MINUS, POINT, ZERO, NINE = (ord(c) for c in "-.09")
#: Python's own end, at which it raises RecursionError, depends on how deep the call is.
DEEPEST = 900
#: An integer of more digits is an error of Python's, unless it was told otherwise.
MOST_DIGITS = 4300
_TOO_DEEP = "lists and objects of JSON lie in each other up to 900 deep in compiled code"


@helper
def skip_spaces(data, at, nbytes):
    """Return the offset of what follows any spaces."""
    while at < nbytes and (data[at] == 32 or data[at] == 10 or data[at] == 13 or data[at] == 9):
        at += 1
    return at


@helper
def hex_at(data, at, nbytes):
    """Return the number that four digits in base 16 are; -1 if they aren't there."""
    if at + 4 > nbytes:
        return -1
    found = np.int64(0)
    for i in range(4):
        digit = digit_of(data[at + i])
        if digit < 0:
            return -1
        found = found * 16 + digit
    return found


@helper
def _is_escape(byte):
    """Whether a byte behind a backslash stands for a character."""
    if byte == QUOTE or byte == BACKSLASH or byte == 47 or byte == 98 or byte == 102:
        return True
    return byte == 110 or byte == 114 or byte == 116


@helper
def _end_of_string(data, at, nbytes):
    """Return the offset behind a string whose quote is at ``at``; -1 if it is none."""
    at += 1
    while at < nbytes:
        byte = data[at]
        if byte == QUOTE:
            return at + 1
        if byte < 32:
            return -1
        at += 1
        if byte == BACKSLASH:
            if at < nbytes and data[at] == 117:
                if hex_at(data, at + 1, nbytes) < 0:
                    return -1
                at += 4
            elif at >= nbytes or not _is_escape(data[at]):
                return -1
            at += 1
    return -1


@helper
def _end_of_digits(data, at, nbytes):
    while at < nbytes and data[at] >= ZERO and data[at] <= NINE:
        at += 1
    return at


@helper
def _end_of_number(data, at, nbytes):
    """Return the offset behind a number; -1 if it is none, -2 if Python takes it for too long."""
    at += np.int64(data[at] == MINUS)
    end = _end_of_digits(data, at, nbytes)
    if end == at:
        return -1
    if data[at] == ZERO:
        end = at + 1
    whole = end
    if end < nbytes and data[end] == POINT:
        behind = _end_of_digits(data, end + 1, nbytes)
        if behind > end + 1:
            end = behind
    if end < nbytes and data[end] | np.uint8(32) == 101:
        sign = np.int64(end + 1 < nbytes and (data[end + 1] == 43 or data[end + 1] == MINUS))
        behind = _end_of_digits(data, end + 1 + sign, nbytes)
        if behind > end + 1 + sign:
            end = behind
    return -2 if end == whole and whole - at > MOST_DIGITS else end


@helper
def _behind_word(data, at, nbytes, word):
    """Return the offset behind a word; -1 if it isn't there."""
    if at + len(word) > nbytes:
        return -1
    for i in range(len(word)):
        if data[at + i] != word[i]:
            return -1
    return at + len(word)


_NULL, _TRUE, _FALSE, _NAN, _INFINITY, _MINUS_INFINITY = (
    tuple(word) for word in (b"null", b"true", b"false", b"NaN", b"Infinity", b"-Infinity")
)


@helper
def _end_of_scalar(data, at, nbytes):
    """Return the offset behind a value that is no list or object; below 0 if there is none."""
    byte = data[at]
    if byte == QUOTE:
        return _end_of_string(data, at, nbytes)
    if byte == 116:
        return _behind_word(data, at, nbytes, _TRUE)
    if byte == 102:
        return _behind_word(data, at, nbytes, _FALSE)
    if byte == 110:
        return _behind_word(data, at, nbytes, _NULL)
    if byte == 78:
        return _behind_word(data, at, nbytes, _NAN)
    if byte == 73:
        return _behind_word(data, at, nbytes, _INFINITY)
    if byte == MINUS and at + 1 < nbytes and data[at + 1] == 73:
        return _behind_word(data, at, nbytes, _MINUS_INFINITY)
    return _end_of_number(data, at, nbytes)


@helper
def _behind_key(data, at, nbytes):
    """Return where the value of a key begins; -1 if there are no key and colon."""
    if at >= nbytes or data[at] != QUOTE:
        return -1
    at = _end_of_string(data, at, nbytes)
    if at < 0:
        return -1
    at = skip_spaces(data, at, nbytes)
    return skip_spaces(data, at + 1, nbytes) if at < nbytes and data[at] == COLON else -1


@helper
def sound_end(data, at, nbytes):
    """Return the offset behind the value at ``at``; below 0 if there is none, -2 if it has too long a number.

    Lists and objects that are open are kept in a row of bytes, by what closes them.
    """
    open_ones, depth = allocate(DEEPEST), 0
    while True:
        if at >= nbytes:
            return -1
        byte = data[at]
        if byte == OPEN_LIST or byte == OPEN_DICT:
            if depth == DEEPEST:
                raise DoesNotFit(_TOO_DEEP)
            closing = byte + np.uint8(2)
            at = skip_spaces(data, at + 1, nbytes)
            if at >= nbytes:
                return -1
            if data[at] != closing:
                open_ones[depth] = closing
                depth += 1
                if closing == CLOSE_DICT:
                    at = _behind_key(data, at, nbytes)
                    if at < 0:
                        return -1
                continue
            at += 1
        else:
            at = _end_of_scalar(data, at, nbytes)
            if at < 0:
                return at
        while depth:  # behind a value
            at = skip_spaces(data, at, nbytes)
            if at >= nbytes:
                return -1
            if data[at] == COMMA:
                at = skip_spaces(data, at + 1, nbytes)
                if open_ones[depth - 1] == CLOSE_DICT:
                    at = _behind_key(data, at, nbytes)
                    if at < 0:
                        return -1
                break
            if data[at] != open_ones[depth - 1]:
                return -1
            depth -= 1
            at += 1
        if depth == 0:
            return at


@helper
def _loads(s):
    data, nbytes = s._data, s._nbytes
    start = skip_spaces(data, 0, nbytes)
    end = sound_end(data, start, nbytes)
    if end == -2:
        raise ValueError("Exceeds the limit for integer string conversion")
    if end < 0 or skip_spaces(data, end, nbytes) != nbytes:
        raise json.JSONDecodeError("Expecting value", "", 0)
    return make_json(offset_by(data, start), end - start)


overlay(json.loads, "s")(lambda s=None: _loads if is_string(s) else None)


# -- in what is sound -------------------------------------------------------------------------------------


@helper
def end_of_string(data, at):
    """Return the offset behind a string."""
    at += 1
    while data[at] != QUOTE:
        at += 1 + np.int64(data[at] == BACKSLASH)
    return at + 1


@helper
def end_of(data, at, nbytes):
    """Return the offset behind the value at ``at``."""
    byte = data[at]
    if byte == QUOTE:
        return end_of_string(data, at)
    if byte == OPEN_LIST or byte == OPEN_DICT:
        depth = 0
        while True:
            byte = data[at]
            if byte == QUOTE:
                at = end_of_string(data, at)
                continue
            depth += np.int64(byte == OPEN_LIST or byte == OPEN_DICT)
            depth -= np.int64(byte == CLOSE_LIST or byte == CLOSE_DICT)
            at += 1
            if depth == 0:
                return at
    while at < nbytes:
        byte = data[at]
        if byte == COMMA or byte == CLOSE_LIST or byte == CLOSE_DICT or byte <= 32:
            break
        at += 1
    return at
