"""Time zones as tables: when the clock of a zone is changed, and to what.

The moments are those of the zone's file; what the clock is then, Python's own object says. Behind the last
moment in the file there may be a rule for all years to come, which repeats itself every 400 years, as the
calendar does.

Source: RFC 8536, "The Time Zone Information Format (TZif)"; POSIX.1-2017, section 8.3, on ``TZ``.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.resources
import re
import struct
import zoneinfo
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

#: Seconds in which the calendar repeats itself.
PERIOD = 146_097 * 86_400

_UTC = datetime.timezone.utc
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=_UTC)
_SECOND = datetime.timedelta(seconds=1)
_NOTHING = datetime.timedelta(0)
_FIRST = -62_135_596_800 + 2 * 86_400  # in year 1, whatever the clock shows


class UnknownZoneError(LookupError):
    """A time zone of which no table can be made; the message says why."""


@dataclass(frozen=True)
class FixedZone:
    """A zone whose clock is always as far from UTC.

    Attributes
    ----------
    offset
        In microseconds.
    label
        What it calls itself.
    """

    offset: int
    label: str

    @property
    def identity(self) -> str:
        """What tells it from others."""
        return f"{self.label} {self.offset}"


@dataclass(frozen=True, eq=False)
class Region:
    """A zone with a history.

    Attributes
    ----------
    key
        Its name, ``Europe/Berlin``.
    moments
        When the clock is changed, in seconds since 1970.
    offsets, dst, labels
        Seconds from UTC, seconds of daylight saving time, and what the zone calls itself: before the first
        moment, and from each on.
    repeats
        From when on it repeats itself every `PERIOD`; None if it doesn't. The moments are those of one more.
    """

    key: str
    moments: tuple[int, ...]
    offsets: tuple[int, ...]
    dst: tuple[int, ...]
    labels: tuple[str, ...]
    repeats: int | None

    @cached_property
    def identity(self) -> str:
        """What tells it from others, and from another edition of itself."""
        content = repr((self.moments, self.offsets, self.dst, self.labels, self.repeats))
        return f"{self.key} {hashlib.sha256(content.encode()).hexdigest()[:16]}"


Zone = FixedZone | Region
UTC = FixedZone(0, "UTC")


def zone_of(tzinfo: Any) -> Zone:
    """Return the zone that one of Python's objects stands for.

    Raises
    ------
    UnknownZoneError
        If it is of another class, or is told from the one that its name stands for.
    """
    if type(tzinfo) is datetime.timezone:
        offset = tzinfo.utcoffset(None)
        return FixedZone(offset // datetime.timedelta(microseconds=1), tzinfo.tzname(None))
    if type(tzinfo) is not zoneinfo.ZoneInfo:
        kind = type(tzinfo)
        msg = (
            f"compiled code doesn't know time zones of class `{kind.__module__}.{kind.__qualname__}`: take "
            '`zoneinfo.ZoneInfo("…")` or `datetime.timezone`'
        )
        raise UnknownZoneError(msg)
    if tzinfo.key is None or zoneinfo.ZoneInfo(tzinfo.key) is not tzinfo:
        msg = f'{tzinfo!r} isn\'t what `zoneinfo.ZoneInfo("…")` gives for a name: take that'
        raise UnknownZoneError(msg)
    return _region(tzinfo)


def zone_named(key: str) -> Zone:
    """Return the zone of a column.

    Raises
    ------
    UnknownZoneError
        If Python has no zone of that name.
    """
    return zone_of(tzinfo_named(key))


def tzinfo_named(key: str) -> zoneinfo.ZoneInfo:
    """Return Python's object of that name.

    Raises
    ------
    UnknownZoneError
        If there is none.
    """
    try:
        return zoneinfo.ZoneInfo(key)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        msg = f"Python has no time zone {key!r} on this machine: install `tzdata`"
        raise UnknownZoneError(msg) from None


def zone_key(tzinfo: Any) -> str:
    """Return what tells a zone from others, and from another edition of itself, without making its table.

    Raises
    ------
    UnknownZoneError
        As `zone_of` does, if there is no such zone.
    """
    key = getattr(tzinfo, "key", None)
    if key is None:
        return repr(tzinfo)
    return f"{key} {hashlib.sha256(_content(key)).hexdigest()}"


@cache
def _region(tzinfo: zoneinfo.ZoneInfo) -> Region:
    moments, rule = _read(tzinfo.key)
    repeats = None
    if "," in rule:
        year = (_EPOCH + (moments[-1] if moments else 0) * _SECOND).year
        last = moments[-1] if moments else -(1 << 62)
        found = [moment for y in range(year, year + 404) for moment in _changes(rule, y)]
        moments += sorted({moment for moment in found if moment > last})
        repeats = _days_before(year + 2) * 86_400
    states = [_state(tzinfo, moment) for moment in (_FIRST, *moments)]
    for moment, before in zip(moments, states, strict=False):
        if _state(tzinfo, moment - 1) != before:
            msg = f"the clock of {tzinfo.key} isn't changed as its file says"
            raise UnknownZoneError(msg)
    offsets, dst, labels = zip(*states, strict=True)
    return Region(tzinfo.key, tuple(moments), offsets, dst, labels, repeats)


def _state(tzinfo: zoneinfo.ZoneInfo, moment: int) -> tuple[int, int, str]:
    """Return what the clock is at a moment: seconds from UTC, of daylight saving time, and its name."""
    local = (_EPOCH + moment * _SECOND).astimezone(tzinfo)
    offset, dst = local.utcoffset() or _NOTHING, local.dst() or _NOTHING
    return offset // _SECOND, dst // _SECOND, local.tzname() or ""


def _read(key: str) -> tuple[list[int], str]:
    """Return the moments in a zone's file that are in Python's years, and the rule for those behind them."""
    data = _content(key)
    size, count = _block(data, 0, 4)
    if data[4:5] >= b"2":  # there is the same again, in 64 bits
        start = size
        size, count = _block(data, start, 8)
        moments = struct.unpack_from(f">{count}q", data, start + _HEADER)
        rule = data[start + size :].strip(b"\n").decode("ascii")
    else:
        moments, rule = struct.unpack_from(f">{count}l", data, _HEADER), ""
    return [moment for moment in moments if moment > _FIRST], rule


_HEADER = 44


def _block(data: bytes, start: int, width: int) -> tuple[int, int]:
    """Return how long a block of a file is, and how many moments it has."""
    if data[start : start + 4] != b"TZif":
        msg = "its file is damaged"
        raise UnknownZoneError(msg)
    in_utc, in_standard, leaps, moments, kinds, letters = struct.unpack_from(">6l", data, start + 20)
    size = _HEADER + moments * (width + 1) + kinds * 6 + letters + leaps * (width + 4)
    return size + in_standard + in_utc, moments


def _content(key: str) -> bytes:
    """Return the file that Python takes for a name: the system's, or that of the package `tzdata`."""
    for folder in zoneinfo.TZPATH:
        path = Path(folder, key)
        if path.is_file():
            return path.read_bytes()
    try:
        return importlib.resources.files("tzdata.zoneinfo").joinpath(*key.split("/")).read_bytes()
    except (ImportError, OSError):
        msg = f"there is no file of time zone {key!r}"
        raise UnknownZoneError(msg) from None


# -- rules --------------------------------------------------------------------------------------------------

_NAME = r"(?:[A-Za-z]+|<[^>]*>)"
_TIME = r"[-+]?\d+(?::\d+)?(?::\d+)?"
_DATE = r"(?:M\d+\.\d+\.\d+|J?\d+)"
_RULE = re.compile(
    rf"{_NAME}({_TIME}){_NAME}({_TIME})?,({_DATE})(?:/({_TIME}))?,({_DATE})(?:/({_TIME}))?", re.ASCII
)


def _changes(rule: str, year: int) -> tuple[int, int]:
    """Return when daylight saving time begins and ends in a year."""
    found = _RULE.fullmatch(rule)
    if found is None:
        msg = f"the rule {rule!r} isn't known"
        raise UnknownZoneError(msg)
    behind, dst_behind, start, start_time, end, end_time = found.groups()
    offset = -_seconds(behind)
    dst_offset = -_seconds(dst_behind) if dst_behind else offset + 3600
    begins = _day_of_rule(start, year) * 86_400 + _seconds(start_time or "2") - offset
    return begins, _day_of_rule(end, year) * 86_400 + _seconds(end_time or "2") - dst_offset


def _seconds(text: str) -> int:
    hours, minutes, seconds = [*text.lstrip("+-").split(":"), "0", "0"][:3]
    total = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return -total if text.startswith("-") else total


def _day_of_rule(date: str, year: int) -> int:
    """Return the days since 1970 of a rule's date: a day of the year, or a weekday of a month's n-th week."""
    if date[0] == "J":  # without 29 February
        day = int(date[1:])
        leap = day >= 60 and _days_before(year + 1) - _days_before(year) == 366
        return _days_before(year) + day - 1 + leap
    if date[0] != "M":
        return _days_before(year) + int(date)
    month, week, weekday = map(int, date[1:].split("."))
    first = _days_before(year, month)
    found = first + (weekday - (first + 4)) % 7 + 7 * (week - 1)  # 1 January 1970 was a Thursday
    following = _days_before(year + month // 12, month % 12 + 1)
    return found if found < following else found - 7


def _days_before(year: int, month: int = 1) -> int:
    return datetime.date(year, month, 1).toordinal() - _EPOCH.toordinal()


# -- the same in Python -------------------------------------------------------------------------------------


def offset_at(zone: Region, moment: int) -> int:
    """Return how many seconds the clock is before UTC at a moment."""
    if zone.repeats is not None and moment >= zone.repeats:
        moment -= (moment - zone.repeats) // PERIOD * PERIOD
    return zone.offsets[bisect_right(zone.moments, moment)]
