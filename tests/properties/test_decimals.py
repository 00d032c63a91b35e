"""The laws for decimals: what Python's `decimal` gives in a context wide enough."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import call, check, configs, frames, plugins

import dataflare_vec as dfv

VAT = Decimal("0.19")


def sums(x, y, fee=Decimal("1.5")):  # noqa: B008
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


def same(got, wanted):
    assert got.to_list() == wanted


@pytest.mark.parametrize("name", KERNELS)
@given(frame=frames(**COLUMNS), config=configs)
def test_compiled_is_python(name, frame, config):
    with localcontext(Context(prec=100)):
        expected = call(KERNELS[name], frame.iter_rows())
    check(frame, KERNELS[name], config, expected, same)


def single(x):
    return float(x)


FLOAT = plugins(single)["single"]
wide = st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(n).scaleb(-7, Context(prec=40)))


@given(frame=frames(x=(wide, pl.Decimal(38, 7))))
def test_floats_are_near(frame):
    got = dfv.apply(frame, FLOAT, keep=False)["single"].to_list()
    for given_, value in zip(frame["x"], got, strict=True):
        assert (value is None) == (given_ is None)
        if value is not None:
            assert value == pytest.approx(float(given_), rel=3e-16, abs=0)


def square(x):
    return x * x


SQUARE = plugins(square)["square"]


@given(frame=frames(x=(wide | st.integers(0, 10**6).map(Decimal), pl.Decimal(38, 7))))
def test_more_than_38_digits_fail(frame):
    result = dfv.run(frame, SQUARE, on_error="null")
    too_large = [
        i for i, x in enumerate(frame["x"]) if x is not None and abs(int(x.scaleb(7))) ** 2 >= 10**38
    ]
    assert result.errors["row"].to_list() == too_large
    assert set(result.errors["error"]) <= {"OverflowError"}
