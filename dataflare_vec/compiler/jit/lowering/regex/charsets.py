"""Sets of characters, as `re` takes them: asked of `re` itself wherever cases and categories come in.

A set is a tuple of ranges of code points, first and last, in order and apart from each other.
"""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_right
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Set = tuple[tuple[int, int], ...]


class Alphabet(NamedTuple):
    """What texts are made of.

    Attributes
    ----------
    last
        The last character.
    is_text
        Whether they are strings, not bytes.
    """

    last: int
    is_text: bool

    @property
    def all(self) -> Set:
        """The set of all characters."""
        return ((0, self.last),)


ASCII, UNICODE, BYTES = Alphabet(0x7F, True), Alphabet(0x10FFFF, True), Alphabet(0xFF, False)

NEWLINE: Set = ((10, 10),)

_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


def union(ranges: Iterable[tuple[int, int]]) -> Set:
    """Return the set of ranges in any order."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return tuple(found)


def complement(chars: Set, alphabet: Alphabet) -> Set:
    """Return all characters but those of a set."""
    ends = [-1, *(end for first, last in chars for end in (first - 1, last)), alphabet.last]
    return tuple((ends[i] + 1, ends[i + 1]) for i in range(0, len(ends), 2) if ends[i] < ends[i + 1])


def contains(chars: Set, point: int) -> bool:
    """Whether a character is in a set."""
    at = bisect_right(chars, (point, 0x110000))
    return at > 0 and point <= chars[at - 1][1]


def set_of(items: Sequence[tuple[Any, Any]], flags: int, alphabet: Alphabet) -> Set:
    """Return the set of the items that `re` has parsed from ``[…]``, or of one character or category."""
    ignores_case = bool(flags & re.IGNORECASE)
    plain = not ignores_case and all(op.name in ("LITERAL", "RANGE", "NEGATE") for op, _ in items)
    if not plain and alphabet is not UNICODE:
        return _asked(_text(items), flags, alphabet)
    if ignores_case:
        # All others are equal to nothing but themselves.
        text, cased = _text(items), _cased()
        found = _asked_among(text, flags, cased)
        rest = set_of(items, flags & ~re.IGNORECASE, alphabet)
        return union([*_without(rest, cased), *found])
    ranges: list[tuple[int, int]] = []
    for op, value in items:
        if op.name == "LITERAL":
            ranges.append((value, value))
        elif op.name == "RANGE":
            ranges.append(value)
        elif op.name == "CATEGORY":
            ranges += _asked(_CATEGORIES[value.name], flags & re.ASCII, alphabet)
    inside = union((first, min(last, alphabet.last)) for first, last in ranges if first <= alphabet.last)
    return complement(inside, alphabet) if items[0][0].name == "NEGATE" else inside


def category(text: str, flags: int, alphabet: Alphabet) -> Set:
    """Return the set of a category, as it is written."""
    return _asked(text, flags & re.ASCII, alphabet)


def _text(items: Sequence[tuple[Any, Any]]) -> str:
    """Write items as a pattern."""
    parts = []
    for op, value in items:
        if op.name == "NEGATE":
            parts.append("^")
        elif op.name == "LITERAL":
            parts.append(_escaped(value))
        elif op.name == "RANGE":
            parts.append("-".join(map(_escaped, value)))
        else:
            parts.append(_CATEGORIES[value.name])
    return f"[{''.join(parts)}]"


def _escaped(point: int) -> str:
    return f"\\x{point:02x}" if point < 0x100 else f"\\U{point:08x}"


@cache
def _asked(text: str, flags: int, alphabet: Alphabet) -> Set:
    """Return the characters of an alphabet that a pattern matches, one at a time."""
    flags &= re.IGNORECASE | re.ASCII
    if not alphabet.is_text:
        every = bytes(range(alphabet.last + 1))
        found = re.finditer(f"(?:{text})+".encode(), every, flags & ~re.ASCII)
        return tuple((one.start(), one.end() - 1) for one in found)
    found_in_text = re.finditer(f"(?:{text})+", _every(alphabet), flags)
    return tuple((one.start(), one.end() - 1) for one in found_in_text)


@cache
def _every(alphabet: Alphabet) -> str:
    """Return all characters of an alphabet."""
    return (
        array("I", range(alphabet.last + 1)).tobytes().decode(f"utf-32-{sys.byteorder[0]}e", "surrogatepass")
    )


def _asked_among(text: str, flags: int, letters: str) -> Set:
    """Return those of some characters that a pattern matches."""
    flags &= re.IGNORECASE | re.ASCII
    return union((ord(one), ord(one)) for one in re.findall(text, letters, flags))


@cache
def _cased() -> str:
    """Return all characters that have another case."""
    found = []
    for start in range(0, 0x110000, 0x100):
        block = "".join(map(chr, range(start, start + 0x100)))
        if block.lower() != block or block.upper() != block:
            found += [one for one in block if one.lower() != one or one.upper() != one]
    return "".join(found)


def _without(chars: Set, letters: str) -> Set:
    """Return a set without some characters."""
    points = union((ord(one), ord(one)) for one in letters)
    ends = sorted({end for first, last in (*chars, *points) for end in (first, last + 1)})
    return union(
        (first, behind - 1)
        for first, behind in pairwise(ends)
        if contains(chars, first) and not contains(points, first)
    )


class Classes:
    """The characters of an alphabet in classes: those that no set of a pattern tells apart.

    Parameters
    ----------
    sets
        All sets of the pattern.

    Attributes
    ----------
    count : int
        How many there are.
    ranges : list of (int, int)
        Where a stretch of characters of one class begins, and which one; in order.
    """

    def __init__(self, sets: Iterable[Set], alphabet: Alphabet) -> None:
        self.alphabet = alphabet
        own = list(dict.fromkeys(sets))
        ends = sorted({0, *(end for one in own for first, last in one for end in (first, last + 1))})
        numbers: dict[tuple[bool, ...], int] = {}
        self.ranges: list[tuple[int, int]] = []
        for first in ends:
            if first <= alphabet.last:
                number = numbers.setdefault(tuple(contains(one, first) for one in own), len(numbers))
                if not self.ranges or self.ranges[-1][1] != number:
                    self.ranges.append((first, number))
        self.count = len(numbers)
        self._masks = {
            one: sum(1 << number for signature, number in numbers.items() if signature[i])
            for i, one in enumerate(own)
        }

    def mask(self, chars: Set) -> int:
        """Return the classes that a set is made of, as bits."""
        return self._masks[chars]

    def of(self, point: int) -> int:
        """Return the class of a character."""
        return self.ranges[bisect_right(self.ranges, (point, self.count)) - 1][1]
