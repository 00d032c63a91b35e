"""Kernels that get None: whether it is true, and what it is equal to; states that begin with it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import check, plugin

DF = pl.DataFrame(
    {
        "b": [True, False, None, True],
        "i": [2**53 + 1, 0, None, None],
        "f": [2.0**53, 0.0, None, 1.0],
        "c": pl.Series([3, 255, 0, None], dtype=pl.UInt8),
        "u": pl.Series([2**64 - 1, 0, None, 3], dtype=pl.UInt64),
        "s": ["x", "", None, "y"],
    }
)


def truth(b: bool | None, i: int | None, f: float | None, u: int | None, s: str | None):
    return bool(b), 1 if i else 0, not f, u or 7, 1 if s else 0, f or 1.5, not b, bool(u)


def equal(b: bool | None, i: int | None, f: float | None, u: int | None, c: int | None):
    return i == 3, i != 3, i == f, f != i, u == i, u == 2**64 - 1, c == u, b == 1, b != f, u == f, c == b


@pytest.mark.parametrize("function", [truth, equal])
def test_none_is_a_value(function: Any) -> None:
    assert check(plugin(function), DF).error_count == 0


@pytest.mark.parametrize("name", ["b", "c"])
def test_a_state_of_a_narrow_column_begins_with_none(name: str) -> None:
    values = DF[name].drop_nulls()
    before = dfv.scan(
        {"b": lambda s, b: (b, s), "c": lambda s, c: (c, s)}[name],
        init=None,
        name=f"optional_before_{name}",
        replace=True,
    )
    got = dfv.apply(values.to_frame(), before, output="o")["o"].to_list()
    assert got == [None, *values[:-1].to_list()]


def test_a_state_of_bools_stays_one() -> None:
    every = dfv.reduce(
        lambda s, b: b if s is None else s and b, init=None, name="optional_every", replace=True
    )
    got = dfv.apply(DF.select("b"), every, output="o")["o"].to_list()
    assert got == [False]
    assert got[0] is False


def computed(v: Any | None, w: Any) -> Any:
    maybe = {1: w}.get(1)  # which may be None for the compiler
    signs = -v, +v, abs(v), -maybe, +maybe, abs(maybe), f"{-v}", str(+maybe)
    return *signs, -v + 1, v - maybe, -w - v, v + v, maybe * v, 2 - v, v / 2, v // 3, v % 3, *divmod(v, 3)


def inverted(v: Any | None, w: Any) -> Any:
    maybe = {1: w}.get(1)
    return ~v, ~maybe, ~v & w, -v | w, v ^ 1, maybe << 1, v >> 1, v & maybe, str(~maybe)


SIGNED = [pl.Int8, pl.Int32, pl.Int64, pl.Float32, pl.Float64]
NUMBERS = {pl.Boolean: [True, False]}
NUMBERS |= {dtype: [0, 1, -1, 100] for dtype in SIGNED}
NUMBERS |= {dtype: [0, 1, 100] for dtype in (pl.UInt8, pl.UInt32, pl.UInt64)}


@pytest.mark.parametrize("function", [computed, inverted])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_what_may_be_none_is_computed_with_as_what_is_not(function: Any, dtype: Any) -> None:
    if function is inverted and dtype.is_float():
        pytest.skip("floats have no bits in Python")
    values = NUMBERS[dtype]
    frame = pl.DataFrame(
        {"v": [*values, None], "w": [*values[::-1], values[0]]}, schema={"v": dtype, "w": dtype}, strict=False
    )
    kind = {"Boolean": bool, "Float64": float}.get(str(dtype), int)
    function.__annotations__ = {"v": kind | None} if str(dtype) != "Float32" else {}
    check(plugin(function), frame)
