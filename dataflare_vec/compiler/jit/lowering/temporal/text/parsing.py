"""`datetime.strptime` with a constant format."""

from __future__ import annotations

import datetime
import sys

from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.exact.overlay import OVERLAYS
from dataflare_vec.compiler.jit.lowering.strings.base import helper, is_ascii, is_string, operation
from dataflare_vec.compiler.jit.lowering.temporal.civil import (
    DAY,
    FIRST_DAY,
    LAST_DAY,
    days_of,
    weekday,
    year_month_day,
)
from dataflare_vec.compiler.jit.lowering.temporal.clocks import with_offset
from dataflare_vec.compiler.jit.lowering.temporal.constructors import (
    checked_days,
    checked_iso_week,
    checked_time,
    days_of_iso_week,
)
from dataflare_vec.compiler.jit.lowering.temporal.text.directives import Field, elements_of
from dataflare_vec.compiler.jit.lowering.temporal.text.match import FIELDS, matcher
from dataflare_vec.compiler.jit.lowering.temporal.text.writing import constant_text
from dataflare_vec.compiler.jit.types.temporal import as_date, as_instant

# Where the matcher's fields are, behind whether the text fits.
_PLACES = {name: place for place, name in enumerate(FIELDS, start=1)}
_YEAR, _MONTH, _DAY = _PLACES["year"], _PLACES["month"], _PLACES["day"]
_TIME = _PLACES["hour"], _PLACES["minute"], _PLACES["second"], _PLACES["microsecond"]
_HOUR, _MINUTE, _SECOND, _MICROSECOND = _TIME
_WEEKDAY, _DAY_OF_YEAR, _WEEK = _PLACES["weekday"], _PLACES["day of the year"], _PLACES["week"]
_ISO_YEAR, _ISO_WEEK, _OFFSET = _PLACES["iso year"], _PLACES["iso week"], _PLACES["offset"]

#: The year of dates without one, and the one that is taken for a 29 February.
_NO_YEAR, _LEAP_YEAR = 1900, 1904


# -- the day ------------------------------------------------------------------------------------------------


@helper
def _day_by_date(found):
    year = found[_YEAR]
    return checked_days(_NO_YEAR if year < 0 else year, found[_MONTH], found[_DAY])


@helper
def _is_leap_day(found):
    """Whether a date without year is a 29 February."""
    return found[_YEAR] < 0 and found[_MONTH] == 2 and found[_DAY] == 29


@helper
def _year(found):
    """Return the year in which days or weeks are counted."""
    if found[_YEAR] >= 0:
        return found[_YEAR]
    return _LEAP_YEAR if _is_leap_day(found) else _NO_YEAR


@helper
def _counted(found, days):
    """Return a day that was counted from the beginning of its year."""
    if days < FIRST_DAY or days > LAST_DAY:
        raise ValueError("year is out of range")
    if not _is_leap_day(found):
        return days
    _, month, day = year_month_day(days)
    return checked_days(_NO_YEAR, month, day)


@helper
def _day_by_count(found):
    return _counted(found, checked_days(_year(found), 1, 1) + found[_DAY_OF_YEAR] - 1)


@helper
def _day_by_week(found, from_monday):
    """Return the day of a week; weeks are counted from the year's first Monday, or Sunday, on."""
    first, day = checked_days(_year(found), 1, 1), found[_WEEKDAY]
    start = weekday(first)
    if not from_monday:
        start, day = (start + 1) % 7, (day + 1) % 7
    week = found[_WEEK]
    if week == 0:
        return _counted(found, first + day - start)
    return _counted(found, first + (7 - start) % 7 + 7 * (week - 1) + day)


@helper
def _day_by_monday_week(found):
    return _day_by_week(found, True)


@helper
def _day_by_sunday_week(found):
    return _day_by_week(found, False)


@helper
def _day_by_iso_week(found):
    return checked_iso_week(found[_ISO_YEAR], found[_ISO_WEEK], found[_WEEKDAY] + 1)


@helper
def _day_by_loose_iso_week(found):
    """Return the same as Pythons before 3.12: there weeks 0 and 53 are those before and behind the year."""
    days = days_of_iso_week(found[_ISO_YEAR], found[_ISO_WEEK], found[_WEEKDAY] + 1)
    if days < days_of(found[_ISO_YEAR], 1, 1):
        checked_days(found[_ISO_YEAR] - 1, 1, 1)
    return _counted(found, days)


_CHECKS_WEEKS = sys.version_info >= (3, 12)


def _day_finder(directives):
    """Return what finds the day of what was read by some directives."""
    if "G" in directives:
        return _day_by_iso_week if _CHECKS_WEEKS else _day_by_loose_iso_week
    if "j" in directives:
        return _day_by_count
    weeks = [directive for directive in directives if directive in ("U", "W")]
    if weeks and any(directive in directives for directive in "Aauw"):
        return _day_by_monday_week if weeks[-1] == "W" else _day_by_sunday_week
    return _day_by_date


# -- calls --------------------------------------------------------------------------------------------------


class Parser:
    """What reads text in a constant format.

    Attributes
    ----------
    read
        Function of Numba code: all fields of a text that fits; raises ValueError for one that doesn't.
    day
        Finds the day in these.
    """

    def __init__(self, text, format):
        wanted = constant_text(format)
        if not is_string(text):
            msg = f"`strptime` reads text, got {text}"
            raise TypingError(msg)
        if wanted is None:
            msg = "the format of a date has to be a constant: write it in the call, or make it a global"
            raise TypingError(msg)
        elements = elements_of(wanted)
        match = matcher(elements, is_ascii=is_ascii(text))
        message = f"time data does not match format {wanted!r}"
        directives = [element.directive for element in elements if isinstance(element, Field)]
        self.directives = directives
        self.day = _day_finder(directives)

        @helper
        def read(text):
            found = match(text._data, text._nbytes)
            if not found[0]:
                raise ValueError(message)
            return found

        self.read = read


@helper
def _time_of(found):
    return checked_time(found[_HOUR], found[_MINUTE], found[_SECOND], found[_MICROSECOND])


def instant_in(text, format):
    """Return the instant that a text has in a format; stands for `datetime.strptime` in kernels."""
    return datetime.datetime.strptime(text, format)


@operation(instant_in, prefer_literal=True)
def _instant_in(text, format):
    parser = Parser(text, format)
    read, day = parser.read, parser.day

    def instant(text, format):
        found = read(text)
        return as_instant(day(found) * DAY + _time_of(found))

    def instant_with_offset(text, format):
        found = read(text)
        wall, offset = day(found) * DAY + _time_of(found), found[_OFFSET]
        if offset <= -DAY or offset >= DAY:
            raise ValueError("offset must be a timedelta strictly between -24 hours and 24 hours")
        return with_offset(wall, 0, offset)

    return instant_with_offset if "z" in parser.directives else instant


def date_in(text, format):
    """Return the date that a text has in a format; stands for `date.strptime` of Python 3.14 and later."""
    return datetime.datetime.strptime(text, format).date()


@operation(date_in, prefer_literal=True)
def _date_in(text, format):
    parser = Parser(text, format)
    read, day = parser.read, parser.day
    return lambda text, format: as_date(day(read(text)))


OVERLAYS[datetime.datetime.strptime] = instant_in
if hasattr(datetime.date, "strptime"):
    OVERLAYS[datetime.date.strptime] = date_in
