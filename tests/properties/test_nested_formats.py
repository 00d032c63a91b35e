"""Formats whose width and precision are numbers of run time give in kernels what they give in Python."""

from __future__ import annotations

import sys

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin, plugins
from testing.strategies import frames


def widths(w: int, p: int, n: int, x: float, s: str):
    digits = 2
    return f"{n:{w}d}", f"{x:>{w}.{digits}f}", f"{n:+0{abs(w)},}"


def signs(w: int, p: int, n: int, x: float, s: str):
    return f"{n:0{w}d}"


def of_texts(w: int, p: int, n: int, x: float, s: str):
    return f"{s:{w}}|{s:>{w}.{p}}", f"{s!r:*^{w}}"


def precisions(w: int, p: int, n: int, x: float, s: str):
    try:
        return f"{x:.{p}f}|{x:0{w}.{p}e}", format(x, f",.{p}f")
    except ValueError:
        return "bad", ""


def templates(w: int, p: int, n: int, x: float, s: str):
    return "{:{}}|{:>{w}}".format(s, 5, n, w=w), "{1:{0}}".format(abs(w), n)


numbers = st.integers(-30, 30) | st.sampled_from([0, -(2**63), 2**63 - 1])
reals = st.floats() | st.sampled_from([0.1, 123.456, -0.0])
small = st.integers(-3, 30)
KERNELS = plugins(widths, signs, of_texts, precisions, templates)
if sys.version_info < (3, 11):  # only `except Exception` compiles
    for name in ("precisions",):
        del KERNELS[name]


@pytest.mark.parametrize("name", KERNELS)
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    frame=frames(
        w=(small, pl.Int64),
        p=(st.integers(-2, 20), pl.Int64),
        n=(numbers, pl.Int64),
        x=(reals, pl.Float64),
        s=(st.text("ab,é1", max_size=9), pl.String),
    )
)
def test_formats_within_formats(name, frame):
    check(KERNELS[name], frame)


def of_text(s):
    return f"{s:{s}}"


def of_float(s):
    return f"{1.5:.{len(s) / 2}f}"


def numbered_twice(s):
    return "{:{}}{0}".format(s, 5)  # noqa: F525


def in_a_gap(s):
    return f"{s:1{len(s)}}"


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (of_text, "are integers, not str"),
        (of_float, "not float64"),
        (in_a_gap, "don't know the format"),
        (numbered_twice, "numbers some of its places"),
    ],
)
def test_what_is_refused(kernel, message):
    with pytest.raises(dfv.KernelCompileError, match=message):
        dfv.run(pl.DataFrame({"s": ["a"]}), plugin(kernel))
