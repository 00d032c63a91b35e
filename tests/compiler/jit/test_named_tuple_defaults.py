"""Fields of named tuples that a kernel leaves out have their defaults."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
import pytest

from testing.oracle import check, plugin

WORDS = ["DE", "Zürich", ""]


class Money(NamedTuple):
    currency: str
    amount: float = 1.5
    note: str | None = "größe"


def some_left_out(s):
    if s == "DE":
        return Money("EUR")
    return Money(currency=s, note=s) if s else Money(s, 2.5)


def compared(s):
    return (Money(s) == ("DE", 1.5, "größe")), Money(s).note == "größe"


def in_try(s):
    try:
        made = Money(s, int(s + "1") * 1.0)
    except Exception:
        made = Money("x")
    return made


@pytest.mark.parametrize("function", [some_left_out, compared, in_try])
def test_defaults(function):
    frame = pl.DataFrame({"s": WORDS})
    assert check(plugin(function), frame).error_count == 0
