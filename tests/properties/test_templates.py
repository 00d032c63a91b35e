# ruff: noqa: UP031, UP032, F507, F521, F523, F524
"""``"{}".format(…)``, ``"%s" % …``, ``!r`` and other bases in kernels show what Python shows."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin, plugins
from testing.strategies import frames

TEMPLATE = "{name:>6}={value:+,d}"
ROW = "%(name)-6s|%(value)5.1f"


def braces(s, n, x):
    places = "{}-{}".format(s, n), "{1}{{{0}}}{1}".format(s, x), "{!r:>9}|{!a}|{!s:.2}".format(s, s, s)
    return *places, TEMPLATE.format(name=s, value=n), "".format(), "a".format(s)


def numbers_in_braces(s, n, x):
    integers = "{:05d}|{:x}|{:#b}|{:>+8}|{:^9}".format(n, n, n, n, n)
    return integers, "{:.2f}|{:,.1f}|{:e}|{:10.3g}|{:%}".format(x, x, x, x, x)


def percents(s, n, x):
    texts = "%s|%8s|%-8s|%.2s|%5.1s|%r|%a" % (s, s, s, s, s, s, s)
    return texts, "id_%s%%" % s, "%s" % (x,), "%s, %s" % (n, x > 1), ROW % {"value": x, "name": s}


def numbers_by_percent(s, n, x):
    integers = "%d|%5d|%-5d|%05d|%+d|% d|%i|%x|%X|%#o|%#x" % (n, n, n, n, n, n, n, n, n, n, n)
    return integers, "%f|%.2f|%9.3f|%-9.1f|%+.0f|%e|%G|%09.2f" % (x, x, x, x, x, x, x, x)


def whole_parts(s, n, x):
    return "%d" % x, "%5i|" % (x,), "%d" % (n > 0)


def shown(s, n, x):
    return f"{s!r}|{s!a}|{s!r:>9}|{n!r}|{x!r:^12}|{n > 1!r}", hex(n), oct(n), bin(n), hex(n > 0)


def printable(s, n, x):
    return s.isprintable(), bin(n)[2:].zfill(9)


KERNELS = plugins(braces, numbers_in_braces, percents, numbers_by_percent, whole_parts, shown, printable)
texts = st.text("aé'\"\\\n{}%\u200b€", max_size=6) | st.text(st.characters(codec="utf-8"), max_size=4)
integers = st.integers(-300, 300) | st.integers(-(2**63), 2**63 - 1)
reals = st.floats() | st.floats(-1e6, 1e6) | st.sampled_from([0.5, 2.5, -0.0, 1e16, 1e22])


@pytest.mark.parametrize("name", KERNELS)
@settings(phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck), deadline=None)
@given(frame=frames(s=(texts, pl.String), n=(integers, pl.Int64), x=(reals, pl.Float64)))
def test_templates_show_what_python_shows(name, frame):
    too_large = name == "whole_parts"
    check(KERNELS[name], frame, may_fail=(lambda s, n, x: abs(x) >= 2**63) if too_large else None)


def many(n: int):
    return "%d and %d" % (n,)


def unknown(s: str, n: int):
    return "{}{}".format(s)


def not_one(s: str):
    return "{".format(s)


def spaced(n: int):
    return "%.3d" % n


def pairs(s: str, n: int):
    pair = n, n
    return "%d" % pair


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (many, "2 places"),
        (unknown, "place for 1"),
        (not_one, "isn't one"),
        (spaced, "%.3d"),
        (pairs, "has 1 place"),
    ],
)
def test_templates_that_are_refused(function, words):
    frame = pl.DataFrame({"s": ["a"], "n": [1]})
    with pytest.raises(dfv.KernelCompileError, match=words) as caught:
        dfv.apply(frame, plugin(function))
    assert "f-string" in str(caught.value)
