"""`unicodedata`: `normalize` and `is_normalized`, and what a character is.

Tables are made of what this Python's own `unicodedata` answers, when a kernel first needs them, so that they
always agree with it. In one array of 32-bit numbers lie, for each page of 256 code points, where the page
begins; the pages, each once; and what these refer to.

The forms are those of the Unicode Standard Annex 15 (https://www.unicode.org/reports/tr15/): characters are
replaced by what they decompose into, marks behind a character are sorted by their class, and pairs are
composed again, Hangul syllables as chapter 3.12 of the standard computes them.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
from numba.core import types
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import helper, is_string, known_value, operation
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at, encode_to, width_at
from dataflare_vec.compiler.jit.lowering.strings.symbols import symbol, table
from dataflare_vec.compiler.jit.types.strings import ascii_string, make_view, utf8_string

_POINTS, _PAGES = 0x110000, 0x1100
#: Hangul: the first syllable, leading consonant, vowel, and one before the first trailing consonant; how many
#: there are of the last three.
_SYLLABLE, _LEADING, _VOWEL, _TRAILING = 0xAC00, 0x1100, 0x1161, 0x11A7
_LEADINGS, _VOWELS, _TRAILINGS = 19, 21, 28
_SYLLABLES = _LEADINGS * _VOWELS * _TRAILINGS

# -- tables -----------------------------------------------------------------------------------------------


def _staged(values: np.ndarray[Any, Any], behind: list[int] | None = None) -> np.ndarray[Any, Any]:
    """Return the array of a number for each code point.

    Parameters
    ----------
    values
        The numbers; if there is something ``behind``, places in it, from 1 on, or 0.
    """
    pages, numbers = np.unique(values.reshape(_PAGES, 256), axis=0, return_inverse=True)
    starts = _PAGES + 256 * numbers.reshape(-1)
    end = _PAGES + pages.size
    pages = np.where(pages > 0, pages + end, 0) if behind is not None else pages
    return np.concatenate([starts, pages.reshape(-1), [0], behind or []]).astype(np.int32)


@helper
def _at(found, point):
    """Return the number of a code point."""
    return np.int64(found[np.int64(found[point >> 8]) + (point & 255)])


@cache
def _characters() -> str:
    return "".join(map(chr, range(_POINTS)))


def _numbers(answer: Any) -> np.ndarray[Any, Any]:
    return np.fromiter(map(answer, _characters()), np.int32, _POINTS)


@cache
def _decomposing() -> list[str]:
    """Return the characters that become others in some form; of Hangul's Python doesn't say into which."""
    known = filter(unicodedata.decomposition, _characters())
    return [*known, *map(chr, range(_SYLLABLE, _SYLLABLE + _SYLLABLES))]


def _decompositions(form):
    """Return a function that makes the table of what each code point becomes: how many others, and these."""

    def make():
        places, behind = np.zeros(_POINTS, np.int32), []
        for character in _decomposing():
            found = unicodedata.normalize(form, character)
            if found != character:
                places[ord(character)] = len(behind) + 1
                behind += [len(found), *map(ord, found)]
        return _staged(places, behind)

    return make


@cache
def _pairs() -> dict[int, list[tuple[int, int]]]:
    """Return by second character the first one, and what they are together."""
    pairs: dict[int, list[tuple[int, int]]] = {}
    for composed in _decomposing():
        parts = unicodedata.decomposition(composed).split()
        if len(parts) == 2 and not parts[0].startswith("<") and unicodedata.is_normalized("NFC", composed):
            first, second = (int(part, 16) for part in parts)
            pairs.setdefault(second, []).append((first, ord(composed)))
    return pairs


@symbol("dfv_unicode_compositions")
def _compositions_table():
    """Return the table of second characters: how many pairs they are of, then first ones and the composed."""
    places, behind = np.zeros(_POINTS, np.int32), []
    for second, found in _pairs().items():
        places[second] = len(behind) + 1
        behind += [len(found), *chain.from_iterable(sorted(found))]
    return _staged(places, behind)


_compositions = table("dfv_unicode_compositions", types.int32)

# -- forms ------------------------------------------------------------------------------------------------


def _changing(form):
    """Return a function that makes the table of whether a character may become another one in a form.

    That is so if it does by itself, or if it may be the second one of a pair. In the same number, times two,
    is its class.
    """

    def make():
        changes = np.zeros(_POINTS, bool)
        for character in _decomposing():
            changes[ord(character)] = not unicodedata.is_normalized(form, character)
        if form.endswith("C"):
            changes[list(_pairs())] = True
            changes[_VOWEL : _VOWEL + _VOWELS] = True
            changes[_TRAILING + 1 : _TRAILING + _TRAILINGS] = True
        return _staged(changes + 2 * _numbers(unicodedata.combining))

    return make


@helper
def _is_as_it_is(text, changing):
    """Whether a text surely is in a form already: its marks are sorted, and no character may change."""
    at = before = 0
    while at < text._nbytes:
        if text._data[at] < 128:
            before = 0
            at += 1
            continue
        flags = _at(changing, decode_at(text._data, at))
        own = flags >> 1
        if flags & 1 or (own and own < before):
            return False
        before = own
        at += width_at(text._data, at)
    return True


@helper
def _count(text, decompositions):
    """Return how many code points a text becomes."""
    count = at = 0
    while at < text._nbytes:
        place = _at(decompositions, decode_at(text._data, at))
        at += width_at(text._data, at)
        count += np.int64(decompositions[place]) if place else 1
    return count


@helper
def _decompose(text, decompositions, points):
    """Write the code points that a text becomes; return how many."""
    count = at = 0
    while at < text._nbytes:
        point = decode_at(text._data, at)
        at += width_at(text._data, at)
        place = _at(decompositions, point)
        if place:
            for i in range(np.int64(decompositions[place])):
                points[count] = decompositions[place + 1 + i]
                count += 1
        else:
            points[count] = point
            count += 1
    return count


@helper
def _sort(points, count):
    """Sort marks that follow each other by their class."""
    combining = _combining()
    for i in range(1, count):
        point = points[i]
        own = _at(combining, np.int64(point))
        place = i
        if own:
            while place and _at(combining, np.int64(points[place - 1])) > own:
                points[place] = points[place - 1]
                place -= 1
        points[place] = point


@helper
def _composed(first, second):
    """Return the character that two are; 0 if there is none."""
    if _LEADING <= first < _LEADING + _LEADINGS and _VOWEL <= second < _VOWEL + _VOWELS:
        return _SYLLABLE + ((first - _LEADING) * _VOWELS + second - _VOWEL) * _TRAILINGS
    if _SYLLABLE <= first < _SYLLABLE + _SYLLABLES and _TRAILING < second < _TRAILING + _TRAILINGS:
        return first + second - _TRAILING if (first - _SYLLABLE) % _TRAILINGS == 0 else 0
    compositions = _compositions()
    place = _at(compositions, second)
    if not place:
        return 0
    low, high = 0, np.int64(compositions[place])
    while low < high:
        middle = (low + high) >> 1
        if np.int64(compositions[place + 1 + 2 * middle]) < first:
            low = middle + 1
        else:
            high = middle
    found = place + 1 + 2 * low
    if low == np.int64(compositions[place]) or np.int64(compositions[found]) != first:
        return 0
    return np.int64(compositions[found + 1])


@helper
def _compose(points, count):
    """Put pairs together; return how many code points are left."""
    combining = _combining()
    starter, before, kept = -1, 0, 0
    for i in range(count):
        point = np.int64(points[i])
        own = _at(combining, point)
        if starter >= 0 and (starter == kept - 1 or before < own):
            composed = _composed(np.int64(points[starter]), point)
            if composed:
                points[starter] = composed
                continue
        if own == 0:
            starter = kept
        before = own
        points[kept] = point
        kept += 1
    return kept


@helper
def _written(points, count):
    room, size = allocate(4 * count), 0
    for i in range(count):
        size = encode_to(room, size, np.int64(points[i]))
    return make_view(utf8_string, room, size)


def _normalizer(form, decompositions):
    name, composes = f"dfv_unicode_in_{form.lower()}", form.endswith("C")
    symbol(name)(_changing(form))
    changing = table(name, types.int32)

    @helper
    def normalized(text):
        if _is_as_it_is(text, changing()):
            return make_view(utf8_string, text._data, text._nbytes)
        points = np.empty(_count(text, decompositions()), np.int32)
        count = _decompose(text, decompositions(), points)
        _sort(points, count)
        if composes:
            count = _compose(points, count)
        return _written(points, count)

    return normalized


def _normalizers():
    """Return what normalizes, by form."""
    found = {}
    for form, composed in (("NFD", "NFC"), ("NFKD", "NFKC")):
        name = f"dfv_unicode_{form.lower()}"
        symbol(name)(_decompositions(form))
        decompositions = table(name, types.int32)
        found |= {one: _normalizer(one, decompositions) for one in (form, composed)}
    return found


_FORMS = _normalizers()


def _register_form(function, of_text):
    @operation(function, prefer_literal=True)
    def by_form(form, unistr):
        if not is_string(unistr):
            return None
        normalized = _FORMS.get(known_value(form))
        if normalized is None:
            name, known = function.__name__, ", ".join(_FORMS)
            msg = f"the form of `unicodedata.{name}` has to be a constant, one of {known}"
            raise TypingError(msg)
        return of_text(normalized)


_register_form(unicodedata.normalize, lambda normalized: lambda form, unistr: normalized(unistr))
_register_form(
    unicodedata.is_normalized, lambda normalized: lambda form, unistr: normalized(unistr) == unistr
)


# -- characters -------------------------------------------------------------------------------------------


@helper
def _point(text):
    """Return the code point of a string of one character."""
    if text._nbytes == 0 or width_at(text._data, 0) != text._nbytes:
        raise TypeError("the argument must be a unicode character")
    return decode_at(text._data, 0)


def _register_number(function):
    name = f"dfv_unicode_{function.__name__}"
    symbol(name)(lambda: _staged(_numbers(function)))
    numbers = table(name, types.int32)

    @operation(function)
    def number(chr):
        return (lambda chr: _at(numbers(), _point(chr))) if is_string(chr) else None

    return numbers


def _register_text(function):
    """Have a function of a character compiled that answers with three characters or fewer."""
    name = f"dfv_unicode_{function.__name__}"
    symbol(name)(lambda: _staged(_numbers(lambda c: int.from_bytes(function(c).encode(), "little"))))
    numbers = table(name, types.int32)

    @helper
    def shown(text):
        packed, room, size = _at(numbers(), _point(text)), allocate(3), 0
        while packed:
            room[size] = np.uint8(packed & 255)
            packed >>= 8
            size += 1
        return make_view(ascii_string, room, size)

    @operation(function)
    def answer(chr):
        return (lambda chr: shown(chr)) if is_string(chr) else None


_combining = _register_number(unicodedata.combining)
_register_number(unicodedata.mirrored)
for _function in (unicodedata.category, unicodedata.bidirectional, unicodedata.east_asian_width):
    _register_text(_function)
