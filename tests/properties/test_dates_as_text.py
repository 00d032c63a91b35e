"""Dates as text: `strftime`, f-strings, `isoformat` and `str` write what Python writes, for any date."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.compiler.jit.lowering.temporal.text import pieces
from testing.oracle import check, plugin, plugins
from testing.strategies import configs, frames

DIRECTIVES = [f"%{name}" for name in "aAbBcCdDeFgGhHIjklmMnpPrRStTuUVwWxXyYzZ%f"]
FLAGGED = ["%-d", "%_m", "%0e", "%^a", "%^B", "%-j", "%_H", "%-Y", "%-I", "%_Y", "%0Y"]
BETWEEN = ["-", "T", " ", "é", "𝄞", "{{", "'"]

formats = st.lists(st.sampled_from([*DIRECTIVES, *FLAGGED, *BETWEEN]), min_size=1, max_size=12).map("".join)
INSTANTS = st.datetimes() | st.sampled_from(
    [
        dt.datetime.min,
        dt.datetime.max,
        *(dt.datetime(year, 12, 31, 23) for year in (1, 9, 999, 1900, 2020, 9999)),
        *(dt.datetime(year, 1, day, 12) for year in (2000, 2015, 2021, 2023) for day in (1, 3, 4, 7)),
    ]
)
OF_KIND = {
    "instant": frames(of=(INSTANTS, pl.Datetime("us"))),
    "date": frames(of=(INSTANTS.map(dt.datetime.date), pl.Date)),
    "time": frames(of=(INSTANTS.map(dt.datetime.time), pl.Time)),
}


def written(kind, format):
    """Return a plugin that writes a value in a format."""

    def of_instant(of: dt.datetime):
        return of.strftime(format)

    def of_date(of: dt.date):
        return of.strftime(format)

    def of_time(of: dt.time):
        return of.strftime(format)

    return plugin({"instant": of_instant, "date": of_date, "time": of_time}[kind])


ALL_AT_ONCE = "|".join([*DIRECTIVES, *FLAGGED])


@pytest.mark.parametrize("kind", OF_KIND)
@given(data=st.data(), config=configs)
def test_all_directives(kind, data, config):
    if kind not in _plugins:
        _plugins[kind] = written(kind, ALL_AT_ONCE)
    check(_plugins[kind], data.draw(OF_KIND[kind]), config=config)


_plugins: dict[str, object] = {}


@settings(max_examples=6)
@given(data=st.data(), format=formats, kind=st.sampled_from([*OF_KIND]))
def test_any_format(data, format, kind):
    check(written(kind, format), data.draw(OF_KIND[kind]))


@given(st.lists(st.datetimes(), min_size=1, max_size=5), formats)
def test_pieces_are_what_python_writes(instants, format):
    found = pieces.pieces_of(format)
    assert [pieces.render(found, one) for one in instants] == [one.strftime(format) for one in instants]


# -- the rest -----------------------------------------------------------------------------------------------


def of_instant(of: dt.datetime):
    return (
        str(of), f"{of}", f"{of!s:>30}|{of:%d.%m.%Y}", of.isoformat(), of.isoformat("\t"),
        of.isoformat(sep="é"),
        of.isoformat(timespec="minutes"), of.isoformat("_", "milliseconds"), format(of, "%H"),
    )  # fmt: skip


def precisely(of: dt.datetime):
    return (
        of.isoformat(timespec="auto"), of.isoformat(timespec="hours"), of.isoformat(timespec="seconds"),
        of.isoformat(timespec="microseconds"), of.time().isoformat("milliseconds"),
    )  # fmt: skip


def of_date(of: dt.date):
    return str(of), f"on {of}", f"{of:%a %d}", of.isoformat(), of.strftime("%H:%M")


def of_time(of: dt.time):
    return str(of), f"{of:%H.%M}", of.isoformat(), of.isoformat(timespec="minutes")


REST = plugins(of_instant, precisely, of_date, of_time)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("of_instant", "instant"), ("precisely", "instant"), ("of_date", "date"), ("of_time", "time")],
)
@given(data=st.data(), config=configs)
def test_iso_formats_and_str(name, kind, data, config):
    check(REST[name], data.draw(OF_KIND[kind]), config=config)


def of_span(of: dt.timedelta):
    return str(of), f"{of}"


MOST = (1 << 63) - 1
spans = (
    st.integers(-MOST, MOST) | st.integers(-(10**12), 10**12) | st.sampled_from([MOST, -MOST, 86_400_000_000])
)


@given(
    frame=frames(of=(spans.map(lambda n: dt.timedelta(microseconds=n)), pl.Duration("us"))), config=configs
)
def test_spans(frame, config):
    check(plugin(of_span), frame, config=config)


# -- what is refused ----------------------------------------------------------------------------------------


def unknown_directive(of: dt.date):
    return of.strftime("%d %Q")


def seconds_of_the_machine(of: dt.datetime):
    return f"{of:%s}"


def nothing_behind(of: dt.datetime):
    return of.strftime("at %")


def changing(of: dt.datetime, name: str):
    return of.strftime(name)


def long_separator(of: dt.datetime):
    return of.isoformat("--")


def unknown_precision(of: dt.datetime):
    return of.isoformat(timespec="days")


REFUSED = {
    unknown_directive: "kernels don't know `%Q` of the date format '%d %Q'",
    seconds_of_the_machine: "kernels don't know `%s` of the date format '%s'",
    nothing_behind: "kernels don't know the date format 'at %': there is no directive behind its last `%`",
    changing: "the format of a date has to be a constant",
    long_separator: "`sep` of `isoformat` is one character in a kernel, as a constant",
    unknown_precision: "`timespec` of `isoformat` is one of auto, hours",
}


@pytest.mark.parametrize("function", REFUSED)
def test_what_kernels_do_not_write_is_refused(function):
    frame = pl.DataFrame({"of": [dt.datetime(2024, 1, 1)], "name": ["%Y"]})
    frame = frame.with_columns(pl.col("of").dt.date()) if function is unknown_directive else frame
    with pytest.raises(dfv.KernelCompileError) as raised:
        dfv.apply(frame, plugin(function))
    assert REFUSED[function] in str(raised.value)


def test_a_locale_that_writes_otherwise_is_refused(monkeypatch):
    german = ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So")
    monkeypatch.setitem(pieces._NAMES, "a", ("weekday", german))  # as if it were the platform's to differ
    with pytest.raises(dfv.KernelCompileError, match="as the C locale has it, 'Di', where this"):
        dfv.apply(pl.DataFrame({"of": [dt.date(2024, 1, 1)]}), written("date", "%a"))
