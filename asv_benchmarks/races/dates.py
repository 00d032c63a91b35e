"""Dates: text that is read and written, and time zones, against the same by row in Python and by Polars."""

from __future__ import annotations

import datetime
import zoneinfo
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from .common import at_least
from .strings import against

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .common import Figure, Size

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def log_time(line: str):
    return datetime.datetime.strptime(line, "%d/%b/%Y:%H:%M:%S %z").astimezone(datetime.timezone.utc)


def day_in_words(t: datetime.datetime):
    return f"{t:%A, %d %B %Y}"


def hour_in_berlin(t: datetime.datetime):
    return t.astimezone(BERLIN).hour


def moments(rows: int) -> pl.Series:
    """Return instants of 25 years, in UTC."""
    seconds = np.random.default_rng(6).integers(946_684_800, 1_735_689_600, rows)
    return pl.Series("t", seconds * 1_000_000).cast(pl.Datetime("us", "UTC"))


def log_lines(rows: int) -> pl.DataFrame:
    offsets = np.array(["+0000", "+0200", "-0730"])[np.random.default_rng(7).integers(0, 3, rows)]
    frame = pl.DataFrame([moments(rows), pl.Series("offset", offsets)])
    return frame.select(line=pl.col("t").dt.strftime("%d/%b/%Y:%H:%M:%S ") + pl.col("offset"))


def times_of_log_lines(size: Size) -> Iterator[Figure]:
    yield from against(
        size,
        "the time of log lines, with its offset",
        log_lines(size.rows(2_000_000)),
        log_time,
        pl.col("line").str.to_datetime("%d/%b/%Y:%H:%M:%S %z", time_unit="us"),
        (at_least(30), at_least(1.5)),
    )


def days_in_words(size: Size) -> Iterator[Figure]:
    yield from against(
        size,
        "“Monday, 05 January 2026” of instants",
        moments(size.rows(2_000_000)).dt.replace_time_zone(None).to_frame(),
        day_in_words,
        pl.col("t").dt.strftime("%A, %d %B %Y"),
        (at_least(10), at_least(1.5)),
    )


def hours_in_a_zone(size: Size) -> Iterator[Figure]:
    yield from against(
        size,
        "the hour in Berlin of instants in UTC",
        moments(size.rows(2_000_000)).to_frame(),
        hour_in_berlin,
        pl.col("t").dt.convert_time_zone("Europe/Berlin").dt.hour().cast(pl.Int64),
        (at_least(10), at_least(1.5)),
    )


RACES = (times_of_log_lines, days_in_words, hours_in_a_zone)
