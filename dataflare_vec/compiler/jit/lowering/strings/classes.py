"""isalpha, isdigit and the like."""

from __future__ import annotations

import numpy as np

from dataflare_vec.compiler.jit.lowering.strings.base import helper, is_ascii, is_bytes, method, operation
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at
from dataflare_vec.compiler.jit.lowering.strings.strip import next_offset, space_at
from dataflare_vec.compiler.jit.lowering.strings.unicode import (
    ALPHA,
    CASED,
    CONTINUES,
    DECIMAL,
    DIGIT,
    LOWER,
    NUMERIC,
    STARTS,
    TITLE,
    UPPER,
    flags_of,
)


@helper
def ascii_flags(byte):
    """Return the flags of an ASCII character, by arithmetic."""
    if byte >= 48 and byte <= 57:
        return DECIMAL | DIGIT | NUMERIC | CONTINUES
    if byte >= 97 and byte <= 122:
        return ALPHA | LOWER | CASED | STARTS | CONTINUES
    if byte >= 65 and byte <= 90:
        return ALPHA | UPPER | CASED | STARTS | CONTINUES
    if byte == 95:
        return STARTS | CONTINUES
    return 0


def flags_at(view, offset):
    """Return the flags of the character at an offset."""
    raise TypeError(view, offset)


@operation(flags_at)
def _flags_at(view, offset):
    if is_ascii(view):
        return lambda view, offset: ascii_flags(view._data[offset])

    def flags(view, offset):
        if view._data[offset] < 128:
            return ascii_flags(view._data[offset])
        return flags_of(decode_at(view._data, offset))

    return flags


def _all_are(name, wanted, data=True):
    @method(name, data=data)
    def typed(view):
        def all_are(view):
            offset = 0
            while offset < view._nbytes:
                if flags_at(view, offset) & wanted == 0:
                    return False
                offset = next_offset(view, offset)
            return view._nbytes > 0

        return all_are


_all_are("isalpha", ALPHA)
_all_are("isdigit", DIGIT)
_all_are("isalnum", ALPHA | DECIMAL | DIGIT | NUMERIC)
_all_are("isdecimal", DECIMAL, data=False)
_all_are("isnumeric", NUMERIC, data=False)


@method("isspace", data=True)
def _isspace(view):
    def isspace(view):
        offset = 0
        while offset < view._nbytes:
            if not space_at(view, offset):
                return False
            offset = next_offset(view, offset)
        return view._nbytes > 0

    return isspace


def _all_cased(name, wanted, unwanted):
    @method(name, data=True)
    def typed(view):
        def all_cased(view):
            offset, found = 0, False
            while offset < view._nbytes:
                flags = flags_at(view, offset)
                if flags & unwanted:
                    return False
                found |= flags & wanted != 0
                offset = next_offset(view, offset)
            return found

        return all_cased


_all_cased("isupper", UPPER, LOWER | TITLE)
_all_cased("islower", LOWER, UPPER | TITLE)


@method("istitle", data=True)
def _istitle(view):
    def istitle(view):
        offset, found, behind_cased = 0, False, False
        while offset < view._nbytes:
            flags = flags_at(view, offset)
            if flags & (UPPER | TITLE):
                if behind_cased:
                    return False
                found = behind_cased = True
            elif flags & LOWER:
                if not behind_cased:
                    return False
                found = True
            else:
                behind_cased = False
            offset = next_offset(view, offset)
        return found

    return istitle


@method("isidentifier")
def _isidentifier(view):
    def isidentifier(view):
        offset, wanted = 0, STARTS
        while offset < view._nbytes:
            if flags_at(view, offset) & wanted == 0:
                return False
            offset, wanted = next_offset(view, offset), CONTINUES
        return offset > 0

    return isidentifier


@method("isascii", data=True)
def _isascii(view):
    if is_ascii(view) and not is_bytes(view):
        return lambda view: True

    def isascii(view):
        high = np.uint8(0)
        for i in range(view._nbytes):
            high |= view._data[i]
        return high < 128

    return isascii
