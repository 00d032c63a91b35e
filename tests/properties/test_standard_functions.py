"""Functions of the standard library, and methods of numbers, give in kernels what they give in Python."""

from __future__ import annotations

import cmath
import math
import statistics
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin, plugins
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


def hashed(a, b, x):
    return hash(a), hash(x), hash(a > b), hash((a, x)), hash((b, (x, -a), a < 0)), hash(-x)


def of_one(x):
    circular = math.sin(x), math.cos(x), math.tan(x), math.asin(x), math.acos(x), math.atan(x)
    hyperbolic = math.sinh(x), math.cosh(x), math.tanh(x), math.asinh(x), math.acosh(x), math.atanh(x)
    powers = math.exp(x), math.expm1(x), math.log(x), math.log2(x), math.log10(x), math.log1p(x), math.sqrt(x)
    special = math.erf(x), math.erfc(x), math.gamma(x), math.lgamma(x), math.degrees(x), math.radians(x)
    return *circular, *hyperbolic, *powers, *special, math.fabs(x)


def of_two(x, y):
    rests = math.fmod(x, y), math.remainder(x, y)
    return *rests, math.atan2(x, y), math.copysign(x, y), math.hypot(x, y), math.pow(x, y)


INTEGERS = plugins(divisors, roots, choices, products, rests, inverses)
MIXED = plugins(near, near_of_numpy, clipped, middles, least, hashed)
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

    if name in ("choices", "products"):
        frame = frame.filter(pl.all_horizontal(pl.all().is_between(-5000, 5000)))
    check(INTEGERS[name], frame, may_fail=outside)


@pytest.mark.parametrize("name", MIXED)
@slow
@given(frame=frames(a=(integers, pl.Int64), b=(integers, pl.Int64), x=(reals, pl.Float64)))
def test_functions_of_numbers(name, frame):
    if name == "clipped":  # above 53 bits NumPy's functions of a float and an integer are of floats
        frame = frame.filter(pl.all_horizontal(pl.col("a", "b").is_between(-(2**53) + 1, 2**53 - 1)))

    def outside(a, b, x):
        return name == "least" and not fits(abs(a), abs(b))

    if name == "hashed":  # in Python that of NaN is its object's
        frame = frame.filter(pl.col("x").is_not_nan())

    check(MIXED[name], frame, may_fail=outside)


@pytest.mark.parametrize("name", TEXTS)
@slow
@given(frame=frames(s=(texts, pl.String), n=(st.integers(-3, 9), pl.Int64)))
def test_functions_of_sequences(name, frame):
    check(TEXTS[name], frame)


CORNERS = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 171.0, 172.0, 1000.0, 2.0**53, 2.0**63, 1e300, 1e308, 5e-324]
CORNERS = [sign * x for x in (*CORNERS, math.inf, math.nan) for sign in (1.0, -1.0)]


@pytest.mark.parametrize("function", [of_one, of_two])
def test_corners_of_math(function):
    """What Python gives, or NaN or an infinity where Python raises."""
    columns = {"x": CORNERS} if function is of_one else {"x": CORNERS, "y": CORNERS}
    frame = pl.DataFrame(list(product(*columns.values())), schema=list(columns), orient="row")
    names = [name for name in function.__code__.co_names if name != "math"]
    results = dfv.apply(frame, plugin(function), output=names, keep=False)
    for arguments, got in zip(frame.iter_rows(), results.iter_rows(), strict=True):
        for name, found in zip(names, got, strict=True):
            where = name, arguments, found
            try:
                wanted = getattr(math, name)(*arguments)
            except OverflowError:
                assert math.isinf(found), where
            except ValueError:
                assert not math.isfinite(found), where
            else:
                if wanted == 0 or not math.isfinite(wanted):
                    assert repr(found) == repr(wanted), where
                else:
                    assert abs(found - wanted) <= 16 * math.ulp(wanted), where


def complex_root(x, y):
    root = cmath.sqrt(complex(x, y))
    return root.real, root.imag


def test_roots_of_complex_numbers():
    numbers = [*CORNERS, 2e-308, -3e-310, 1.7e308]
    rows = pl.DataFrame(list(product(numbers, numbers)), schema=["x", "y"], orient="row")
    check(plugin(complex_root), rows)
