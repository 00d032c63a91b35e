"""`math.gcd` and `math.ldexp` at the edges of their arguments."""

from __future__ import annotations

import math

import polars as pl
from columns import check, computed


def gcd(x, n):
    return math.gcd(x, n)


def ldexp(x, n):
    try:
        return math.ldexp(x, n)
    except OverflowError:  # compiled, it is infinite
        return math.copysign(math.inf, x)


def compiled_ldexp(x, n):
    return math.ldexp(x, n)


def test_gcd():
    values = [0, 1, -1, 6, -9, 2**62, 2**63 - 1, -(2**63)]
    frame = pl.DataFrame([(x, n) for x in values for n in values], schema=["x", "n"], orient="row")
    check(gcd, frame, pl.Int64)
    large = pl.DataFrame(
        {"x": [2**64 - 1, 2**63], "n": [-(2**63), 0]}, schema={"x": pl.UInt64, "n": pl.Int64}
    )
    assert computed(gcd, large)[1] == [1, 2**63]


def test_ldexp():
    exponents = [0, 1, -1, -1074, -1075, 1023, 1024, 2000, -2000, 2**32, -(2**32), 2**63 - 1, -(2**63)]
    values = [0.0, -0.0, 1.0, -1.5, 5e-324, 1.7976931348623157e308, math.inf, -math.inf]
    frame = pl.DataFrame([(x, n) for x in values for n in exponents], schema=["x", "n"], orient="row")
    assert repr(computed(compiled_ldexp, frame)[1]) == repr([ldexp(*row) for row in frame.rows()])
