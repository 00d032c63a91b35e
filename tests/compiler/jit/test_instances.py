"""`isinstance` in kernels, as Python has it."""

from __future__ import annotations

import datetime
import numbers
from decimal import Decimal
from typing import NamedTuple

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import check, plugin


class Pair(NamedTuple):
    a: int
    b: int


class Other:
    pass


TEXT = (str, bytes)
NOTHING = type(None)

FRAME = pl.DataFrame(
    {
        "i": [1, 2],
        "f": [1.5, float("nan")],
        "b": [True, False],
        "s": ["a", "é"],
        "y": [b"a", b""],
        "d": [datetime.date(2024, 1, 2)] * 2,
        "t": [datetime.datetime(2024, 1, 2, 3)] * 2,
        "c": [Decimal("1.50")] * 2,
        "n": [None, 4],
    }
)


def of_numbers(i, f, b):
    return (
        isinstance(i, int),
        isinstance(i, float),
        isinstance(i, bool),
        isinstance(f, float),
        isinstance(f, int),
        isinstance(f, (int, float)),
        isinstance(b, bool),
        isinstance(b, int),
        isinstance(b, int | str),
        isinstance(i, (str, (float, int))),
        isinstance(i, object),
        isinstance(i, Other),
        isinstance(i + f, float),
        isinstance(i, numbers.Integral),
    )


def of_text(s, y):
    return (
        isinstance(s, str),
        isinstance(s, bytes),
        isinstance(y, bytes),
        isinstance(s, TEXT),
        isinstance(y, (int, bytes)),
        isinstance("a", str),
        isinstance(s.upper() + "x", str),
        isinstance(s, str | None),
        isinstance(None, NOTHING),
        isinstance(None, type(None)),
        isinstance(s, type(None)),
    )


def of_containers(i):
    return (
        isinstance((1, i), tuple),
        isinstance(Pair(1, i), Pair),
        isinstance(Pair(1, i), tuple),
        isinstance((1, i), Pair),
        isinstance([1, i], list),
        isinstance([1, i], (tuple, list)),
        isinstance({1: i}, dict),
        isinstance({1, i}, set),
        isinstance(range(i), range),
    )


def of_dates(d: datetime.date, t: datetime.datetime, c):
    return (
        isinstance(d, datetime.date),
        isinstance(d, datetime.datetime),
        isinstance(t, datetime.date),
        isinstance(t, datetime.datetime),
        isinstance(t - t, datetime.timedelta),
        isinstance(c, Decimal),
        isinstance(c, (int, float)),
    )


def of_none(n: int | None):
    return isinstance(n, int), isinstance(n, str), isinstance(n, int | None), isinstance(n, type(None))


def branches(i, s):
    if isinstance(s, str):
        text = s.upper()
    else:
        text = s + 1
    if not isinstance(i, str):
        i = i + 1
    return text, i


@pytest.mark.parametrize("function", [of_numbers, of_text, of_containers, of_dates, of_none, branches])
def test_as_in_python(function):
    assert check(plugin(function), FRAME).error_count == 0


def test_a_bool_is_an_integer_in_filters_and_scans():
    keeps = dfv.filter(lambda b: isinstance(b, int), name="keeps", replace=True)
    assert FRAME.pipe(dfv.apply, keeps).height == 2
    counts = dfv.scan(
        lambda total, b: (total + isinstance(b, int), total), init=0, name="counts", replace=True
    )
    assert dfv.run(FRAME, counts).state == 2


def _named(value):
    return f"<{value!r}>"


def shown_in_a_handler(s: str, i):
    if isinstance(s, str | bytes):
        try:
            return str(int(s))
        except Exception:
            return repr(s)
    return "none"


def shown_by_a_helper(s: str, i):
    if isinstance(i, int):
        try:
            return hex(int(s)) + "," + bin(i)
        except Exception:
            shown = ascii(s) if i > 1 else _named(s)
            return shown + f"{i:>3}"
    return _named(i)


@pytest.mark.parametrize("function", [shown_in_a_handler, shown_by_a_helper])
def test_a_function_with_a_test_has_text_of_its_own(function):
    # What Numba's functions would make of these is a constant, by their types alone.
    check(plugin(function), pl.DataFrame({"s": ["x'", "é", "12", None], "i": [1, 2, 3, 4]}))
