"""Messages of exceptions may be written in any way: they are the plain function's, and aren't compiled."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition import Form, define

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
    except Exception:  # noqa: BLE001
        return "caught"
    return s


@pytest.mark.parametrize(
    "function",
    [as_repr, by_percent, by_format, of_a_date, of_a_decimal, used_otherwise, caught],
)
def test_a_message_written_in_any_way(function):
    plugin = define(function, name=function.__name__, form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
    names = [parameter.name for parameter in plugin.parameters]
    values, messages = [], []
    for row in FRAME.select(names).iter_rows():
        try:
            values.append(None if None in row else function(*row))
        except Exception as error:  # noqa: BLE001
            values.append(None)
            messages.append(str(error))
    result = dfv.run(FRAME, plugin, keep=False, on_error="null")
    assert result.frame.to_series().to_list() == values
    assert result.errors["message"].to_list() == messages
