"""The laws for parameters that are `datetime`'s: a kernel does what Python does with Python's own objects."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugins
from testing.strategies import configs, frames


def parts(t: dt.datetime, d: dt.timedelta | None):
    week = t.isocalendar()
    return (
        t.year, t.month, t.day, t.hour, t.minute, t.second, t.microsecond, t.weekday(), t.isoweekday(),
        t.toordinal(), week.year, week.week, week[2], t.date(), t.time(),
    )  # fmt: skip


def moved(t: dt.datetime, d: dt.timedelta | None):
    if d is None:
        return t
    return t + d


def since(t: dt.datetime, d: dt.timedelta):
    start = dt.datetime(t.year, 1, 1)
    gone = t - start
    return gone, gone.days, gone.seconds, gone.microseconds, gone >= d, -gone, abs(d), gone // 7, gone % d


def spans(t: dt.datetime, d: dt.timedelta, hour=dt.timedelta(hours=1)):
    return d.total_seconds(), d / hour, d // hour, d * 3, d / 7, d + hour, d - hour, d == hour, min(d, hour)


def made(t: dt.datetime, d: dt.timedelta):
    # Fails for the last days of long months, and where the span is negative.
    return dt.datetime(t.year, t.month % 12 + 1, t.day, d.days % 24, d.seconds % 60, d.microseconds % 61)


KERNELS = plugins(parts, moved, since, spans, made)

instants = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999))
near = st.datetimes(dt.datetime(1677, 9, 22), dt.datetime(2262, 4, 10))
deltas = st.timedeltas(dt.timedelta(days=-100_000), dt.timedelta(days=100_000))


@pytest.mark.parametrize("name", KERNELS)
@given(data=st.data(), unit=st.sampled_from(["ms", "us", "ns"]), config=configs)
def test_compiled_is_python(name, data, unit, config):
    values = near if unit == "ns" else instants
    frame = data.draw(frames(t=(values, pl.Datetime(unit)), d=(deltas, pl.Duration(unit))))
    check(KERNELS[name], frame, config=config)


def dates(day: dt.date, other: dt.date | None):
    if other is None:
        return day, dt.timedelta(0), 0
    return dt.date(other.year, day.month, 1), day - other, day.isocalendar().week


def times(at: dt.time):
    later = dt.time(at.hour, at.minute)
    return at.hour, at.minute, at.second, at.microsecond, later, at > later


OTHERS = plugins(dates, times)


@given(frame=frames(day=(st.dates(), pl.Date), other=(st.dates(), pl.Date)), config=configs)
def test_dates(frame, config):
    check(OTHERS["dates"], frame, config=config)


@given(frame=frames(at=(st.times(), pl.Time)), config=configs)
def test_times(frame, config):
    check(OTHERS["times"], frame, config=config)


@given(st.data())
def test_finer_than_a_microsecond_is_cut_off_downwards(data):
    ticks = data.draw(st.lists(st.integers(-(1 << 62), 1 << 62), min_size=1, max_size=20))
    frame = pl.DataFrame(
        {"t": pl.Series(ticks).cast(pl.Datetime("ns")), "d": pl.Series(ticks).cast(pl.Duration("ns"))}
    )
    got = dfv.apply(frame, KERNELS["moved"], d=pl.lit(None, pl.Duration("us")), keep=False)
    assert got.to_series().to_physical().to_list() == [tick // 1000 for tick in ticks]
