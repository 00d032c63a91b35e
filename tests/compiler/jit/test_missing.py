"""`pandas.isna` and its other names, of one value: None and NaN are missing, nothing else is."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pandas as pd
import polars as pl
from pandas import notnull

from testing.oracle import as_numpy, check, plugin

NAN = float("nan")


def of_all(x: float | None, f: float | None, n: int | None, s: str | None, b: bool | None):
    return pd.isna(x), pd.isnull(f), pd.notna(n), notnull(s), pd.isna(b), pd.isna(None)


def of_those_that_are_there(x, n, s):
    if pd.isna(s) or pd.isnull(n):
        return -1.0
    return 0.0 if pd.isna(x) else x + n


def of_dates(d: dt.date | None, t: dt.datetime, p: Decimal | None):
    return pd.isna(d), pd.notna(t), pd.isnull(p)


def of_texts(s: str | None):
    if pd.isna(s) or s == "":
        return "missing"
    words = str(s).split()
    return words[0] if pd.notnull(s) and words else None


def test_numbers_and_text():
    frame = pl.DataFrame(
        {
            "x": [1.0, NAN, None, -0.0],
            "f": pl.Series([NAN, None, 2.5, float("inf")], dtype=pl.Float32),
            "n": [1, None, 0, 3],
            "s": ["a", "", None, "nan"],
            "b": [True, None, False, None],
        }
    )
    check(plugin(of_all), frame, rows=list(as_numpy(frame)))
    frame = frame.select("x", "n", "s")
    check(plugin(of_those_that_are_there), frame, rows=list(as_numpy(frame)))


def test_dates_and_decimals():
    when = dt.datetime(1, 1, 1)
    frame = pl.DataFrame({"d": [when.date(), None], "t": [when, when], "p": [None, Decimal("0.00")]})
    check(plugin(of_dates), frame)


def test_what_follows_knows_that_it_is_there():
    check(plugin(of_texts), pl.DataFrame({"s": ["a b", None, "", " ", "é"]}))
