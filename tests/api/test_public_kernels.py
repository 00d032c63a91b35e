"""Kernels of shapes that people pass to `apply` and the like: what `docs/public-kernels.md` says of them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import math
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import as_numpy, check, plugin

NAN, INF = float("nan"), float("inf")
NUMBERS = [0.0, -0.0, 0.5, 2.5, -3.25, 49.99, 50.0, 1234.5678, 1e17, NAN, INF, -INF, None]
TEXTS = [
    "",
    " ",
    "ab",
    "Key: Some Words",
    "(4) x",
    "a:b:c",
    "  LARGE ",
    "größe",
    "null",
    "0-123-45",
    "x" * 20,
    None,
]

LOW, HIGH = np.percentile(np.array([0.2, 0.5, 50.0, 99.0]), [20, 80])
CARRIERS = {"NL": "PostNL", "DE": "DHL", "ab": "AB"}
LIMITS = {"DE": 31.5, "NL": 23.0}
TRUSTED = ["PostNL", "DHL"]
BRANDS = ("Words", "LARGE", "Grö")
WEEKDAYS = {0: "Mon", 1: "Tue", 2: "Wed", 3: "Thu", 4: "Fri", 5: "Sat", 6: "Sun"}
SETTINGS = SimpleNamespace(names={"12": "twelve"}, folder="/data/")
FILLERS = {"some", "of", "the"}
TICK, MOST_DIGITS = 0.05, 9


def ladder_of(top):
    bound = float(top)

    def ladder(x: float) -> str:
        if x <= LOW:
            return "low"
        elif x >= HIGH or x > bound:
            return "high"
        return "typical"

    return ladder


def grades(x, n, kind):
    if kind == "bulk":
        if n < 5:
            grade = "small"
        elif n >= 5 and n <= 12:
            grade = "middle"
        else:
            grade = "large"
    else:
        grade = kind
    is_odd = (abs(n) != 12) and (n > 10 or n < -1 or n == 0)
    return grade, 50 <= x < 2000, is_odd, x * n if n == 7 else 0


def amounts(a, b, at, rate):
    """Compute a distance, a share, and what is left."""
    left = min([a, b])
    right = max([a, b])
    distance = 0 if left <= at <= right else min([abs(left - at), abs(at - right)])
    total = a + b + at
    if total == 0:
        return distance, 0.0, rate
    share = (a / total) * (b / total)
    return distance, share, (rate**2 * share) - math.floor(at / 3)


def parts(s):
    begin = s.find("(") + 1
    first = s.split(":")[0]
    pieces = s.split(":")
    last = pieces[2][:5] if len(pieces) >= 3 else "none"
    code = 1 if "Key" in str(s) else 0
    return s[begin : s.find(")")], s[: s.find(":")], first, last, code, s.upper(), s.strip().capitalize()


def chosen(s):
    if any(brand.lower() in s.lower() for brand in BRANDS):
        return "branded"
    if s.startswith("a") == True or s.endswith("5"):  # noqa: E712
        return None
    return "0.0" if s == "" else SETTINGS.folder + s


def looked_up(code, mass):
    name = CARRIERS.get(code[-2:], None)
    return (
        name,
        CARRIERS.get(code, code),
        code in TRUSTED,
        SETTINGS.names.get(str(mass), "?"),
        mass >= LIMITS[code],
    )


def cleaned(s):
    import re as patterns

    text = patterns.sub(r"\w+:|\(\d\)", "", s.lower())
    words = [word for word in text.split() if word not in FILLERS]
    return " ".join(words[:3]), len(re.sub(r"\D", "", str(s))) >= 4


def counted(s: str | None):
    if pd.isna(s):
        return np.nan
    pattern = rf"\d{{1,{MOST_DIGITS}}}"
    found = re.findall(pattern, str(s).upper().replace("K", "000"))
    if len(found) == 0:
        return np.nan
    return float(found[0]) if len(found) == 1 else (float(found[0]) + float(found[1])) / 2


def seconds(s: str | None):
    try:
        if not s:
            return -1.0
        h, m = map(int, str(s).split(":"))
        return float(h * 60 + m)
    except:  # noqa: E722
        return np.nan


def rounded(x: float | None):
    return math.floor(x / TICK + 1e-9) * TICK if pd.notnull(x) else x


def shown(x, n, s):
    return f"{x:.1f}%", f"{int(n):04d}-{s}", "{}|{}".format(s, n), str(x).split(".")[0], round(x, 2)  # noqa: UP032


def digest(n: int) -> str:
    return hashlib.md5(str(n).encode()).hexdigest()


def on_day(day: dt.date, at: dt.datetime):
    return WEEKDAYS[day.weekday()], at.time()


NUMERIC = pl.DataFrame(
    {
        "x": NUMBERS,
        "n": [0, 1, 5, 7, 12, 13, -1, -2, 7, 7, 7, 7, 7],
        "kind": ["bulk", "box", "", "bulk", "bulk", "bulk", None, "bulk", "box", "a", "b", "c", "d"],
    }
)
COUNTS = [0, 3, 7, -7, 10, None]
WHOLE = pl.DataFrame(
    {
        "a": COUNTS,
        "b": [0, 9, 1, 7, 2, 3],
        "at": [0, 5, 100, 0, -4, 1],
        "rate": [0.5, NAN, INF, 1.5, -2.0, 0.0],
    }
)
WITH_TEXT = pl.DataFrame({"s": TEXTS})


@pytest.mark.parametrize(
    ("function", "frame"),
    [
        (ladder_of(70), NUMERIC.select("x")),
        (grades, NUMERIC),
        (amounts, WHOLE),
        (parts, WITH_TEXT),
        (chosen, WITH_TEXT),
        (
            looked_up,
            pl.DataFrame({"code": ["DE", "NL", "xNL", "", "ab", None], "mass": [12, 40, 1, 2, 3, 4]}),
        ),
        (cleaned, WITH_TEXT),
        (counted, pl.DataFrame({"s": [*TEXTS, "5-10k", "3k", "x7"]})),
        (seconds, pl.DataFrame({"s": [*TEXTS, "1:30", "1:2:3", " 7:08", "-1:-1", "1:x"]})),
        (rounded, NUMERIC.select("x").filter(pl.col("x").is_null() | (pl.col("x").abs() < 1e9))),
        (digest, pl.DataFrame({"n": [0, -1, 10**12, None]})),
    ],
)
def test_these_are_compiled(function, frame):
    check(plugin(function), frame, rows=list(as_numpy(frame)))


def test_these_too():
    frame = pl.DataFrame(
        {"x": [1.0, 2.675, -0.05, 1e15, 0.125], "n": [1, -5, 12345, 0, 7], "s": ["a", "", "é", "|", "{}"]}
    )
    check(plugin(shown), frame)
    days = [dt.date(2024, 2, 29), dt.date(1, 1, 1), None]
    times = [
        dt.datetime(2024, 2, 16, 10, 30, 45),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
        dt.datetime(1, 1, 1),
    ]
    check(plugin(on_day), pl.DataFrame({"day": days, "at": times}))


# -- tables of tables -------------------------------------------------------------------------------------

NESTED = {"DE": {"limit": 31.5}, "NL": {"limit": 23.0}}
GROUPS = {"post": ["DHL", "GLS"], "own": ["X"]}


def nested(s):
    return NESTED[s]["limit"]


def nested_or_not(s):
    return NESTED.get(s, {}).get("limit", 0.0)


def grouped(s):
    for group, names in GROUPS.items():
        if s in names:
            return group
    return None


@pytest.mark.parametrize("function", [nested, nested_or_not, grouped])
def test_tables_of_tables(function):
    check(plugin(function), pl.DataFrame({"s": ["DE", "NL", "GLS", "X", "", None]}))


# -- what isn't compiled ----------------------------------------------------------------------------------


def logged(s):
    try:
        return float(s)
    except ValueError as error:
        logging.warning(error)
        return None


def unlike(s):
    return len(s) if s else "0"


def replaced(s):
    return re.sub(r"\d+", lambda match: match.group(0).rjust(4, "0"), s)


def named(s):
    return ", ".join([item.get("name", "") for item in json.loads(s)])


def pattern_of(s):
    return re.match(s[:1], s) is not None


def file_name(s):
    return Path(s).name


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (logged, "`logging` isn't supported"),
        (unlike, "on one path and '0' on another"),
        (replaced, "calls no function for each match"),
        (named, "a value of `json.loads` may be of any type"),
        (pattern_of, "the pattern of `re.match` must be known"),
        (file_name, "`Path` is a class"),
    ],
)
def test_these_are_refused(function, reason):
    with pytest.raises(dfv.KernelCompileError) as caught:
        dfv.run(WITH_TEXT, plugin(function))
    assert reason in str(caught.value)


def added(value, amount):
    return value + amount


def test_a_partial_function():
    one_more = dfv.plugin(partial(added, amount=1), replace=True)
    assert dfv.apply(pl.DataFrame({"value": [1, None, 3]}), one_more)["added"].to_list() == [2, None, 4]
