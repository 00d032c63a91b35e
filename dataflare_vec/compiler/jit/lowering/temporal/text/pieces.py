"""What `strftime` writes, piece by piece: a constant format, read while a kernel is compiled.

What a directive writes is the platform's: the C library may pad a year to four digits or not, and names are
those of a locale. Pieces are those of the C locale, padded as the running Python pads; `check_written` holds
them against what it writes of some dates, and refuses a format of which it writes something else.
"""

from __future__ import annotations

import datetime
from functools import cache
from typing import NamedTuple

from numba.core.errors import TypingError

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
HALVES = ("AM", "PM")

#: Directives that are short for others, in the C locale.
COMPOSED = {
    "c": "%a %b %e %H:%M:%S %Y",
    "x": "%m/%d/%y",
    "X": "%H:%M:%S",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "T": "%H:%M:%S",
    "R": "%H:%M",
    "r": "%I:%M:%S %p",
    "h": "%b",
}
_SPECIAL = {"%": "%", "n": "\n", "t": "\t"}
#: Directive → the number that it writes, its digits, and what it is padded with.
_NUMBERS = {
    "d": ("day", 2, "0"),
    "e": ("day", 2, " "),
    "f": ("microsecond", 6, "0"),
    "g": ("iso year of the century", 2, "0"),
    "H": ("hour", 2, "0"),
    "I": ("hour of the half", 2, "0"),
    "j": ("day of the year", 3, "0"),
    "k": ("hour", 2, " "),
    "l": ("hour of the half", 2, " "),
    "m": ("month", 2, "0"),
    "M": ("minute", 2, "0"),
    "S": ("second", 2, "0"),
    "u": ("iso weekday", 1, "0"),
    "U": ("week from Sunday", 2, "0"),
    "V": ("iso week", 2, "0"),
    "w": ("weekday from Sunday", 1, "0"),
    "W": ("week from Monday", 2, "0"),
    "y": ("year of the century", 2, "0"),
}
#: The same of those that some platforms pad, and others don't.
_YEARS = {"C": ("century", 2, "0"), "G": ("iso year", 4, "0"), "Y": ("year", 4, "0")}
_NAMES = {
    "a": ("weekday", tuple(day[:3] for day in DAYS)),
    "A": ("weekday", DAYS),
    "b": ("month from 0", tuple(month[:3] for month in MONTHS)),
    "B": ("month from 0", MONTHS),
    "p": ("half", HALVES),
    "P": ("half", tuple(half.lower() for half in HALVES)),
}
_FLAGS = {"-": "", "_": " ", "0": "0"}


class Number(NamedTuple):
    """A number: what of, of how many digits at least, and what is before those that it has not."""

    field: str
    digits: int
    fill: str


class Name(NamedTuple):
    """One of some names, by a number that counts from 0."""

    field: str
    names: tuple[str, ...]


class Offset(NamedTuple):
    """How far the clock is from UTC, ``+01:00``.

    Attributes
    ----------
    separator
        What stands between hours and minutes.
    omits_zero
        Whether nothing is written of a clock that shows UTC.
    """

    separator: str
    omits_zero: bool = False


class ZoneName(NamedTuple):
    """What the time zone calls itself."""


Piece = str | Number | Name | Offset | ZoneName


def pieces_of(format: str) -> tuple[Piece, ...]:
    """Return what a format writes; neighbouring texts are joined.

    Raises
    ------
    numba.core.errors.TypingError
        If there is a directive that kernels don't know.
    """
    found: list[Piece] = []
    position = 0
    while position < len(format):
        percent = format.find("%", position)
        if percent < 0:
            percent = len(format)
        if percent > position:
            found.append(format[position:percent])
        position = percent + 1
        if percent < len(format):
            directive, position = _directive(format, position)
            found += _written_by(directive, format)
    if "\0" in format:
        msg = f"kernels don't know the date format {format!r}: it has a zero byte"
        raise TypingError(msg)
    return tuple(_joined(found))


def _directive(format: str, position: int) -> tuple[str, int]:
    """Return a directive with its flag, and where it ends."""
    end = position
    if format[end : end + 1] in tuple("-_0^:"):
        end += 1
    directive = format[position : end + 1]
    if len(directive) != end + 1 - position:
        msg = f"kernels don't know the date format {format!r}: there is no directive behind its last `%`"
        raise TypingError(msg)
    return directive, end + 1


def _written_by(directive: str, format: str) -> tuple[Piece, ...]:
    flag, name = directive[:-1], directive[-1]
    if name in COMPOSED and not flag:
        return pieces_of(COMPOSED[name])
    if name in _SPECIAL and not flag:
        return (_SPECIAL[name],)
    if name == "z" and flag in ("", ":") and (not flag or _knows_colon()):
        return (Offset(flag),)
    if name == "Z" and not flag:
        return (ZoneName(),)
    if name in _NAMES and flag in ("", "^"):
        field, names = _NAMES[name]
        return (Name(field, tuple(map(str.upper, names)) if flag else names),)
    if (name in _NUMBERS or name in _YEARS) and flag in ("", *_FLAGS) and not (flag and name == "f"):
        field, digits, fill = _NUMBERS.get(name) or _YEARS[name]
        if name in _YEARS and not _pads(name):  # whatever the flag
            return (Number(field, digits, ""),)
        return (Number(field, digits, _FLAGS[flag] if flag else fill),)
    msg = f"kernels don't know `%{directive}` of the date format {format!r}"
    raise TypingError(msg)


@cache
def _pads(directive: str) -> bool:
    """Whether the platform writes the first year as ``0001``."""
    return datetime.date(1, 1, 1).strftime(f"%{directive}").startswith("00")


@cache
def _knows_colon() -> bool:
    """Whether this Python writes ``%:z``, as those from 3.12 on."""
    return datetime.datetime(1, 1, 1, tzinfo=datetime.timezone.utc).strftime("%:z") == "+00:00"


def _joined(pieces: list[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


# -- the same in Python -------------------------------------------------------------------------------------

_SAMPLES = tuple(
    datetime.datetime(year, month, 1 + 3 * month // 2, hour, 59 - month, month, 10**month % 999_983)
    for month in range(1, 13)
    for year, hour in ((1, month - 1), (1980 + 7 * month, 11 + month))
)


def check_written(format: str, pieces: tuple[Piece, ...]) -> None:
    """Raise if this platform, or the locale that is set, writes something else.

    Raises
    ------
    numba.core.errors.TypingError
        Saying what.
    """
    for sample in _SAMPLES:
        wanted, written = sample.strftime(format), render(pieces, sample)
        if wanted != written:
            msg = (
                f"kernels write the date format {format!r} as the C locale has it, {written!r}, where this "
                f"process has {wanted!r}; leave `locale.LC_TIME` as it is, or write out what differs"
            )
            raise TypingError(msg)


def render(pieces: tuple[Piece, ...], of: datetime.datetime) -> str:
    """Return what pieces write of an instant without zone."""
    texts = []
    for piece in pieces:
        if isinstance(piece, str):
            texts.append(piece)
        elif isinstance(piece, Number):
            texts.append(
                str(_field(piece.field, of)).rjust(piece.digits if piece.fill else 0, piece.fill or " ")
            )
        elif isinstance(piece, Name):
            texts.append(piece.names[_field(piece.field, of)])
    return "".join(texts)


def _field(name: str, of: datetime.datetime) -> int:
    iso_year, iso_week, iso_weekday = of.isocalendar()
    yesterdays = of.timetuple().tm_yday - 1
    fields = {
        "iso year": iso_year,
        "iso year of the century": iso_year % 100,
        "iso week": iso_week,
        "iso weekday": iso_weekday,
        "weekday": iso_weekday - 1,
        "weekday from Sunday": iso_weekday % 7,
        "week from Sunday": (yesterdays + 7 - iso_weekday % 7) // 7,
        "week from Monday": (yesterdays + 7 - (iso_weekday - 1)) // 7,
        "day of the year": yesterdays + 1,
        "century": of.year // 100,
        "year of the century": of.year % 100,
        "month from 0": of.month - 1,
        "half": of.hour // 12,
        "hour of the half": (of.hour - 1) % 12 + 1,
    }
    return fields[name] if name in fields else int(getattr(of, name))
