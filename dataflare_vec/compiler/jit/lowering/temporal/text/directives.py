"""What `strptime` reads, element by element: a constant format, read while a kernel is compiled.

Python makes a regular expression of the format, in which case doesn't count and white space stands for any. A
directive has alternatives, of which the expression takes the first after which the rest fits, too.
"""

from __future__ import annotations

import re
import time
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.temporal.text.pieces import DAYS, HALVES, MONTHS


class Digits(NamedTuple):
    """So many digits that make a number within bounds.

    One of them may be any decimal digit of Unicode, if whatever it is the number is within the bounds.
    """

    length: int
    low: int
    high: int


class NumberField(NamedTuple):
    """A number: its directive, and what it may be, the longest first."""

    directive: str
    alternatives: tuple[Digits, ...]


class FractionField(NamedTuple):
    """One to six digits behind the point of a second."""

    directive: str


class NameField(NamedTuple):
    """One of some names, all in lower case."""

    directive: str
    names: tuple[str, ...]


class OffsetField(NamedTuple):
    """An offset from UTC, ``+01:00`` or ``Z``."""

    directive: str


class Characters(NamedTuple):
    """Text that has to be there: for each character all that count as the same."""

    variants: tuple[str, ...]


class Spaces(NamedTuple):
    """White space."""


Field = NumberField | FractionField | NameField | OffsetField
Element = Field | Characters | Spaces

_COMPOSED = {"c": "%a %b %d %H:%M:%S %Y", "x": "%m/%d/%y", "X": "%H:%M:%S"}
_NUMBERS = {
    "d": (Digits(2, 1, 31), Digits(1, 1, 9)),
    "G": (Digits(4, 0, 9999),),
    "H": (Digits(2, 0, 23), Digits(1, 0, 9)),
    "I": (Digits(2, 1, 12), Digits(1, 1, 9)),
    "j": (Digits(3, 1, 366), Digits(2, 1, 99), Digits(1, 1, 9)),
    "m": (Digits(2, 1, 12), Digits(1, 1, 9)),
    "M": (Digits(2, 0, 59), Digits(1, 0, 9)),
    "S": (Digits(2, 0, 61), Digits(1, 0, 9)),
    "u": (Digits(1, 1, 7),),
    "U": (Digits(2, 0, 53), Digits(1, 0, 9)),
    "V": (Digits(2, 1, 53), Digits(1, 0, 9)),
    "w": (Digits(1, 0, 6),),
    "W": (Digits(2, 0, 53), Digits(1, 0, 9)),
    "y": (Digits(2, 0, 99),),
    "Y": (Digits(4, 0, 9999),),
}


def _lower(names: tuple[str, ...], length: int | None = None) -> tuple[str, ...]:
    return tuple(name[:length].lower() for name in names)


_NAMES = {
    "a": _lower(DAYS, 3),
    "A": _lower(DAYS),
    "b": _lower(MONTHS, 3),
    "B": _lower(MONTHS),
    "p": _lower(HALVES),
}
_WEEKDAYS, _WEEKS = frozenset("aAuw"), frozenset("UW")


def elements_of(format: str) -> tuple[Element, ...]:
    """Return what a format reads.

    Raises
    ------
    numba.core.errors.TypingError
        If there is a directive that isn't one of Python's, or that can't stand beside the others.
    """
    elements = tuple(_elements(format, format))
    names = [element.directive for element in elements if isinstance(element, Field)]
    for problem in _problems(names, elements):
        raise _wrong(format, problem)
    return elements


def _wrong(format: str, problem: str) -> TypingError:
    return TypingError(f"the date format {format!r} can't be read with: {problem}")


def _elements(format: str, whole: str) -> list[Element]:
    found: list[Element] = []
    text = ""
    for token in re.findall(r"%.?|\s+|[^%\s]+", format, re.DOTALL):
        if token[0] != "%" or token == "%%":
            text += token[-1:] if token == "%%" else "" if token.isspace() else token
        if text and (token.isspace() or (token[0] == "%" and token != "%%")):
            found.append(_characters(text))
            text = ""
        if token.isspace():
            found.append(Spaces())
        elif token[0] == "%" and token != "%%":
            found += _read_by(token[1:], whole)
    return [*found, _characters(text)] if text else found


def _read_by(directive: str, format: str) -> list[Element]:
    if directive in _COMPOSED:
        return _elements(_COMPOSED[directive], format)
    if directive in _NUMBERS:
        return [NumberField(directive, _NUMBERS[directive])]
    if directive in _NAMES:
        _check_names()
        return [NameField(directive, _NAMES[directive])]
    if directive == "Z":
        return [NameField(directive, _zone_names())]
    if directive == "f":
        return [FractionField(directive)]
    if directive == "z":
        return [OffsetField(directive)]
    problem = (
        f"`%{directive}` is no directive of `strptime`"
        if directive
        else "there is nothing behind its last `%`"
    )
    raise _wrong(format, problem)


def _zone_names() -> tuple[str, ...]:
    """Return the names that Python knows here: those of the machine's own zone, and of UTC."""
    names = {"utc", "gmt", time.tzname[0].lower()}
    if time.daylight:
        names.add(time.tzname[1].lower())
    return tuple(sorted(filter(None, names), key=lambda name: (-len(name), name)))


def _check_names() -> None:
    """Raise if the names of this process aren't those of the C locale."""
    for number, month in enumerate(MONTHS):
        shown = time.strftime("%B %b", (2024, number + 1, 1, 0, 0, 0, 0, 1, 0))
        if shown != f"{month} {month[:3]}":
            msg = "kernels know names of the C locale only: leave `locale.LC_TIME` as it is"
            raise TypingError(msg)


def _problems(names: list[str], elements: tuple[Element, ...]) -> list[str]:
    given = set(names)
    problems = [f"`%{name}` is there twice" for name in sorted(given) if names.count(name) > 1]
    has_weekday = bool(given & _WEEKDAYS)
    if given & {"G", "V"} and not ({"G", "V"} <= given and has_weekday):
        problems.append("`%G` and `%V` are read together, with a day of the week (`%A`, `%a`, `%u` or `%w`)")
    elif "G" in given and (others := given & set("BbdjmUWYy")):
        shown = ", ".join(f"`%{name}`" for name in sorted(others))
        problems.append(f"`%G` is the year of a week, and can't stand beside {shown}")
    if given >= {"z", "Z"}:
        problems.append(
            "beside `%z`, `%Z` would name its zone, and a kernel keeps no names: read one of them"
        )
    for element, following in pairwise(elements):
        if isinstance(element, OffsetField) and _may_begin_with(following, ":.0123456789"):
            problems.append("behind `%z` a digit, `:` or `.` may belong to it; put a space between them")
        if element == NameField("Z", ()):
            problems.append("`%Z` has no names on this machine")
    return problems


def is_settled(element: Element, following: Element | None) -> bool:
    """Whether nothing is found by a later alternative of an element that isn't by the first that fits.

    Of the shorter alternative of a number a digit would be left, of shorter space some space.
    """
    if isinstance(element, NumberField) and len(element.alternatives) == 1:
        return True
    if isinstance(element, NumberField | FractionField):
        return following is None or not _may_begin_with(following, "0123456789")
    return True


def _may_begin_with(element: Element, characters: str) -> bool:
    if isinstance(element, NumberField | FractionField):
        return any(character.isdigit() for character in characters)
    if isinstance(element, Characters):
        return any(c in characters or c.isdecimal() for c in element.variants[0])
    if isinstance(element, NameField):
        return any(name[0] in characters or name[0].isdecimal() for name in element.names)
    return False


# -- characters ---------------------------------------------------------------------------------------------


def _characters(text: str) -> Characters:
    return Characters(tuple(map(variants_of, text)))


@cache
def variants_of(character: str) -> str:
    """Return the characters that are taken for one where case doesn't count, itself first.

    Examples
    --------
    >>> variants_of("T"), variants_of("-"), len(variants_of("k"))  # with the sign of kelvins
    ('Tt', '-', 3)
    """
    if character.isascii() and not character.isalpha():
        return character
    same = re.findall(re.escape(character), _all_characters(), re.IGNORECASE)
    return character + "".join(one for one in same if one != character)


@cache
def _all_characters() -> str:
    return "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
