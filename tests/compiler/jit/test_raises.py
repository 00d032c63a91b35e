"""Messages of exceptions may be written in any way: they are the plain function's, and aren't compiled."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import check, compare, interpret, plugin

FRAME = pl.DataFrame(
    {
        "x": [1, -2, 3],
        "s": ["a", "", "é"],
        "day": [dt.date(2024, 1, 1), dt.date(1969, 1, 1), None],
        "price": [Decimal("1.50"), Decimal("-2.25"), None],
    }
)


def as_repr(x, s):
    if x < 0:
        raise ValueError(f"{s!r:>4} of {x!r:5}{x=}")
    return s + s


def by_percent(x, s):
    if x < 0:
        message = "%s at %05d" % (s, x)  # noqa: UP031
        raise ValueError(message)
    return x


def by_format(x, s):
    if x < 0:
        raise KeyError("{}: {}".format(s, {s: x}))  # noqa: UP032
    return x


def of_a_date(day: dt.date):
    if day.year < 1970:
        raise ValueError(f"{day} is too early")
    return day.year


def of_a_decimal(price):
    if price < 0:
        raise ValueError(f"{price!s} is negative, {price}")
    return price


def used_otherwise(x):
    twice = x * 2
    text = str(twice)
    if x < 0:
        raise ValueError(text + repr(twice))
    return text


def caught(x, s):
    try:
        if x < 0:
            raise ValueError(f"{s!r}")
    except Exception:
        return "caught"
    return s


@pytest.mark.parametrize(
    "function",
    [as_repr, by_percent, by_format, of_a_date, of_a_decimal, used_otherwise, caught],
)
def test_a_message_written_in_any_way(function):
    check(plugin(function), FRAME)


def uncaught_before_try(x):
    if x == 1:
        raise ValueError("one")
    try:
        y = 10 // x
    except Exception:
        return -1
    return y


def finally_lets_through(x):
    y = 0
    try:
        y = 10 // (x - 2)
    finally:
        y += 5
    return y


def _in_a_helper(x):
    if x == 1:
        raise ValueError("one")
    try:
        return 10 // x
    except Exception:
        return -1


def in_a_loop(x):
    total = 0
    for i in range(3):
        try:
            total += _in_a_helper(x + i)
        except Exception:
            total += 100
    return total


@pytest.mark.parametrize("function", [uncaught_before_try, finally_lets_through, in_a_loop])
def test_a_row_knows_nothing_of_the_exception_of_the_row_before(function):
    frame = pl.DataFrame({"x": [5, 1, 2, 3, 0, 4, 2, 1, -1]})
    kernel = plugin(function)
    check(kernel, frame)

    def summed(total, x):
        return total + 1, function(x)

    result = dfv.run(frame, dfv.scan(summed, init=0, name="summed", replace=True), keep=False)
    compare(result, interpret(kernel, frame.iter_rows()), frame.rows())
