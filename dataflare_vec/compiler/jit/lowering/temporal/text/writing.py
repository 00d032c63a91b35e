"""`strftime`, `isoformat`, `str` and formats of dates, instants, times of day and spans."""

from __future__ import annotations

import numpy as np
from numba.core.errors import TypingError
from numba.extending import overload_method

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate, allocate_after
from dataflare_vec.compiler.jit.lowering.strings.base import (
    OPTIONS,
    copy_bytes,
    helper,
    inlined_helper,
    known_value,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.numbers.write import magnitude, write_decimal
from dataflare_vec.compiler.jit.lowering.strings.text import format_of, text_of
from dataflare_vec.compiler.jit.lowering.temporal.civil import DAY, SECOND
from dataflare_vec.compiler.jit.lowering.temporal.text.pieces import (
    Number,
    Offset,
    Piece,
    ZoneName,
    check_written,
    pieces_of,
)
from dataflare_vec.compiler.jit.lowering.temporal.text.write import room_for, writer
from dataflare_vec.compiler.jit.lowering.temporal.zones import label_of, labels_of
from dataflare_vec.compiler.jit.types.clocks import NONE, OWN, SOME, ClockType, FoldedTimeType
from dataflare_vec.compiler.jit.types.strings import (
    StringConstant,
    ascii_string,
    make_view,
    offset_by,
    utf8_string,
)
from dataflare_vec.compiler.jit.types.temporal import (
    DatetimeType,
    DateType,
    TimedeltaType,
    TimeType,
    ticks,
)

_EMPTY = StringConstant("")
_TIMES_OF_DAY = (TimeType, FoldedTimeType)
_KINDS = (DateType, DatetimeType, ClockType, *_TIMES_OF_DAY)
_DATE = (Number("year", 4, "0"), "-", Number("month", 2, "0"), "-", Number("day", 2, "0"))
_MINUTES = (Number("hour", 2, "0"), ":", Number("minute", 2, "0"))
_SECONDS = (*_MINUTES, ":", Number("second", 2, "0"))
_MICROSECONDS = (*_SECONDS, ".", Number("microsecond", 6, "0"))
_TIMES: dict[str, tuple[Piece, ...]] = {
    "hours": _MINUTES[:1],
    "minutes": _MINUTES,
    "seconds": _SECONDS,
    "milliseconds": (*_SECONDS, ".", Number("millisecond", 3, "0")),
    "microseconds": _MICROSECONDS,
}


def constant_text(value):
    """Return the value of a constant argument; None of any other."""
    found = known_value(value)
    return found if isinstance(found, str) else None


# -- what is written ----------------------------------------------------------------------------------------


def days_and_rest(value):
    """Return the days and the microseconds of the day of what is to be written; a time is one of 1900."""
    raise TypeError(value)


_START_OF_TIMES = -25567


@operation(days_and_rest, inlined=True)
def _days_and_rest(value):
    if isinstance(value, DateType):
        return lambda value: (ticks(value), 0)
    if isinstance(value, _TIMES_OF_DAY):
        return lambda value: (_START_OF_TIMES, ticks(value))
    return lambda value: (ticks(value) // DAY, ticks(value) % DAY)


def _ahead(value):
    """Return the microseconds that a clock is ahead of UTC."""
    raise TypeError(value)


@operation(_ahead, inlined=True)
def _microseconds_ahead(value):
    is_clock = isinstance(value, ClockType)
    return (lambda value: value._wall - value._utc) if is_clock else (lambda value: 0)


def _label(value):
    """Return what the zone of a value calls itself."""
    raise TypeError(value)


@operation(_label, inlined=True)
def _label_of(value):
    if isinstance(value, ClockType) and not isinstance(value.place, str):
        return lambda value: label_of(value)
    return lambda value: _EMPTY


def _parts(kind, pieces):
    """Return pieces as they are of a type of values: of one without time zone some write nothing."""
    place = getattr(kind, "place", NONE)
    if place == NONE:
        return tuple(piece for piece in pieces if not isinstance(piece, Offset | ZoneName))
    if place == OWN:  # whose name is made of it
        return tuple(
            one for piece in pieces for one in (_OWN_NAME if isinstance(piece, ZoneName) else (piece,))
        )
    return pieces


_OWN_NAME = ("UTC", Offset(":", omits_zero=True))


def text_with(kind, pieces):
    """Return a function that writes pieces of values of a type."""
    if getattr(kind, "place", None) == SOME:
        placed, unplaced = text_with(ClockType(OWN), pieces), text_with(ClockType(NONE), pieces)
        return inlined_helper(lambda value: placed(value) if value._aware else unplaced(value))
    pieces = _parts(kind, pieces)
    labels = labels_of(kind.place) if _is_named(kind, pieces) else []
    room, write = room_for(pieces) + max(map(len, map(str.encode, labels)), default=0), writer(pieces)
    texts = [*(piece for piece in pieces if isinstance(piece, str)), *labels]
    result = ascii_string if all(map(str.isascii, texts)) else utf8_string

    @helper
    def written(value):
        days, microseconds = days_and_rest(value)
        place = allocate(room)
        end = write(place, days, microseconds, _ahead(value), _label(value))
        return make_view(result, allocate_after(place, room, end), end)

    return written


def _is_named(kind, pieces):
    return not isinstance(getattr(kind, "place", NONE), str) and ZoneName() in pieces


# -- methods and functions ----------------------------------------------------------------------------------


def _in_format(kind, format):
    """Return a function that writes a value in a format of `strftime`."""
    wanted = constant_text(format)
    if wanted is None:
        msg = "the format of a date has to be a constant: write it in the call, or make it a global"
        raise TypingError(msg)
    pieces = pieces_of(wanted)
    check_written(wanted, pieces)
    return text_with(kind, pieces)


def _strftime(value, format):
    written = _in_format(value, format)
    return lambda value, format: written(value)


def _isoformat_of_date(value):
    written = text_with(value, _DATE)
    return lambda value: written(value)


def _precisely(kind, before, timespec):
    """Return functions that write a value with its time, without and with a fraction."""
    wanted = constant_text(timespec)
    behind = (Offset(":"),) if isinstance(kind, ClockType) else ()
    if wanted == "auto":
        return tuple(text_with(kind, (*before, *time, *behind)) for time in (_SECONDS, _MICROSECONDS))
    if wanted not in _TIMES:
        msg = f"`timespec` of `isoformat` is one of auto, {', '.join(_TIMES)} in a kernel, as a constant"
        raise TypingError(msg)
    written = text_with(kind, (*before, *_TIMES[wanted], *behind))
    return written, written


def _isoformat_of_instant(value, sep="T", timespec="auto"):
    between = constant_text(sep)
    if between is None or len(between) != 1:
        msg = "`sep` of `isoformat` is one character in a kernel, as a constant"
        raise TypingError(msg)
    coarse, fine = _precisely(value, (*_DATE, between), timespec)

    def isoformat(value, sep="T", timespec="auto"):
        return coarse(value) if ticks(value) % SECOND == 0 else fine(value)

    return isoformat


def _isoformat_of_time(value, timespec="auto"):
    coarse, fine = _precisely(value, (), timespec)

    def isoformat(value, timespec="auto"):
        return coarse(value) if ticks(value) % SECOND == 0 else fine(value)

    return isoformat


for _kind in _KINDS:
    overload_method(_kind, "strftime", jit_options=OPTIONS, prefer_literal=True)(_strftime)
for _kind, _isoformat in (
    (DateType, _isoformat_of_date),
    (DatetimeType, _isoformat_of_instant),
    (ClockType, _isoformat_of_instant),
    (TimeType, _isoformat_of_time),
    (FoldedTimeType, _isoformat_of_time),
):
    overload_method(_kind, "isoformat", jit_options=OPTIONS, prefer_literal=True)(_isoformat)


@overload_method(ClockType, "tzname", jit_options=OPTIONS)
def _tzname(value):
    if value.place == NONE:
        return lambda value: None
    if value.place == SOME:
        written = text_with(ClockType(OWN), (ZoneName(),))
        return lambda value: written(value) if value._aware else None
    if value.place == OWN:
        written = text_with(value, (ZoneName(),))
        return lambda value: written(value)
    return lambda value: label_of(value)


@operation(text_of)
def _text_of(value=_EMPTY):
    if isinstance(value, TimedeltaType):
        return lambda value=_EMPTY: span_text(value)
    if isinstance(value, DatetimeType | ClockType):
        space = StringConstant(" ")
        return lambda value=_EMPTY: value.isoformat(space)
    if isinstance(value, _KINDS):
        return lambda value=_EMPTY: value.isoformat()
    return None


@operation(format_of, prefer_literal=True)
def _format_of(value, spec=_EMPTY):
    if not isinstance(value, _KINDS) or constant_text(spec) == "":
        return None
    written = _in_format(value, spec)
    return lambda value, spec=_EMPTY: written(value)


# -- spans --------------------------------------------------------------------------------------------------

_DAY_TEXT, _DAYS_TEXT = StringConstant(" day, "), StringConstant(" days, ")


@helper
def span_text(value):
    """Return a span as `str` shows it, ``-1 day, 23:59:59.999999``."""
    days, rest = ticks(value) // DAY, ticks(value) % DAY
    room = allocate(48)
    at = 0
    if days != 0:
        begin = write_decimal(room, 20, magnitude(days))
        if days < 0:
            begin -= 1
            room[begin] = np.uint8(45)
        for i in range(20 - begin):
            room[i] = room[begin + i]
        at = 20 - begin
        name = _DAY_TEXT if abs(days) == 1 else _DAYS_TEXT
        copy_bytes(offset_by(room, at), name._data, name._nbytes)
        at += name._nbytes
    hour = rest // (3600 * SECOND)
    if hour >= 10:
        room[at] = np.uint8(48 + hour // 10)
        at += 1
    room[at] = np.uint8(48 + hour % 10)
    at = _pair(room, at + 1, rest // (60 * SECOND) % 60)
    at = _pair(room, at, rest // SECOND % 60)
    fraction = rest % SECOND
    if fraction:
        room[at] = np.uint8(46)
        for i in range(6):
            room[at + 6 - i] = np.uint8(48 + fraction % 10)
            fraction //= 10
        at += 7
    return make_view(ascii_string, allocate_after(room, 48, at), at)


@helper
def _pair(room, at, number):
    """Write a colon and two digits; return where they end."""
    room[at] = np.uint8(58)
    room[at + 1] = np.uint8(48 + number // 10)
    room[at + 2] = np.uint8(48 + number % 10)
    return at + 3
