"""Integers of 64 bits where Numba's own rules aren't Python's: what fails, what fits, what stays fast."""

from __future__ import annotations

import datetime
import math

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import check, fold, plugin

MOST = (1 << 64) - 1


def run(function, frame, **options):
    return dfv.run(frame, plugin(function, **options), keep=False, on_error="null")


UNSIGNED = pl.DataFrame({"u": [5, 2**63, MOST]}, schema={"u": pl.UInt64})


def same(u):
    return u


def next_one(u):
    return u + 1


def before(u):
    return u - 1


def test_dtypes():
    assert run(same, UNSIGNED).frame.dtypes == [pl.UInt64]
    result = run(next_one, UNSIGNED)
    assert result.frame.to_series().to_list() == [6, 2**63 + 1, None]
    assert result.frame.dtypes == [pl.UInt64]
    assert result.errors["message"].to_list() == [f"{MOST + 1} does not fit UInt64"]
    assert run(before, UNSIGNED).frame.dtypes == [pl.Int128]
    narrowed = run(before, UNSIGNED, returns=pl.Int64)
    assert narrowed.frame.to_series().to_list() == [4, 2**63 - 1, None]


def by_constant(u, k=3):
    return u % k, u // k, u > k, max(u, k)


@pytest.mark.parametrize("k", [7, -7, 2**63, MOST])
def test_constants_of_a_call(k):
    check(plugin(by_constant), UNSIGNED, k=k)


def test_a_constant_that_is_too_large():
    with pytest.raises(dfv.BindingError, match="must be a number of 64 bits"):
        dfv.apply(UNSIGNED, plugin(by_constant), k=1 << 64)


def words(u):
    return np.uint64(u) + np.uint64(1), np.uint64(u) >> np.uint64(1), (u ^ np.uint64(1)) * np.uint64(3)


def test_numpys_words_wrap_around():
    values = [((u + 1) & MOST, u >> 1, ((u ^ 1) * 3) & MOST) for u in UNSIGNED["u"]]
    assert run(words, UNSIGNED).frame.rows() == values


def halves_and_more(u):
    return [x // 2 for x in (u, u)] + [u]


def found(u):
    seen = {u: 1}
    seen[u] += 1
    return seen[u] + len({u, u})


def positions(s, u):
    total = 0
    for k in range(u):
        total += k
    return s[u], "ab" * u, s.zfill(u + 4), chr(u + 65), total, datetime.timedelta(days=u).days


def test_where_integers_are_taken():
    assert check(plugin(halves_and_more), UNSIGNED).frame.dtypes == [pl.List(pl.UInt64)]
    assert run(found, UNSIGNED).frame.to_series().to_list() == [3, 3, 3]
    frame = pl.DataFrame({"s": ["abc"] * 3, "u": [0, 1, 2]}, schema_overrides={"u": pl.UInt64})
    check(plugin(positions), frame)


def numpys(a, t, u):
    return (
        np.abs(a),
        np.square(t),
        np.negative(a),
        np.add(a, a),
        np.multiply(t, t),
        np.maximum(a, t),
        np.add(u, 1) % 7,
    )


def test_numpys_functions_of_columns():
    frame = pl.DataFrame(
        {"a": [-128, 127], "t": [2**24, -(2**31)], "u": [MOST, 3]},
        schema={"a": pl.Int8, "t": pl.Int32, "u": pl.UInt64},
    )
    expected = [(abs(a), t * t, -a, a + a, t * t, max(a, t), (u + 1) % 7) for a, t, u in frame.iter_rows()]
    assert run(numpys, frame).frame.rows() == expected


def ratio(i, j):
    return i / j


def cut(i):
    return math.trunc(i), math.floor(i), math.ceil(i), round(i), int(i)


def test_quotients_are_rounded_once():
    pairs = [
        (9007199254740993, 17),
        (2**63 - 1, 3),
        (-(2**63), 7),
        (-(2**53) - 1, -3),
        (5, 3),
        (1, 2**62 + 1),
    ]
    check(plugin(ratio), pl.DataFrame(pairs, schema={"i": pl.Int64, "j": pl.Int64}, orient="row"))
    check(plugin(cut), pl.DataFrame({"i": [1152921504606846985, -(2**63), 2**63 - 1]}))


def shift(x, n):
    return x << n


def test_shifts():
    frame = pl.DataFrame({"x": [1, 0, 1, 1, -1, 3], "n": [64, 64, 62, -1, 63, 63]})
    result = run(shift, frame)
    assert result.frame.to_series().to_list() == [None, 0, 2**62, None, -(2**63), None]
    assert result.errors["error"].to_list() == ["OverflowError", "ValueError", "OverflowError"]
    assert result.errors["message"][1] == "negative shift count"


@pytest.mark.parametrize("fails", [False, True])
def test_int128_can_be_the_state(fails):
    values = [2**63, 5, MOST, 1]
    frame = pl.DataFrame({"u": values, "i": [-1, 7, -(2**63), 0]}, schema={"u": pl.UInt64, "i": pl.Int64})

    def step(s, u, i):
        if fails and u == 5:
            raise ValueError
        return s + u * 3 - i, s

    scan = dfv.scan(step, init=0, name=f"step {fails}", replace=True)
    result = dfv.run(frame, scan, keep=False, on_error="null")
    values, _, states = fold(scan, frame.iter_rows())
    assert result.frame.to_series().to_list() == values
    assert result.state == states[()]


# -- CPython's own tables ---------------------------------------------------------------------------------

test_long = pytest.importorskip("test.test_long", reason="this Python has no tests")


def quotients(x, y):
    return x // y, x % y, divmod(x, y)[0], divmod(x, y)[1], x / y


def bits(x, y):
    return x & y, x | y, x ^ y, ~x, x >> 3


def compared(x, y):
    return x < y, x <= y, x == y, x != y, x > y, x >= y, min(x, y), max(x, y), abs(x) if x > -(2**63) else 0


SPECIAL = sorted(
    {s * x for x in test_long.special for s in (1, -1)} | {2**k + d for k in range(64) for d in (-1, 0)}
)


@pytest.mark.parametrize("function", [quotients, bits, compared])
@pytest.mark.parametrize(("x", "y"), [(pl.Int64, pl.Int64), (pl.UInt64, pl.Int64), (pl.UInt64, pl.UInt64)])
def test_cpythons_values(function, x, y):
    low = {pl.Int64: -(2**63), pl.UInt64: 0}
    left, right = ([v for v in SPECIAL if low[one] <= v < low[one] + 2**64] for one in (x, y))
    pairs = [
        (a, b) for a in left for b in right if (a, b) != (-(2**63), -1) and (b or function is not quotients)
    ]
    frame = pl.DataFrame(pairs, schema={"x": x, "y": y}, orient="row")
    check(plugin(function), frame)
