"""The values of CPython's own tests of `datetime`, in columns: kernels give what Python gives."""

from __future__ import annotations

import ast
import datetime as dt
from itertools import product
from pathlib import Path

import polars as pl
import pytest

from testing.oracle import check, plugins

tester = pytest.importorskip("test.datetimetester")

MOST = (1 << 63) - 1
MICROSECOND = dt.timedelta(microseconds=1)
UNITS = ["days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"]
NAMES = {
    "timedelta": dt.timedelta,
    "td": dt.timedelta,
    "date": dt.date,
    "datetime": dt.datetime,
    "time": dt.time,
}


def calls():
    """Yield class and arguments of each call in the source whose arguments are plain numbers."""
    for node in ast.walk(ast.parse(Path(tester.__file__).read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", None) or (
            "date" if getattr(node.func, "attr", "") == "theclass" else ""
        )
        if name not in NAMES:
            continue
        try:
            arguments = [eval(compile(ast.Expression(a), "", "eval"), {}) for a in node.args]
            named = {k.arg: eval(compile(ast.Expression(k.value), "", "eval"), {}) for k in node.keywords}
        except Exception:  # of variables
            continue
        if all(isinstance(value, (int, float)) for value in (*arguments, *named.values())):
            yield NAMES[name], arguments, named


CALLS = list(calls())


def values_of(cls):
    found = set()
    for made, arguments, named in CALLS:
        if cls is made or (cls is dt.datetime and made is dt.date and len(arguments) >= 3):
            try:
                found.add(cls(*arguments, **named))
            except (TypeError, ValueError, OverflowError):
                continue
    return sorted(found)


SPANS = [s for s in values_of(dt.timedelta) if abs(s // MICROSECOND) <= MOST]
DATES, INSTANTS, TIMES = values_of(dt.date), values_of(dt.datetime), values_of(dt.time)


def of_spans(s: dt.timedelta, r: dt.timedelta):
    return s + r, s - r, -s, abs(s), s < r, s == r, max(s, r), s.days, s.seconds, s.microseconds, bool(s)


def of_quotients(s: dt.timedelta, r: dt.timedelta):
    return s / r, s // r, s % r, *divmod(s, r), s.total_seconds()


def of_dates(d: dt.date, s: dt.timedelta):
    week = d.isocalendar()
    return d + s, d - s, d.weekday(), d.isoweekday(), d.toordinal(), week[0], week[1], week[2]


def of_pairs(d: dt.date, e: dt.date):
    return d - e, d < e, d == e


def of_instants(t: dt.datetime, s: dt.timedelta):
    return t + s, t - s, t.date(), t.time(), t.weekday(), t.hour, t.minute, t.second, t.microsecond


def of_times(a: dt.time, b: dt.time):
    return a < b, a == b, a.hour, a.minute, a.second, a.microsecond


def of_numbers(days, seconds, microseconds, milliseconds, minutes, hours, weeks):
    return dt.timedelta(days, seconds, microseconds, milliseconds, minutes, hours, weeks)


KERNELS = plugins(of_spans, of_quotients, of_dates, of_pairs, of_instants, of_times, of_numbers)
VALUES = {"s": SPANS, "r": SPANS, "d": DATES, "e": DATES, "t": INSTANTS, "a": TIMES, "b": TIMES}
DTYPES = {"s": pl.Duration("us"), "r": pl.Duration("us"), "t": pl.Datetime("us")}


def test_there_are_some():
    assert min(map(len, (SPANS, DATES, INSTANTS, TIMES, CALLS))) > 5


@pytest.mark.parametrize("name", [name for name in KERNELS if name != "of_numbers"])
def test_values(name):
    plugin = KERNELS[name]
    first, second = (parameter.name for parameter in plugin.parameters)
    rows = list(product(VALUES[first], VALUES[second]))[::3]
    frame = pl.DataFrame(rows, schema={n: DTYPES.get(n) for n in (first, second)}, orient="row")
    check(plugin, frame)


@pytest.mark.parametrize("kind", [int, float])
def test_arguments(kind):
    rows = []
    for cls, arguments, named in CALLS:
        if cls is dt.timedelta and all(kind(v) == v for v in (*arguments, *named.values())):
            row = dict(zip(UNITS, arguments, strict=False)) | named
            if all(-(1 << 63) <= v <= MOST for v in row.values()):
                rows.append([kind(row.get(unit, 0)) for unit in UNITS])
    dtype = pl.Int64 if kind is int else pl.Float64
    frame = pl.DataFrame(rows, schema=dict.fromkeys(UNITS, dtype), orient="row")
    check(KERNELS["of_numbers"], frame)
