"""`fromisoformat` of dates, instants and times of day: what the running Python reads.

From 3.11 on that is most of ISO 8601, before it what `isoformat` writes. Text that Python takes though no
standard has it, as a fraction without point, is read as Python reads it.
"""

from __future__ import annotations

import datetime
import sys

import numpy as np
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.exact.overlay import OVERLAYS
from dataflare_vec.compiler.jit.lowering.strings.base import helper, is_string, operation
from dataflare_vec.compiler.jit.lowering.temporal.civil import DAY, SECOND
from dataflare_vec.compiler.jit.lowering.temporal.clocks import with_some_offset
from dataflare_vec.compiler.jit.lowering.temporal.constructors import (
    checked_days,
    checked_iso_week,
    checked_time,
)
from dataflare_vec.compiler.jit.types.temporal import as_date, as_time
from dataflare_vec.definition.python_values import NO_ZONED_TIMES

#: Whether this Python reads more than `isoformat` writes.
READS_ALL = sys.version_info >= (3, 11)

_WRONG = "Invalid isoformat string"
# What bytes are called here; 0 stands for one behind the end.
_COLON, _COMMA, _DASH, _DOT, _PLUS, _T, _W, _Z = map(ord, ":,-.+TWZ")


@helper
def _byte(data, nbytes, at):
    return np.int64(data[at]) if at < nbytes else 0


@helper
def _number(data, nbytes, at, count):
    """Return a number of so many digits, or raise."""
    number = 0
    for i in range(at, at + count):
        digit = _byte(data, nbytes, i) - 48
        if digit < 0 or digit > 9:
            raise ValueError(_WRONG)
        number = number * 10 + digit
    return number


@helper
def _is_digit(byte):
    return byte >= 48 and byte <= 57


# -- dates --------------------------------------------------------------------------------------------------


@helper
def days_in(data, nbytes, stop):
    """Return the date at the beginning of a text, of which it takes up to ``stop`` bytes."""
    year = _number(data, nbytes, 0, 4)
    dash = np.int64(_byte(data, nbytes, 4) == _DASH)
    at = 4 + dash
    if _byte(data, nbytes, at) == _W:
        week, day = _number(data, nbytes, at + 1, 2), 1
        at += 3
        if at < stop:
            if dash and _byte(data, nbytes, at) != _DASH:
                raise ValueError(_WRONG)
            day = _number(data, nbytes, at + dash, 1)
        return checked_iso_week(year, week, day)
    month = _number(data, nbytes, at, 2)
    if dash and _byte(data, nbytes, at + 2) != _DASH:
        raise ValueError(_WRONG)
    return checked_days(year, month, _number(data, nbytes, at + 2 + dash, 2))


@helper
def strict_days_in(data, nbytes, stop):
    """Return the same of text that is a date with dashes."""
    year, month, day = _number(data, nbytes, 0, 4), _number(data, nbytes, 5, 2), _number(data, nbytes, 8, 2)
    if _byte(data, nbytes, 4) != _DASH or _byte(data, nbytes, 7) != _DASH:
        raise ValueError(_WRONG)
    return checked_days(year, month, day)


@helper
def separator_in(data, nbytes):
    """Return where the date of an instant ends."""
    if nbytes == 7:
        return 7
    if _byte(data, nbytes, 4) == _DASH:
        if _byte(data, nbytes, 5) != _W:
            return 10
        if nbytes == 8 or _byte(data, nbytes, 8) != _DASH:
            return 8
        if nbytes == 9:
            raise ValueError(_WRONG)
        # A dash may separate, too: then two digits of the hour are behind it.
        return 8 if nbytes > 10 and _is_digit(_byte(data, nbytes, 10)) else 10
    if _byte(data, nbytes, 4) != _W:
        return 8
    end = 7
    while end < nbytes and _is_digit(_byte(data, nbytes, end)):
        end += 1
    if end < 9:
        return end
    return 7 if end % 2 == 0 else 8


@helper
def strict_separator_in(data, nbytes):
    """Return the same where dates have ten characters."""
    if nbytes < 10:
        raise ValueError(_WRONG)
    return 10


# -- times --------------------------------------------------------------------------------------------------


@helper
def parts_in(data, nbytes, at, stop):
    """Return a time between two places: its four parts, and whether something is left behind it."""
    hour = minute = second = microsecond = 0
    colons = False
    for i in range(3):
        number = _number(data, nbytes, at, 2)
        if i == 0:
            hour = number
        elif i == 1:
            minute = number
        else:
            second = number
        byte = _byte(data, nbytes, at + 2)
        at += 3
        if i == 0:
            colons = byte == _COLON
        if at >= stop:
            return hour, minute, second, microsecond, byte != 0
        if colons and byte == _COLON:
            continue
        if byte == _DOT or byte == _COMMA:
            break
        if colons:
            raise ValueError(_WRONG)
        at -= 1
    count = min(stop - at, 6)
    microsecond = _number(data, nbytes, at, count)
    for _ in range(6 - count):
        microsecond *= 10
    at += count
    while _is_digit(_byte(data, nbytes, at)):
        at += 1
    return hour, minute, second, microsecond, _byte(data, nbytes, at) != 0


@helper
def strict_parts_in(data, nbytes, at, stop):
    """Return the same of a time with colons, and a fraction of three or six digits."""
    hour, minute, second, microsecond = _number(data, nbytes, at, 2), 0, 0, 0
    for i in range(3):
        if i == 1:
            minute = _number(data, nbytes, at, 2)
        elif i == 2:
            second = _number(data, nbytes, at, 2)
        byte = _byte(data, nbytes, at + 2)
        at += 3
        if at >= stop:
            return hour, minute, second, microsecond, byte != 0
        if byte == _DOT:
            break
        if byte != _COLON:
            raise ValueError(_WRONG)
    count = stop - at
    if count != 3 and count != 6:
        raise ValueError(_WRONG)
    microsecond = _number(data, nbytes, at, count)
    if count == 3:
        microsecond *= 1000
    return hour, minute, second, microsecond, _byte(data, nbytes, at + count) != 0


_days_in = days_in if READS_ALL else strict_days_in
_separator_in = separator_in if READS_ALL else strict_separator_in
_parts_in = parts_in if READS_ALL else strict_parts_in
_reads_all = READS_ALL


@helper
def zone_in(data, nbytes, at):
    """Return where the zone of a time begins: at its end, if it has none."""
    while True:
        byte = _byte(data, nbytes, at)
        if byte == _PLUS or byte == _DASH or (_reads_all and byte == _Z):
            return at
        at += 1
        if at >= nbytes:
            return at


@helper
def time_in(data, nbytes, at):
    """Return the microseconds of a time, those of its offset, and whether it has one."""
    zone = zone_in(data, nbytes, at)
    hour, minute, second, microsecond, more = _parts_in(data, nbytes, at, zone)
    aware = zone < nbytes
    offset = 0
    if not aware:
        if more or zone > nbytes:
            raise ValueError(_WRONG)
    elif _byte(data, nbytes, zone) == _Z:
        if zone + 1 < nbytes and _byte(data, nbytes, zone + 1) != 0:
            raise ValueError(_WRONG)
    else:
        offset = _offset_in(data, nbytes, zone)
    return checked_time(hour, minute, second, microsecond), offset, np.int64(aware)


@helper
def _offset_in(data, nbytes, zone):
    length = nbytes - zone - 1
    if not _reads_all and length != 5 and length != 8 and length != 15:
        raise ValueError(_WRONG)
    hours, minutes, seconds, microseconds, more = _parts_in(data, nbytes, zone + 1, nbytes)
    if more:
        raise ValueError(_WRONG)
    whole = (hours * 60 + minutes) * 60 + seconds
    if whole == 0:  # Python looks at these only
        return 0
    offset = whole * SECOND + microseconds
    if offset >= DAY:
        raise ValueError("offset must be a timedelta strictly between -24 hours and 24 hours")
    return -offset if _byte(data, nbytes, zone) == _DASH else offset


# -- calls --------------------------------------------------------------------------------------------------


def _check(text, name):
    if not is_string(text):
        msg = f"`{name}.fromisoformat` reads text, got {text}"
        raise TypingError(msg)


def date_in_iso(date_string):
    """Stand for `date.fromisoformat` in kernels."""
    return datetime.date.fromisoformat(date_string)


@operation(date_in_iso)
def _date_in_iso(date_string):
    _check(date_string, "date")

    def date(date_string):
        nbytes = date_string._nbytes
        if nbytes != 10 and not (_reads_all and (nbytes == 7 or nbytes == 8)):
            raise ValueError(_WRONG)
        return as_date(_days_in(date_string._data, nbytes, nbytes))

    return date


@helper
def behind_character(data, nbytes, at):
    """Return where a character ends, of whatever bytes."""
    first = _byte(data, nbytes, at)
    if first < 0x80:
        return at + 1
    kind = first & 0xF0
    return at + (3 if kind == 0xE0 else 4 if kind == 0xF0 else 2)


def instant_in_iso(date_string):
    """Stand for `datetime.fromisoformat` in kernels."""
    return datetime.datetime.fromisoformat(date_string)


@operation(instant_in_iso)
def _instant_in_iso(date_string):
    _check(date_string, "datetime")

    def instant(date_string):
        data, nbytes = date_string._data, date_string._nbytes
        if nbytes < 7:
            raise ValueError(_WRONG)
        separator = _separator_in(data, nbytes)
        wall = _days_in(data, nbytes, separator) * DAY
        if nbytes <= separator:
            return with_some_offset(wall, 0, 0)
        time, offset, aware = time_in(data, nbytes, behind_character(data, nbytes, separator))
        return with_some_offset(wall + time, offset, aware)

    return instant


def time_in_iso(time_string):
    """Stand for `time.fromisoformat` in kernels."""
    return datetime.time.fromisoformat(time_string)


@operation(time_in_iso)
def _time_in_iso(time_string):
    _check(time_string, "time")

    def time(time_string):
        data, nbytes = time_string._data, time_string._nbytes
        at = np.int64(_reads_all and _byte(data, nbytes, 0) == _T)
        found, _, aware = time_in(data, nbytes, at)
        if aware:
            raise TypeError(NO_ZONED_TIMES)
        return as_time(found)

    return time


OVERLAYS.update(
    {
        datetime.date.fromisoformat: date_in_iso,
        datetime.datetime.fromisoformat: instant_in_iso,
        datetime.time.fromisoformat: time_in_iso,
    }
)
