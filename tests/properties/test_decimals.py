"""The laws for decimals: what Python's `decimal` gives in a context wide enough."""

from __future__ import annotations

import math
from decimal import Context, Decimal, localcontext

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugins
from testing.strategies import configs, frames

VAT = Decimal("0.19")
WIDE = Context(prec=100)


def sums(x, y, fee=Decimal("1.5")):
    return x + y, x - y, x + fee, x * y, x * 3 - 1, -x, abs(y), x + round(x * VAT, 2)


def compared(x, y):
    return x < y, x == y, x >= y, bool(x), 2 * x > y


def rounded(x, y):
    return round(x, 1), round(x, 0), round(x), int(y), round(y, 5)


def unified(x, y: Decimal | None):
    if y is None:
        return x
    if x > y:
        raise ValueError("x is larger")
    return y


KERNELS = plugins(sums, compared, rounded, unified)
COLUMNS = {
    "x": (st.decimals(-(10**12), 10**12, places=3), pl.Decimal(20, 3)),
    "y": (st.decimals(-(10**6), 10**6, places=2), pl.Decimal(10, 2)),
}


@pytest.mark.parametrize("name", KERNELS)
@given(frame=frames(**COLUMNS), config=configs)
def test_compiled_is_python(name, frame, config):
    check(KERNELS[name], frame, config=config, context=localcontext(WIDE))


def divided(x, y):
    return x // y, x % y, *divmod(x, y), x // 7, 10 % y


def compared_with_floats(x, f: float):
    return x == f, x != f, x < f, x <= f, x > f, x >= f, f == x, f < x, f >= x


def single(x):
    return float(x), +x, bool(x), not x


def coarse(x, y):
    return round(x, -1), round(x, -3), round(x, -40), min(x, y), max(x, y)


def ordered(x, y):
    return x < y, x <= y, x == y, x != y


EXACT = plugins(ordered, divided, compared_with_floats, single, coarse)

SCALES = st.sampled_from([0, 1, 2, 7, 18, 22, 23, 37, 38])


@st.composite
def numbers(draw, scale):
    """Decimals of any length; some half-way between two floats, or next to it."""
    if draw(st.booleans()):
        low = abs(draw(st.floats(1e-30, 10.0 ** (37 - scale))))
        middle = WIDE.divide(WIDE.add(Decimal(low), Decimal(math.nextafter(low, math.inf))), 2)
        digits = int(WIDE.scaleb(middle, scale)) + draw(st.integers(-1, 1))
        digits *= draw(st.sampled_from([1, -1]))
    else:
        digits = draw(st.integers(0, 38).flatmap(lambda n: st.integers(-(10**n) + 1, 10**n - 1)))
    return Decimal(digits).scaleb(-scale, WIDE)


def column(data, values, dtype, rows):
    return pl.Series(data.draw(st.lists(values, min_size=rows, max_size=rows)), dtype=dtype)


@given(data=st.data(), scale=SCALES)
def test_floats_are_rounded_once(data, scale):
    x = column(data, numbers(scale), pl.Decimal(38, scale), data.draw(st.integers(0, 40)))
    check(EXACT["single"], pl.DataFrame({"x": x}), context=localcontext(WIDE))


@given(data=st.data(), scale=st.sampled_from([0, 2, 18, 38]))
def test_comparisons_with_floats_are_exact(data, scale):
    rows = data.draw(st.integers(0, 40))
    x = column(data, numbers(scale), pl.Decimal(38, scale), rows)
    near = [float(value) * data.draw(st.sampled_from([1, 1, 1 + 2**-52, -1])) for value in x]
    others = data.draw(st.lists(st.none() | st.floats(), min_size=rows, max_size=rows))
    f = [value if other is None else other for value, other in zip(near, others, strict=True)]
    frame = pl.DataFrame({"x": x, "f": pl.Series(f, dtype=pl.Float64)})
    check(EXACT["compared_with_floats"], frame, context=localcontext(WIDE))


@pytest.mark.parametrize("name", ["divided", "coarse", "ordered"])
@given(data=st.data(), scales=st.sampled_from([(2, 2), (3, 1), (0, 10)]))
def test_long_decimals(name, data, scales):
    plugin = EXACT[name]
    rows = data.draw(st.integers(0, 40))
    pairs = zip("xy", scales, strict=True)
    columns = {n: column(data, numbers(scale), pl.Decimal(38, scale), rows) for n, scale in pairs}

    def may_fail(x, y):
        # Both have as many digits behind the point on the way, and rounding to tens may need one more.
        return max(abs(x), abs(y)).scaleb(max(scales), WIDE) * 10 >= 10**38 and name != "ordered"

    check(plugin, pl.DataFrame(columns), may_fail=may_fail, context=localcontext(WIDE))


def test_globals_that_have_no_place_are_refused():
    large = Decimal(10) ** 40

    def below(x):
        return x < large

    plugin = plugins(below)["below"]
    with pytest.raises(dfv.KernelCompileError, match="large"):
        dfv.apply(pl.DataFrame({"x": [Decimal(1)]}), plugin)


def square(x):
    return x * x


SQUARE = plugins(square)["square"]


@given(frame=frames(x=(numbers(7) | st.integers(0, 10**6).map(Decimal), pl.Decimal(38, 7))))
def test_more_than_38_digits_fail(frame):
    result = dfv.run(frame, SQUARE, on_error="null")
    too_large = [
        i for i, x in enumerate(frame["x"]) if x is not None and abs(int(x.scaleb(7))) ** 2 >= 10**38
    ]
    assert result.errors["row"].to_list() == too_large
    assert set(result.errors["error"]) <= {"OverflowError"}
