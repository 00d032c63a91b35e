"""Functions of the standard library, and methods of numbers, give in kernels what they give in Python."""

from __future__ import annotations

import math
import statistics

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from testing.oracle import check, plugins
from testing.strategies import frames

LARGEST = 2**63 - 1


def divisors(a, b):
    multiples = math.lcm(a, b % 1000), math.lcm(a % 99, b % 99, 7), math.lcm(a), math.lcm(a, b * 0)
    return math.gcd(a, b, 12), math.gcd(), *multiples


def roots(a, b):
    return math.isqrt(a), a.bit_length(), b.bit_count(), (a > 0).bit_count()


def choices(a, b):
    return math.comb(a, b), math.perm(a, b)


def products(a, b):
    return math.factorial(a), math.perm(a), math.prod([a, b, 2]), math.prod((a * 0.5, 0.5), start=2)


def rests(a, b):
    return pow(a, abs(b), 97), pow(a, 3, b), pow(3, b, a)


def inverses(a, b):
    return pow(a, -1, 97), pow(a, b % 5 - 2, 96)


def near(a, b, x):
    close = math.isclose(x, b), math.isclose(x, 1.5, rel_tol=1e-3), math.isclose(a, x, rel_tol=0.0, abs_tol=2)
    return *close, x.is_integer()


def near_of_numpy(a, b, x):
    close = (
        np.isclose(a, b),
        np.isclose(x, b, atol=2),
        np.isclose(a, x, 0.5, equal_nan=True),
        np.isclose(x, x, x),
    )
    return (
        *close,
        np.isclose(np.array([a, 5]), b)[0],
        np.allclose(x, a),
        np.allclose(np.array([a]), b, atol=4.0),
    )


def clipped(a, b, x):
    return np.clip(x, 0.0, 2), np.clip(a, -3, b), np.clip(x, a, b), np.clip(a, None, 5), np.clip(x, 1, None)


def middles(a, b, x):
    three = [a, b, 3]
    return statistics.median([a % 64, b % 64]), statistics.median_low(three), statistics.median_high((a, b))


def least(a, b, x):
    key = max(a, b, 4, key=abs), min([a, b, 4], key=lambda v: (v % 3, v)), max((a, b), default=0)
    positive = min([v for v in (a, b) if v > 0], default=-1)
    return *key, positive, (a, b, 3).count(3)


def least_of_texts(s, n):
    parts = s.split(",")
    longest = max(parts, key=len), min(s.split(), key=lambda w: -len(w), default="none"), max(parts)
    return *longest, min(w for w in parts), max((len(w) for w in parts if w), default=None)


def backwards(s, n):
    total = 0
    for i, part in enumerate(reversed(s.split(","))):
        total += i * len(part)
    for i in reversed(range(n, 9, 2)):
        total = total * 7 + i
    for i, value in enumerate(reversed([n, 2, 3])):
        total += i * value
    return total, ",".join(reversed(s.split(","))), "".join(reversed(s))


def parts(s, n):
    found = s.split(",")
    ends = "|".join(found[1:]), "|".join(found[::-1]), "|".join(found[n:]), len(found[:n] + s.split())
    return *ends, found == ["a", "b"], found != s.split(), found.count("a")


def sums(s, n):
    counts = sum(map(len, s.split(","))), sum(map(lambda c: c > "b", s)), sum(map(ord, s), n)
    return *counts, s.split(",").index("a")


INTEGERS = plugins(divisors, roots, choices, products, rests, inverses)
MIXED = plugins(near, near_of_numpy, clipped, middles, least)
TEXTS = plugins(least_of_texts, backwards, parts, sums)
integers = st.integers(-30, 30) | st.integers(-(2**63), LARGEST) | st.sampled_from([97, 2**31, 3037000499])
reals = st.floats() | st.integers(-9, 9).map(float) | st.sampled_from([1.5, 1.501, 1.4999, 1e20])
texts = st.text("a,b é", max_size=9)
slow = settings(
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck), deadline=None
)


def fits(*numbers):
    return all(-LARGEST - 1 <= number <= LARGEST for number in numbers)


@pytest.mark.parametrize("name", INTEGERS)
@slow
@given(frame=frames(a=(integers, pl.Int64), b=(integers, pl.Int64)))
def test_functions_of_integers(name, frame):
    plain = INTEGERS[name].function

    def outside(a, b):
        return a == -LARGEST - 1 or b == -LARGEST - 1 or not fits(*plain(a, b))

    frame = (
        frame.filter(pl.all_horizontal(pl.all().abs() < 5000)) if name in ("choices", "products") else frame
    )
    check(INTEGERS[name], frame, may_fail=outside)


@pytest.mark.parametrize("name", MIXED)
@slow
@given(frame=frames(a=(integers, pl.Int64), b=(integers, pl.Int64), x=(reals, pl.Float64)))
def test_functions_of_numbers(name, frame):
    if name == "clipped":  # above 53 bits NumPy's functions of a float and an integer are of floats
        frame = frame.filter(pl.all_horizontal(pl.col("a", "b").abs() < 2**53))

    def outside(a, b, x):
        return name == "least" and not fits(abs(a), abs(b))

    check(MIXED[name], frame, may_fail=outside)


@pytest.mark.parametrize("name", TEXTS)
@slow
@given(frame=frames(s=(texts, pl.String), n=(st.integers(-3, 9), pl.Int64)))
def test_functions_of_sequences(name, frame):
    check(TEXTS[name], frame)
