"""None beside `==`, `!=`, `in`, `if` and `not`, and as text, where a value may be None: as in Python."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum

import polars as pl
import pytest

from testing.oracle import check, plugin

DAY = dt.date(2024, 2, 29)
SPAN = dt.timedelta(hours=2)
PRICE = Decimal("1.50")


class Colour(Enum):
    RED = 2
    BLUE = 1


def is_set(flag):
    return flag is True


def numbers(x: float | None, n: int | None, u: int | None, b: bool | None):
    return x == 1.5, n != 3, u == 2**64 - 1, n == x, n == u, b == True, bool(b), not x, not n  # noqa: E712


def logic(x: float | None, n: int | None, u: int | None, b: bool | None):
    if b and not x:
        return n or 7
    return 1 if u and n else (2 if x else 3)


def within(x: float | None, n: int | None, u: int | None, b: bool | None):
    ns, xs, bs = [n, n], [x, 2.5], [b]
    some = n in ns, n not in ns, x in xs, b in bs
    return *some, x in (1.5, 2.0), n in {3, 4}, n in [3, 0], n not in (3, 5), n in {3: 1}


def identity(x: float | None, n: int | None, u: int | None, b: bool | None):
    colour = Colour(n) if n and n < 3 else None
    same = b is True, b is not False, True is b, b is (n == 3), n is b, x is not b
    return *same, colour is Colour.RED, Colour.BLUE is not colour, colour is None, is_set(b), is_set(n == 3)


def texts(s: str | None, y: bytes | None):
    found = {"DE": "größe", "FR": ""}.get(s or "")
    kind = 0
    match s:
        case "DE":
            kind = 1
        case None:
            kind = 2
    return s == "DE", s != found, found == "größe", found or "-", not s, y == b"a", y in (b"a", b""), kind


def shown(s: str | None, y: bytes | None):
    found = {"DE": 1}.get(s or "")
    return f"{s}|{found}", str(found) + repr(found), repr(s), ascii(s), repr(y)


def tuples(s: str | None, y: bytes | None):
    found = {"DE": (1, "größe"), "é": (2, "x")}.get(s or "")
    if found is None:
        return -1, "-"
    return found[0], found[1]


def sets(s: str | None, y: bytes | None):
    return (
        s in ("DE", "é"),
        s in {"DE", "é"},
        s in ["DE"],
        s in ("DE", None),
        s in (s, "é"),
        y in [y],
        y in {b"a"},
    )


def parts(s: str | None, y: bytes | None):
    return s in "DE, é", y in b"ab", (s or "é") in "aé"


def times(d: dt.date | None, t: dt.timedelta | None, p: Decimal | None):
    return d == DAY, t != SPAN, p == PRICE, bool(t), not p


FRAMES = {
    ("x", "n", "u", "b"): pl.DataFrame(
        {
            "x": [1.5, None, 0.0, 2.0, None],
            "n": [3, None, 0, 2, 5],
            "u": pl.Series([2**64 - 1, None, 0, 2, 5], dtype=pl.UInt64),
            "b": [True, None, False, None, True],
        }
    ),
    ("s", "y"): pl.DataFrame({"s": ["DE", None, "", "é", "FR"], "y": [b"a", None, b"", b"a", None]}),
    ("d", "t", "p"): pl.DataFrame(
        {
            "d": [DAY, None, dt.date(1970, 1, 1)],
            "t": [SPAN, None, dt.timedelta()],
            "p": pl.Series([PRICE, None, Decimal("0.00")], dtype=pl.Decimal(10, 2)),
        }
    ),
}


@pytest.mark.parametrize("function", [numbers, logic, within, identity, texts, shown, tuples, sets, times])
def test_as_in_python(function):
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    frame = FRAMES[names]
    assert check(plugin(function), frame).error_count == 0


def test_none_is_in_no_text():
    assert check(plugin(parts), FRAMES["s", "y"]).error_count == 2
