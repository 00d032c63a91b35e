"""`round` with a number of digits is Python's, for any float and any number of digits."""

from __future__ import annotations

import math
import random
import struct
from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from columns import check, computed, floats, run

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from testing.oracle import FAILED

SPECIAL = [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1e300, 1.7976931348623157e308, -1.75e308]
SPECIAL += [math.inf, -math.inf, math.nan, 2.675, 1.115, 0.005, -0.001, 1.2345678901234568e17, 2.0**52 + 0.5]
SPECIAL += [2.0**53 / 100, 2.0**52 / 100, 2.0**51 / 100, 5e15 + 0.5, 4503599627370495.5]


def neighbours(values):
    return [y for x in values for y in (x, math.nextafter(x, 0.0), -math.nextafter(x, math.inf))]


def two_places(x):
    return round(x, 2)


def places(x, n):
    return round(x, n)


def by_name(x):
    return round(x, ndigits=2)


def hundreds(x):
    return round(x, -2)


def constant(x, digits=3):
    return round(x, digits)


def rounding_to(digits):
    scope: dict = {}
    exec(f"def to_{digits % 100}(x): return round(x, {digits})", scope)
    return scope[f"to_{digits % 100}"]


@pytest.fixture(scope="module")
def hard():
    """Numbers next to ties."""
    draw = random.Random(1)
    numbers = [draw.randrange(10**7) for _ in range(12_000)]
    ties = [(2 * k + 1) / 2 / 10**n for k in numbers for n in (0, 2)] + [k / 1000 for k in numbers]
    large = [
        math.ldexp(draw.random() + 1.0, draw.randrange(40, 60)) / 10 ** draw.randrange(5) for _ in numbers
    ]
    return floats(*SPECIAL, *neighbours(ties), *large)


@pytest.mark.parametrize("digits", [0, 1, 2, 3, 15, 22, -1, -3])
def test_constant_digits(digits, hard):
    check(rounding_to(digits), hard, pl.Float64)


@pytest.mark.parametrize("function", [by_name, constant])
def test_other_ways_to_say_it(function, hard):
    check(function, hard.head(20_000))


@pytest.mark.parametrize("math_", ["fast", "libm"])
def test_with_other_mathematics(math_, hard):
    check(two_places, hard.head(20_000), math=math_)


def test_any_digits():
    draw = random.Random(2)
    rows = []
    for digits in (*range(-330, 345), 10**6, -(10**6), 2**63 - 1, -(2**63)):
        n = max(min(digits, 345), -330)
        found = [struct.unpack("<d", struct.pack("<Q", draw.getrandbits(63)))[0] for _ in range(8)]
        for _ in range(16):
            found.append(float(f"{draw.randrange(10 ** draw.randrange(1, 18))}e{-n - draw.randrange(18)}"))
            found.append(float(f"{draw.randrange(10 ** draw.randrange(1, 16))}5e{-n - 1}"))
        rows += [(x, digits) for x in neighbours([y for y in found if math.isfinite(y)])]
    rows += [
        (x, n) for x in SPECIAL for n in (-308, -307, -306, -23, -22, 22, 23, 55, 56, 308, 309, 323, 324)
    ]
    rows.append((2.0**-24, 23))  # the one tie beyond 22 digits
    frame = pl.DataFrame(rows, schema={"x": pl.Float64, "n": pl.Int64}, orient="row")
    assert frame.height > 50_000
    check(places, frame, pl.Float64)


def test_128_bits_of_a_power_decide():
    """Where the table of powers isn't exact, no product comes so near to a tie that the rest could matter.

    For each power and exponent, the least distance of a multiple of 10^n·2^e by a number of 54 bits from an
    integer is that of a convergent of its continued fraction.
    """
    assert all((217706 * n) >> 16 == _log2(n) for n in range(-308, 324))
    for n in (*range(-308, -22), *range(56, 324)):
        for shift in range(125, 183):  # by which power of two the product is divided: the result is 0 … 2^53
            # A tie is an odd multiple of 1/2. The table is wrong by one unit at most, times 53 bits.
            step = Fraction(10) ** n * Fraction(2) ** (128 - shift - _log2(n))
            assert _least_distance(step, 2**53) > Fraction(2**54, 2**shift), (n, shift)


def _log2(n):
    """floor(log2(10^n)), exactly."""
    return (10**n).bit_length() - 1 if n >= 0 else -(10**-n - 1).bit_length()


def _least_distance(step, most):
    """The least distance from an integer of a multiple of ``step`` by 1 … most."""
    a, b = step.numerator % step.denominator, step.denominator
    before, here = 0, 1  # denominators of the convergents
    least = Fraction(min(a, b - a), b)
    x, y = b, a
    while y:
        quotient, rest = divmod(x, y)
        before, here = here, before + quotient * here
        if here > most:
            break
        distance = here * a % b
        least = min(least, Fraction(min(distance, b - distance), b))
        x, y = y, rest
    return least


def test_what_is_too_large_fails():
    frame = pl.DataFrame({"x": [1.75e308, -1.79e308, 1.0], "n": [-308, -307, -307]})
    assert computed(places, frame)[1] == [FAILED, FAILED, 0.0]


@pytest.mark.parametrize("digits", [2, 0, -2, 30])
def test_single_precision(digits):
    """It is the single-precision number next to what Python gives."""
    draw = random.Random(3)
    values = [x for x in SPECIAL if abs(x) < 1e38 or not math.isfinite(x)]
    values += [draw.randrange(10**6) / 1000 for _ in range(5_000)]
    frame = floats(*values, dtype=pl.Float32)
    dtype, got = computed(rounding_to(digits), frame)
    assert dtype == pl.Float32
    assert repr(got) == repr([float(np.float32(round(x, digits))) for x in frame["x"].to_list()])
    assert computed(places, floats(3.4028235e38, dtype=pl.Float32).with_columns(n=-35))[1] == [FAILED]


WHOLE = [
    0,
    5,
    15,
    25,
    -5,
    -15,
    -25,
    149,
    150,
    250,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    2**63 - 8,
    5 * 10**18,
    4 * 10**18,
]


def test_integers():
    rows = [(x, n) for x in WHOLE for n in (3, 0, -1, -2, -17, -18, -19, -20, -400, 10**18)]
    check(places, pl.DataFrame(rows, schema=["x", "n"], orient="row"), pl.Int64)
    check(hundreds, pl.DataFrame({"x": WHOLE}), pl.Int64)
    check(two_places, pl.DataFrame({"x": WHOLE}), pl.Int64)
    small = pl.DataFrame({"x": [-128, 127, 50, -50]}, schema={"x": pl.Int8})
    check(hundreds, small, pl.Int64)
    check(hundreds, pl.DataFrame({"x": [True, False]}), pl.Int64)


def test_unsigned_integers():
    frame = pl.DataFrame({"x": [2**64 - 1, 2**63, 5]}, schema={"x": pl.UInt64})
    assert computed(two_places, frame)[1] == [2**64 - 1, 2**63, 5]
    with pytest.raises(dfv.KernelCompileError, match="round"):
        run(hundreds, frame)


def test_decimals_and_wide_integers():
    assert computed(two_places, pl.DataFrame({"x": [Decimal("1.125")]}))[1] == [Decimal("1.12")]
    wide = pl.DataFrame({"x": [2**100 + 50]}, schema={"x": pl.Int128})
    assert computed(two_places, wide)[1] == [2**100 + 50]
    with pytest.raises(dfv.KernelCompileError, match="round"):
        run(hundreds, wide)


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32], ids=str)
@pytest.mark.parametrize("digits", [2, -1, 12, 30])
def test_numpys_round_is_numpys(digits, dtype):
    frame = floats(2.675, 1.115, 0.005, -0.5, 1234.5678, 1e-20, 1e300, math.inf, math.nan, dtype=dtype)
    numbers = frame["x"].to_numpy()
    with np.errstate(all="ignore"):
        wanted = np.array([np.round(x, digits) for x in numbers])
    _, got = computed(lambda x: np.round(x, digits), frame)
    assert repr(got) == repr(wanted.tolist())


@pytest.mark.usefixtures("usual_processor")
@pytest.mark.parametrize("function", [two_places, hundreds])
def test_constant_digits_are_vector_code(function):
    plugin = define(function, name="kernel", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
    for dtype in (pl.Float64, pl.Float32):
        (stage,) = dfv.explain(plugin, {"x": dtype}).stages
        assert stage.loop.vectorised
