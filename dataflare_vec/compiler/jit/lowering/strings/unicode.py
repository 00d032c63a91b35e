"""Tables of the running interpreter's Unicode: what each character is, and its case.

Two stages, as in CPython: ``pages[point >> 8]`` is a page of 256 numbers, one for each of its points, of the
record that the point shares with others like it. They are made of what this Python's own ``str`` methods
answer, when a kernel first needs them, so that they always agree with it: some 50 ms, once a process.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.lowering.strings.symbols import symbol, table

# What a character is: bits of its record's flags.
ALPHA, DECIMAL, DIGIT, NUMERIC, SPACE, UPPER, LOWER, TITLE = (1 << i for i in range(8))
#: Whether a character has case, and whether it is passed over in looking for one that has (for the final
#: sigma); whether it may begin, or go on in, an identifier.
CASED, IGNORABLE, STARTS, CONTINUES = (1 << i for i in range(8, 12))
#: The value of a decimal digit is above the flags.
VALUE_SHIFT = 12

#: A case mapping is added to the code point; from here on it is instead the number of an expansion.
EXPANSION = 1 << 24
#: Code points in an expansion, at most.
LONGEST = 3

_PREDICATES = (
    (str.isalpha, ALPHA),
    (str.isdecimal, DECIMAL),
    (str.isdigit, DIGIT),
    (str.isnumeric, NUMERIC),
    (str.isspace, SPACE),
    (str.isupper, UPPER),
    (str.islower, LOWER),
    (str.isidentifier, STARTS),
)
_CASES = (str.upper, str.lower, str.title, str.casefold)
_WORD_OR_SPACE = re.compile(r"[\w\s]")
_SIGMA = re.compile("[σς] ")
_LETTER_A = re.compile("[aA] ")


class Tables(NamedTuple):
    """The arrays, kept as long as the process."""

    pages: np.ndarray  # uint16[0x1100]
    records: np.ndarray  # uint16[pages × 256]
    flags: np.ndarray  # uint16[records]
    cases: np.ndarray  # int32[records × 4]: upper, lower, title, folded
    expansions: np.ndarray  # int32[expansions × 3], padded with 0


def _answers(pattern, text, wanted):
    """For each match of a pattern whether it begins with ``wanted``."""
    return np.array([found[0] == wanted for found in pattern.findall(text)])


def _flags_of(page):
    """Return the flags of each character of a page."""
    flags = np.zeros(256, np.uint16)
    for predicate, flag in _PREDICATES:
        flags |= np.fromiter(map(predicate, page), bool, 256) * np.uint16(flag)
    for i in np.flatnonzero(flags & DECIMAL):
        flags[i] |= int(page[i]) << VALUE_SHIFT
    titles = np.fromiter(map(str.istitle, page), bool, 256) & (flags & UPPER == 0)
    flags |= titles * np.uint16(TITLE)
    continues = np.fromiter((("a" + c).isidentifier() for c in page), bool, 256)
    flags |= continues * np.uint16(CONTINUES)
    # `title` goes on in lower case after a character that has case.
    cased = _answers(_LETTER_A, "".join([c + "a " for c in page]).title(), "a")
    return flags | cased * np.uint16(CASED) | _ignorable(page) * np.uint16(IGNORABLE)


def _ignorable(page):
    """For each character whether the sigma behind it is final because of what is before it."""
    behind_it = _answers(_SIGMA, "".join([c + "Σ " for c in page]).lower(), "ς")
    behind_both = _answers(_SIGMA, "".join(["A" + c + "Σ " for c in page]).lower(), "ς")
    return behind_both & ~behind_it


def _is_caseless(page):
    return all(change(page) == page for change in _CASES)


def _kind_of(page):
    """Return the flags of a page whose characters are all alike and have no case; None for others."""
    categories = set(map(unicodedata.category, page))
    if categories <= {"Cn", "Co"}:
        return 0
    if categories == {"Lo"} and not any(map(str.isnumeric, page)) and page.isidentifier():
        return ALPHA | STARTS | CONTINUES
    return None


class _Builder:
    def __init__(self):
        self.numbers = {}  # record → its number
        self.expansions = {}
        self.page_numbers = {}

    def record(self, flags, mappings=(0, 0, 0, 0)):
        return self.numbers.setdefault((flags, mappings), len(self.numbers))

    def page(self, content):
        return self.page_numbers.setdefault(content.tobytes(), len(self.page_numbers))

    def mapping(self, character, changed):
        if len(changed) == 1:
            return ord(changed) - ord(character)
        points = tuple(map(ord, changed))
        return EXPANSION + self.expansions.setdefault(points, len(self.expansions))

    def mixed(self, page):
        """Return the number of a page whose characters differ."""
        flags = _flags_of(page)
        if _is_caseless(page):
            kinds, where = np.unique(flags, return_inverse=True)
            numbers = np.array([self.record(int(kind)) for kind in kinds], np.uint16)
            return self.page(numbers[where])
        changed = [list(map(change, page)) for change in _CASES]
        numbers = [
            self.record(flag, tuple(self.mapping(c, new) for new in news))
            for flag, c, *news in zip(flags.tolist(), page, *changed, strict=True)
        ]
        return self.page(np.array(numbers, np.uint16))


@cache
def tables() -> Tables:
    """Return the tables of this interpreter."""
    made = _Builder()
    nothing = made.page(np.full(256, made.record(0), np.uint16))
    pages = np.full(0x1100, nothing, np.uint16)
    for plane in range(0x11):
        points = np.arange(plane << 16, (plane + 1) << 16, dtype="<u4")
        text = points.tobytes().decode("utf-32-le", "surrogatepass")
        # Most planes are empty, which one sweep shows.
        if not _WORD_OR_SPACE.search(text) and unicodedata.category(text[1]) in ("Cn", "Co"):
            continue
        for number in range(plane << 8, (plane + 1) << 8):
            if 0xD8 <= number < 0xE0:  # surrogates, which no text has
                continue
            start = (number & 0xFF) << 8
            page = text[start : start + 256]
            alike = _kind_of(page)
            if alike is None:
                pages[number] = made.mixed(page)
            else:
                pages[number] = made.page(np.full(256, made.record(alike), np.uint16))
    expansions = np.zeros((max(1, len(made.expansions)), LONGEST), np.int32)
    for i, points in enumerate(made.expansions):
        expansions[i, : len(points)] = points
    return Tables(
        pages,
        np.frombuffer(b"".join(made.page_numbers), np.uint16),
        np.array([flags for flags, _ in made.numbers], np.uint16),
        np.array([mappings for _, mappings in made.numbers], np.int32),
        expansions,
    )


def _table(name, item):
    full = f"dfv_unicode_{name}"
    symbol(full)(lambda: getattr(tables(), name))
    return table(full, item)


_pages, _records = _table("pages", types.uint16), _table("records", types.uint16)
_flags, _cases = _table("flags", types.uint16), _table("cases", types.int32)
expansions = _table("expansions", types.int32)


@helper
def _record_of(point):
    return _records()[np.int64(_pages()[point >> 8]) << 8 | (point & 0xFF)]


@helper
def flags_of(point):
    """Return the flags of a code point."""
    return np.int64(_flags()[_record_of(point)])


@helper
def case_of(point, which):
    """Return a code point in another case (0 upper, 1 lower, 2 title, 3 folded), or EXPANSION + number."""
    mapping = np.int64(_cases()[np.int64(_record_of(point)) * 4 + which])
    return mapping if mapping >= EXPANSION else point + mapping
