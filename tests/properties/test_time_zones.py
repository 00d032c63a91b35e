"""Instants with a time zone: kernels give what Python gives, also where a clock is changed."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition import zones
from testing.oracle import check, plugin, plugins

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
UTC = timezone.utc
HALF = timezone(timedelta(hours=5, minutes=30))
NAMED = timezone(timedelta(hours=-3, seconds=-1), "somewhere")
AT = dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)

#: Of all kinds: changes of half an hour, of a day, with a rule for ever or none, south of the equator, with a
#: negative daylight saving time, none at all.
KEYS = [
    *("America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"),
    *(
        "Europe/Dublin",
        "Africa/Casablanca",
        "America/Sao_Paulo",
        "Asia/Gaza",
        "Etc/GMT+12",
        "Africa/Monrovia",
    ),
]


def seconds_near_changes(key):
    """Return a strategy of seconds since 1970, most of them next to a change of a zone's clock."""
    moments = zones.zone_named(key).moments
    anywhere = st.integers(-62_135_596_800, 253_402_300_799)
    ends = st.integers(0, 200_000).flatmap(
        lambda n: st.sampled_from([-62_135_596_800 + n, 253_402_300_799 - n])
    )
    if not moments:
        return anywhere | ends
    near = st.builds(lambda moment, by: moment + by, st.sampled_from(moments), st.integers(-8000, 8000))
    exactly = st.builds(lambda moment, by: moment + by, st.sampled_from(moments), st.integers(-1, 1))
    return near | exactly | anywhere | ends


def in_zone(seconds, microsecond, key):
    """Return an instant in a zone; None if Python has none there."""
    try:
        return (EPOCH + timedelta(seconds=seconds, microseconds=microsecond)).astimezone(ZoneInfo(key))
    except OverflowError:
        return None


@st.composite
def columns(draw, key):
    """Draw rows of Python's instants in a zone, and the column of them."""
    micro = st.sampled_from([0, 0, 1, 999_999])
    drawn = draw(st.lists(st.builds(in_zone, seconds_near_changes(key), micro, st.just(key)), max_size=30))
    rows = [value for value in drawn if value is not None]
    naive = [value.astimezone(UTC).replace(tzinfo=None) for value in rows]
    column = (
        pl.Series("t", naive, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC").dt.convert_time_zone(key)
    )
    return [(row,) for row in rows], column.to_frame()


# -- kernels ------------------------------------------------------------------------------------------------


def parts(t: dt.datetime):
    return (
        t.year, t.month, t.day, t.hour, t.minute, t.second, t.microsecond, t.fold, t.weekday(),
        t.isoweekday(),
        t.toordinal(), t.isocalendar().week, t.date(), t.time(), t.time().fold, t.timetuple().tm_yday,
    )  # fmt: skip


def about(t: dt.datetime):
    return (
        t.utcoffset(), t.dst(), t.tzname(), t.timestamp(), t.timetuple().tm_isdst, t.replace(tzinfo=None),
        1 if t.tzinfo is None else 2,
    )  # fmt: skip


def elsewhere(t: dt.datetime):
    return (
        t.astimezone(BERLIN),
        t.astimezone(UTC),
        t.astimezone(HALF).hour,
        t.astimezone(ZoneInfo("Asia/Tokyo")).hour,
    )


def back(t: dt.datetime):
    return t.astimezone(NEW_YORK).astimezone(t.tzinfo), t.astimezone(NEW_YORK).fold, t.utctimetuple().tm_hour


def moved(t: dt.datetime):
    return (
        t + timedelta(hours=1),
        t - timedelta(minutes=30),
        timedelta(days=1) + t,
        (t + timedelta(hours=1)).utcoffset(),
    )


def compared(t: dt.datetime):
    there = t.astimezone(BERLIN)
    return (
        t - AT, t > AT, t <= AT, t == AT, t != AT, t == there, t - there, there == AT, there - AT, there < AT,
        min(t, t + timedelta(hours=1)), max(there, AT), t == t.replace(tzinfo=None),
    )  # fmt: skip


def replaced(t: dt.datetime):
    return (
        t.replace(hour=2, minute=30), t.replace(fold=1).utcoffset(), t.replace(fold=0).utcoffset(),
        t.replace(tzinfo=NEW_YORK).utcoffset(),
        t.replace(tzinfo=None, fold=0).replace(tzinfo=BERLIN).utcoffset(),
        t.replace(tzinfo=HALF), t.replace(tzinfo=None).replace(tzinfo=BERLIN).utcoffset(),
    )  # fmt: skip


def made(t: dt.datetime):
    return (
        dt.datetime.combine(t.date(), t.time(), tzinfo=BERLIN).utcoffset(),
        dt.datetime(t.year, t.month, t.day, t.hour, t.minute, tzinfo=NEW_YORK, fold=1).utcoffset(),
        dt.datetime.combine(t, t.time()),
        dt.datetime.fromtimestamp(t.timestamp(), tz=BERLIN),
        dt.datetime.fromtimestamp(int(t.timestamp()), UTC),
    )


def as_text(t: dt.datetime):
    return (
        str(t), t.isoformat(), f"{t:%Y-%m-%d %H:%M:%S%z %Z}", t.isoformat(" ", "minutes"),
        t.astimezone(NAMED).isoformat(), f"{t.astimezone(NAMED):%z %Z}", str(t.astimezone(HALF)),
    )  # fmt: skip


KERNELS = plugins(parts, about, elsewhere, moved, compared, replaced, made, as_text)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("key", ["UTC", "Europe/Berlin"])
@given(data=st.data())
def test_compiled_is_python(name, key, data):
    rows, frame = data.draw(columns(key))
    check(KERNELS[name], frame, rows=rows)


def several(t: dt.datetime):
    return (
        t.hour, t.minute, t.fold, t.utcoffset(), t.dst(), t.tzname(), t.replace(hour=2, fold=1).utcoffset(),
        t.replace(minute=30).utcoffset(), t + timedelta(hours=2), t == t.astimezone(BERLIN),
    )  # fmt: skip


SEVERAL = plugin(several)


@pytest.mark.parametrize("key", KEYS)
@given(data=st.data())
def test_zones_of_all_kinds(key, data):
    rows, frame = data.draw(columns(key))
    check(SEVERAL, frame, rows=rows)


@given(st.sampled_from(sorted(zoneinfo.available_timezones())), st.data())
def test_tables_of_all_zones(key, data):
    zone = zones.zone_named(key)
    for seconds in data.draw(st.lists(seconds_near_changes(key), min_size=20, max_size=20)):
        value = in_zone(seconds, 0, key)
        if value is not None:
            assert zones.offset_at(zone, seconds) == value.utcoffset() // timedelta(seconds=1), (key, seconds)


@pytest.mark.parametrize("unit", ["ms", "ns"])
@given(data=st.data())
def test_other_units(unit, data):
    seconds = data.draw(st.lists(st.integers(-9_000_000_000, 9_000_000_000), max_size=20))
    column = (
        pl.Series("t", [s * 10**3 for s in seconds]).cast(pl.Datetime("ms", "UTC")).dt.cast_time_unit(unit)
    )
    frame = column.dt.convert_time_zone("Europe/Berlin").to_frame()
    check(
        KERNELS["parts"], frame, rows=[((EPOCH + timedelta(seconds=s)).astimezone(BERLIN),) for s in seconds]
    )


# -- what is read with its offset ---------------------------------------------------------------------------


def read(s: str):
    t = dt.datetime.strptime(s, "%Y-%m-%d %H:%M:%S %z")
    return (
        t, t.utcoffset(), t.tzname(), str(t), t.hour, t.astimezone(BERLIN), t + timedelta(days=1),
        t.replace(hour=1),
        t == t.astimezone(BERLIN), t - AT, t > AT, f"{t:%z|%Z}", t.astimezone(t.tzinfo).hour, t.timestamp(),
    )  # fmt: skip


@given(st.lists(st.tuples(seconds_near_changes("Europe/Berlin"), st.integers(-86_399, 86_399)), max_size=20))
def test_offsets_in_text(drawn):
    texts = []
    for seconds, offset in drawn:
        value = in_zone(seconds, 0, "UTC").replace(tzinfo=timezone(timedelta(seconds=offset)))
        texts.append(f"{value:%Y-%m-%d %H:%M:%S %z}".zfill(25))
    check(plugin(read), pl.DataFrame({"s": texts}, schema={"s": pl.String}))


def iso(s: str):
    t = dt.datetime.fromisoformat(s)
    return t.replace(tzinfo=None), t.replace(tzinfo=UTC), t.utcoffset(), t.tzname(), str(t), t.hour, f"{t:%z}"


def usual(s: str):
    return dt.datetime.fromisoformat(s)


ISO = [
    *("2024-01-05", "20240105", "2024-W01-5", "2024W015", "2024-01-05T10:30", "2024-01-05 10:30:45.123456"),
    *(
        "2024-01-05T10:30:45.123+02:00",
        "2024-01-05T10:30:45Z",
        "2024-01-05T10:30:45.123456789-0530",
        "0001-01-01",
    ),
    *(
        "2024-01-05é10:30",
        "2024-W53-1",
        "2024-01-05T10:30:45+00:00:00.5",
        "2024-02-30",
        "2024-01-05T24:00",
        "x",
    ),
]
pieces = st.sampled_from(["", "", "0", "9", "-", ":", ".", "W", "T", "Z", "+", "30", "+01", "é", "\0", ","])
texts = st.builds(
    lambda text, at, cut, piece: text[: at % (len(text) + 1)] + piece + text[at % (len(text) + 1) + cut :],
    st.sampled_from(ISO),
    st.integers(0, 40),
    st.integers(0, 2),
    pieces,
)


@given(st.lists(texts, max_size=60))
def test_iso_formats(drawn):
    check(plugin(iso), pl.DataFrame({"s": drawn}, schema={"s": pl.String}))


@given(st.lists(texts, max_size=60))
def test_iso_dates(drawn):
    def dates(s: str):
        return dt.date.fromisoformat(s)

    check(plugin(dates), pl.DataFrame({"s": drawn}, schema={"s": pl.String}))


@given(st.lists(texts.map(lambda text: text[11:]), max_size=60))
def test_iso_times(drawn):
    def times(s: str):
        return dt.time.fromisoformat(s)

    def has_offset(s):
        try:
            return dt.time.fromisoformat(s).tzinfo is not None
        except ValueError:
            return False

    check(plugin(times), pl.DataFrame({"s": drawn}, schema={"s": pl.String}), fails=has_offset)


@pytest.mark.parametrize("zone", [None, "UTC"])
@given(drawn=st.lists(texts, max_size=40))
def test_texts_of_which_some_have_an_offset(zone, drawn):
    check(plugin(usual, returns=pl.Datetime("us", zone)), pl.DataFrame({"s": drawn}, schema={"s": pl.String}))


def test_a_row_without_a_place_says_what_to_declare():
    frame = pl.DataFrame({"s": ["2024-01-01", "2024-01-01T00:00+01:00"]})
    result = dfv.run(frame, plugin(usual), on_error="null", keep=False)
    assert result.frame.to_series().to_list() == [dt.datetime(2024, 1, 1), None]
    assert result.errors["error"].to_list() == ["TypeError"]
    assert 'declare `returns=pl.Datetime("us", "UTC")`' in result.errors["message"][0]
    result = dfv.run(frame, plugin(usual, returns=pl.Datetime("us", "UTC")), on_error="null", keep=False)
    assert result.frame.to_series().to_list() == [None, dt.datetime(2023, 12, 31, 23, tzinfo=ZoneInfo("UTC"))]
    assert "has no time zone, and the column is in UTC" in result.errors["message"][0]


# -- constants and results ----------------------------------------------------------------------------------


def shifted(t: dt.datetime, zone=BERLIN, since=AT):
    return t.astimezone(zone), t - since


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, UTC, HALF])
def test_zones_and_instants_are_constants(zone):
    frame = pl.DataFrame({"t": [dt.datetime(2024, 7, 1, tzinfo=UTC), dt.datetime(2024, 12, 1, tzinfo=UTC)]})
    for since in (AT, dt.datetime(2024, 1, 1, tzinfo=HALF)):
        check(plugin(shifted), frame, zone=zone, since=since)


def test_which_zone_a_result_is_in():
    def results(t: dt.datetime):
        return t, t.astimezone(UTC), t.astimezone(BERLIN), t.astimezone(HALF), t.replace(tzinfo=None)

    frame = pl.DataFrame({"t": [dt.datetime(2024, 7, 1)]}).select(
        pl.col("t").dt.replace_time_zone("Asia/Tokyo")
    )
    zones_ = [dtype.time_zone for dtype in dfv.apply(frame, plugin(results), keep=False).dtypes]
    assert zones_ == ["Asia/Tokyo", "UTC", "Europe/Berlin", "UTC", None]


def test_another_zone_may_be_declared():
    def same(t: dt.datetime):
        return t

    frame = pl.DataFrame({"t": [dt.datetime(2024, 7, 1, tzinfo=UTC)]})
    result = dfv.apply(frame, plugin(same, returns=pl.Datetime("ms", "America/New_York")), keep=False)
    assert result.schema["same"] == pl.Datetime("ms", "America/New_York")
    assert result.item() == dt.datetime(2024, 6, 30, 20, tzinfo=NEW_YORK)


# -- what is refused ----------------------------------------------------------------------------------------


def naive_and_aware(t: dt.datetime):
    return t - dt.datetime(2024, 1, 1)


def naive_before_aware(t: dt.datetime):
    return t < dt.datetime(2024, 1, 1)


def local_timestamp(t: dt.datetime):
    return t.replace(tzinfo=None).timestamp()


def local_zone(t: dt.datetime):
    return t.replace(tzinfo=None).astimezone(UTC)


def machines_zone(t: dt.datetime):
    return t.astimezone()


def from_local(t: dt.datetime):
    return dt.datetime.fromtimestamp(t.timestamp())


def unknown_zone(t: dt.datetime):
    return t.astimezone(ZoneInfo("Mars/Olympus"))


def changing_zone(t: dt.datetime):
    return t.astimezone(timezone(timedelta(hours=t.hour)))


def zoned_time(t: dt.datetime):
    return t.timetz()


def two_zones(t: dt.datetime):
    return t if t.hour > 3 else t.astimezone(BERLIN)


REFUSED = {
    naive_and_aware: "a datetime without time zone and one of UTC can't be subtracted from each other",
    naive_before_aware: "a datetime without time zone and one of UTC can't be compared",
    local_timestamp: "`timestamp()` of a datetime without time zone depends on the machine's",
    local_zone: "`astimezone(…)` of a datetime without time zone depends on the machine's",
    machines_zone: "`astimezone` takes a zone in a kernel, which doesn't know the machine's",
    from_local: "`fromtimestamp` needs a zone in a kernel",
    unknown_zone: "there is no such time zone: 'No time zone found with key Mars/Olympus'",
    changing_zone: "a time zone is made of constants in a kernel",
    zoned_time: "a time of day has no time zone in a kernel",
    two_zones: "datetime.datetime[Europe/Berlin]",  # on one path: for Python 3.13 these are two returns
}


@pytest.mark.parametrize("function", REFUSED)
def test_what_kernels_do_not_know_is_refused(function):
    frame = pl.DataFrame({"t": [dt.datetime(2024, 1, 1, tzinfo=UTC)]})
    with pytest.raises(dfv.KernelCompileError) as raised:
        dfv.apply(frame, plugin(function))
    assert REFUSED[function] in str(raised.value)


def test_results_without_the_declared_zone_are_refused():
    def naive(t: dt.datetime):
        return t.replace(tzinfo=None)

    def aware(t: dt.datetime):
        return t

    frame = pl.DataFrame({"t": [dt.datetime(2024, 1, 1, tzinfo=UTC)]})
    with pytest.raises(dfv.KernelResultError, match="without time zone, but a Datetime in UTC is declared"):
        dfv.apply(frame, plugin(naive, returns="t"))
    with pytest.raises(dfv.KernelResultError, match="with a time zone, but a Datetime without one"):
        dfv.apply(frame, plugin(aware, returns=pl.Datetime("us")))


class OwnZone(dt.tzinfo):
    def utcoffset(self, when):
        return timedelta(hours=1)


def test_other_classes_of_zones_are_refused():
    own = OwnZone()

    def used(t: dt.datetime):
        return t.astimezone(own)

    frame = pl.DataFrame({"t": [dt.datetime(2024, 1, 1, tzinfo=UTC)]})
    with pytest.raises(dfv.KernelCompileError, match=r"doesn't know time zones of class `.*OwnZone`"):
        dfv.apply(frame, plugin(used))
    with pytest.raises(dfv.BindingError, match="constant `zone` must be"):
        dfv.apply(frame, plugin(shifted), zone=own)


def test_columns_in_a_zone_that_python_does_not_know_are_refused(monkeypatch):
    def unknown(key):
        raise zones.UnknownZoneError(f"Python has no time zone {key!r} on this machine: install `tzdata`")

    monkeypatch.setattr(zones, "tzinfo_named", unknown)
    frame = pl.DataFrame({"t": [dt.datetime(2024, 1, 1)]}).select(
        pl.col("t").dt.replace_time_zone("Asia/Tokyo")
    )
    with pytest.raises(
        dfv.ColumnTypeError, match="no time zone 'Asia/Tokyo' on this machine: install `tzdata`"
    ):
        dfv.apply(frame, plugin(about))
