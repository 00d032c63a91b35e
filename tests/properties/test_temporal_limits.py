"""Dates, spans and times at the ends of what Python and 64 bits have: Python's value, or a failed row."""

from __future__ import annotations

import datetime as dt
import warnings
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugins

MOST = (1 << 63) - 1
MICROSECOND = dt.timedelta(microseconds=1)
EPOCH = dt.datetime(1970, 1, 1)
ENDS = [
    (end - EPOCH) // MICROSECOND // divisor
    for end in (dt.datetime.min, dt.datetime.max)
    for divisor in (1, 1000)
]
EDGES = [0, -1, 1, -999, 1001, 1 << 61, 1 << 62, MOST, -MOST, -MOST - 1, MOST // 1000, -(MOST // 1000), *ENDS]
NEAR = sorted({v for edge in EDGES for v in range(edge - 1, edge + 2) if -MOST - 1 <= v <= MOST})
DAYS = [0, -1, -719_163, -719_162, 2_932_896, 2_932_897, (1 << 31) - 1, -(1 << 31)]
PER_UNIT = {"ms": 1000, "us": 1}


# -- columns ------------------------------------------------------------------------------------------------


class Holder(NamedTuple):
    s: dt.timedelta
    other: int


def instant(t: dt.datetime):
    return t


def year(t: dt.datetime | None):
    return 0 if t is None else t.year


def span(s: dt.timedelta):
    return s


def days(s: dt.timedelta | None):
    return 0 if s is None else s.days


def held(h: Holder):
    return h.s.seconds


def day(d: dt.date):
    return d.year


def slow_instant(t: dt.datetime):
    return t if id(t) else EPOCH


def slow_span(s: dt.timedelta):
    return s if id(s) else MICROSECOND


def slow_day(d: dt.date):
    return d.year if id(d) else 0


READ = plugins(instant, year, span, days, held, day)
SLOW = {f.__name__: dfv.register(f"{f.__name__} of limits", f, fallback="python", replace=True)
        for f in (slow_instant, slow_span, slow_day)}  # fmt: skip


def microseconds(ticks, unit):
    return ticks // 1000 if unit == "ns" else ticks * PER_UNIT[unit]


def read_instant(ticks, unit):
    try:
        return EPOCH + dt.timedelta(microseconds=microseconds(ticks, unit))
    except OverflowError:
        return None


def read_span(ticks, unit):
    found = microseconds(ticks, unit)
    return dt.timedelta(microseconds=found) if abs(found) <= MOST else None


def run(plugin, frame):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dfv.InterpretedWarning)
        result = dfv.run(frame, plugin, keep=False, on_error="null")
    got = result.frame.to_series().to_list()
    assert result.error_count == got.count(None)
    assert set(result.errors["error"]) <= {"OverflowError"}
    return got


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_what_python_does_not_have_fails(unit):
    frame = pl.DataFrame(
        {"t": pl.Series(NEAR).cast(pl.Datetime(unit)), "s": pl.Series(NEAR).cast(pl.Duration(unit))}
    )
    instants = [read_instant(ticks, unit) for ticks in NEAR]
    assert run(READ["instant"], frame) == instants
    assert run(SLOW["slow_instant"], frame) == instants
    assert run(READ["year"], frame) == [t and t.year for t in instants]
    spans = [read_span(ticks, unit) for ticks in NEAR]
    assert run(READ["span"], frame) == spans
    assert run(SLOW["slow_span"], frame) == spans
    assert run(READ["days"], frame) == [None if s is None else s.days for s in spans]
    structs = frame.select(h=pl.struct("s", other=pl.lit(1)))
    assert run(READ["held"], structs) == [None if s is None else s.seconds for s in spans]


def test_days_that_python_does_not_have_fail():
    frame = pl.DataFrame({"d": pl.Series(DAYS, dtype=pl.Int32).cast(pl.Date)})
    years = [1970, 1969, None, 1, 9999, None, None, None]
    assert run(READ["day"], frame) == years
    assert run(SLOW["slow_day"], frame) == years


def test_what_lies_under_a_null_is_no_failure():
    ticks = pl.Series([1 << 62, 5])
    hidden = ticks.cast(pl.Duration("ms")).to_frame("s").select(pl.when(ticks < 6).then("s").alias("s"))
    assert run(READ["days"], hidden) == [0, 0]


def test_results_that_their_column_does_not_hold_fail():
    plugin = dfv.register("span in ns", span, returns=pl.Duration("ns"), replace=True)
    limit = MOST // 1000
    frame = pl.DataFrame({"s": pl.Series([limit, limit + 1, -limit, -limit - 1]).cast(pl.Duration("us"))})
    assert [value is None for value in run(plugin, frame)] == [False, True, False, True]
    frame = pl.DataFrame({"s": pl.Series([-1, -1000, 1999]).cast(pl.Duration("us"))})
    for fallback in (None, "python"):
        f = slow_span if fallback else span
        cut = dfv.register("span in ms", f, returns=pl.Duration("ms"), fallback=fallback, replace=True)
        assert pl.Series(run(cut, frame)).dt.total_milliseconds().to_list() == [-1, -1, 1]


def test_constants_that_64_bits_do_not_hold_are_refused():
    def longer(s: dt.timedelta, by=dt.timedelta(days=200_000_000)):
        return s + by

    plugin = dfv.register("longer", longer, replace=True)
    with pytest.raises(dfv.BindingError, match="constant `by`"):
        dfv.apply(pl.DataFrame({"s": [dt.timedelta(1)]}), plugin)


# -- arithmetic ---------------------------------------------------------------------------------------------


def sums(s: dt.timedelta, r: dt.timedelta):
    return s + r, s - r


def quotients(s: dt.timedelta, r: dt.timedelta):
    return s / r, s // r, s % r, divmod(s, r)[0], s.total_seconds(), -s, abs(s), s > r, max(s, r)


def times(s: dt.timedelta, n: int):
    return s * n


def parts(s: dt.timedelta, n: int):
    return s / n, s // n


def scaled(s: dt.timedelta, f: float):
    return s * f


def divided(s: dt.timedelta, f: float):
    return s / f


def moved(t: dt.datetime, s: dt.timedelta):
    return t + s, t.date() - s, t - (t - s)


ARITHMETIC = plugins(sums, quotients, times, parts, scaled, divided, moved)

ticks = st.integers(-MOST, MOST) | st.integers(-(10**12), 10**12) | st.sampled_from([0, 1, -1, MOST, -MOST])
spans = ticks.map(lambda n: dt.timedelta(microseconds=n))
instants = st.datetimes() | st.sampled_from([dt.datetime.min, dt.datetime.max])
integers = st.integers(-(1 << 63), MOST) | st.integers(-100, 100)
halves = st.integers(-1000, 1000).map(lambda n: n / 2)
floats = st.floats() | halves | st.floats(-10, 10)
STRATEGIES = {
    "s": (spans, pl.Duration("us")),
    "r": (spans, pl.Duration("us")),
    "n": (integers, pl.Int64),
    "f": (floats, pl.Float64),
    "t": (instants, pl.Datetime("us")),
}


@pytest.mark.parametrize("name", ARITHMETIC)
@given(data=st.data())
def test_arithmetic(name, data):
    plugin = ARITHMETIC[name]
    rows = data.draw(st.integers(0, 40))
    columns = {}
    for parameter in plugin.parameters:
        values, dtype = STRATEGIES[parameter.name]
        drawn = data.draw(st.lists(values, min_size=rows, max_size=rows))
        columns[parameter.name] = pl.Series(drawn, dtype=dtype)

    check(plugin, pl.DataFrame(columns))


def test_total_seconds_are_rounded_once():
    edges = [(1 << k) + d for k in range(50, 63) for d in (-1, 0, 1, 12345, 999_999)]
    # Half-way between two floats, and next to it.
    edges += [
        ((2 * m + 1) * 10**6 >> k) + d for k in range(9, 21) for m in (1 << 52, (1 << 53) - 9) for d in (0, 1)
    ]
    frame = pl.DataFrame({"s": pl.Series([e for e in edges if e <= MOST]).cast(pl.Duration("us"))})
    frame = frame.with_columns(r=pl.lit(dt.timedelta(hours=1)))
    check(ARITHMETIC["quotients"], frame)


# -- what is made -------------------------------------------------------------------------------------------


def made(days, seconds, microseconds, milliseconds, minutes, hours, weeks):
    return dt.timedelta(days, seconds, microseconds, milliseconds, minutes, hours, weeks)


def named(days, weeks, hours):
    return dt.timedelta(hours=hours, weeks=weeks, days=days)


def dated(year, month, day, hour):
    return (
        dt.date(year, month, day),
        dt.datetime(year, month, day, hour, month, day),
        dt.time(hour, day, month, year),
    )


MADE = plugins(made, named, dated)
UNITS = ["days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"]
counts = st.integers(-(1 << 62), 1 << 62) | st.integers(-(10**9), 10**9) | st.just(227_820_600) | st.just(0)
fractions = st.integers(-(1 << 30), 1 << 30).flatmap(lambda n: st.integers(0, 30).map(lambda k: n / (1 << k)))
sizes = floats | fractions | st.just(0.0) | st.integers(-(10**6), 10**6).map(lambda n: n / 10)


@pytest.mark.parametrize("kind", ["integers", "floats"])
@pytest.mark.parametrize("name", ["made", "named"])
@given(data=st.data())
def test_spans_are_made_as_python_makes_them(name, kind, data):
    plugin, values = MADE[name], counts if kind == "integers" else sizes
    rows = data.draw(st.integers(0, 30))
    names = [parameter.name for parameter in plugin.parameters]
    columns = {n: data.draw(st.lists(values, min_size=rows, max_size=rows)) for n in names}
    dtype = pl.Int64 if kind == "integers" else pl.Float64

    def may_fail(*row):
        return any(abs(value) > 1e12 for value in row)

    check(plugin, pl.DataFrame(columns, schema=dict.fromkeys(names, dtype)), may_fail=may_fail)


small = st.integers(-1, 32)
years = st.integers(1, 9999) | st.sampled_from([0, -1, 10_000, 1 << 40, -(1 << 63)])


@given(st.lists(st.tuples(years, small, small, small), max_size=60))
def test_dates_are_made_as_python_makes_them(rows):
    schema = dict.fromkeys(["year", "month", "day", "hour"], pl.Int64)
    check(MADE["dated"], pl.DataFrame(rows, schema=schema, orient="row"))
