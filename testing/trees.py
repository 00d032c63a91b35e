"""Polars expressions as Hypothesis draws them, over columns of all dtypes that loops compute with."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl
from hypothesis import strategies as st

from testing.strategies import FLOATS, INTEGERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DrawFn

_FLOATS_NEXT_TO_SOMETHING = (
    0.0, -0.0, 1.0, -1.0, 0.1, 0.5, -0.5, 2.5, 3.5, 127.5, 255.9, 1e10, 9.2e18, 1e300, 5e-324, 1e-40,
    float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
_doubles = st.sampled_from(_FLOATS_NEXT_TO_SOMETHING) | st.floats(-1000, 1000)
_singles = st.sampled_from(_FLOATS_NEXT_TO_SOMETHING[:-6]) | st.floats(-1000, 1000, width=32)


def _integers(dtype: Any) -> st.SearchStrategy[int]:
    low, high = pl.select(dtype.min().alias("low"), dtype.max().alias("high")).row(0)
    few = [
        value for value in (low, low + 1, -7, -1, 0, 1, 2, 10, 100, high - 1, high) if low <= value <= high
    ]
    return st.sampled_from(few) | st.integers(low, high)


#: Columns by name, as `testing.strategies.frames` takes them.
NUMBERS = {
    **{f"{dtype}".lower(): (_integers(dtype()), dtype) for dtype in INTEGERS},
    "int64_2": (_integers(pl.Int64()), pl.Int64),
    "float32": (_singles, pl.Float32),
    "float64": (_doubles, pl.Float64),
    "float64_2": (_doubles, pl.Float64),
}
BOOLEANS = {"boolean": pl.Boolean, "boolean_2": pl.Boolean}
MOMENTS = {
    "date": pl.Date,
    "us": pl.Datetime("us"),
    "us_2": pl.Datetime("us"),
    "ns": pl.Datetime("ns"),
    "ms": pl.Datetime("ms"),
    "time": pl.Time,
    "span": pl.Duration("us"),
    "span_2": pl.Duration("us"),
}
COLUMNS = {**NUMBERS, **BOOLEANS, **MOMENTS}

_literals = st.one_of(
    st.sampled_from([0, 1, 2, 3, -1, 7, 10, 100, -100, 300]).map(pl.lit),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.5, 0.1, 1e10, 3.0]).map(pl.lit),
    st.builds(lambda value, dtype: pl.lit(value, dtype=dtype), st.sampled_from([0, 1, 2]),
              st.sampled_from([*INTEGERS, *FLOATS])),
)  # fmt: skip
_leaves = st.one_of(*[st.sampled_from(sorted(NUMBERS)).map(pl.col)] * 4, _literals)

_OF_TWO: list[Callable[[pl.Expr, pl.Expr], pl.Expr]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a // b,
    lambda a, b: a % b,
    lambda a, b: a & b,
    lambda a, b: a | b,
    lambda a, b: a ^ b,
    lambda a, b: a.fill_null(b),
    lambda a, b: a.fill_nan(b),
    lambda a, b: pl.coalesce(a, b),
    lambda a, b: pl.min_horizontal(a, b),
    lambda a, b: pl.max_horizontal(a, b),
    lambda a, b: pl.sum_horizontal(a, b),
    lambda a, b: pl.sum_horizontal(a, b, a, b, ignore_nulls=False),
    lambda a, b: pl.sum_horizontal(a, b, pl.col("float64"), a * b),
    lambda a, b: pl.sum_horizontal(a, b, pl.col("float32")),
    lambda a, b: pl.mean_horizontal(a, b),
    lambda a, b: pl.mean_horizontal(a, b, pl.col("float64_2")),
    lambda a, b: a.clip(b, None),
    lambda a, b: a.clip(None, b),
]
_OF_ONE: list[Callable[[pl.Expr], pl.Expr]] = [
    lambda a: -a,
    lambda a: a.abs(),
    lambda a: a.sign(),
    lambda a: a.floor(),
    lambda a: a.ceil(),
    lambda a: a.round(),
    lambda a: a.round(2),
    lambda a: a.round(1, mode="half_away_from_zero"),
    lambda a: a.truncate(1),
    lambda a: a.sqrt(),
    lambda a: a**2,
    lambda a: a**3,
    lambda a: a**0.5,
    lambda a: a.clip(-1, 100),
    lambda a: pl.min_horizontal(a, 2.5, -1.0),
    lambda a: pl.max_horizontal(pl.lit(0.5), a),
]
_COMPARISONS: list[Callable[[pl.Expr, pl.Expr], pl.Expr]] = [
    lambda a, b: a == b,
    lambda a, b: a != b,
    lambda a, b: a < b,
    lambda a, b: a <= b,
    lambda a, b: a > b,
    lambda a, b: a >= b,
    lambda a, b: a.eq_missing(b),
    lambda a, b: a.ne_missing(b),
    lambda a, b: a.is_between(b, 10, closed="left"),
]
_TESTS: list[Callable[[pl.Expr], pl.Expr]] = [
    lambda a: a.is_null(),
    lambda a: a.is_not_null(),
    lambda a: a.is_nan(),
    lambda a: a.is_not_nan(),
    lambda a: a.is_finite(),
    lambda a: a.is_infinite(),
    lambda a: a.cast(pl.Boolean),
    lambda a: a.is_in([0, 1, -7, None, 300]),
    lambda a: a.is_in([0.0, 2.5, float("nan")]),
]
_LOGIC: list[Callable[[pl.Expr, pl.Expr], pl.Expr]] = [
    lambda a, b: a & b,
    lambda a, b: a | b,
    lambda a, b: a ^ b,
    lambda a, b: pl.any_horizontal(a, b),
    lambda a, b: pl.all_horizontal(a, b),
    lambda a, b: a == b,
]


@st.composite
def numbers(draw: DrawFn, /, depth: int) -> pl.Expr:
    """Draw an expression of numbers."""
    if depth == 0:
        leaf: pl.Expr = draw(_leaves)
        return leaf
    inner = numbers(depth - 1)
    kind = draw(st.sampled_from(["two", "two", "two", "one", "when", "cast", "truth"]))
    if kind == "two":
        combine: Callable[[pl.Expr, pl.Expr], pl.Expr] = draw(st.sampled_from(_OF_TWO))
        return combine(draw(inner), draw(inner))
    if kind == "one":
        change: Callable[[pl.Expr], pl.Expr] = draw(st.sampled_from(_OF_ONE))
        return change(draw(inner))
    if kind == "when":
        otherwise = draw(st.none() | inner)
        return pl.when(draw(booleans(depth - 1))).then(draw(inner)).otherwise(otherwise)
    dtype = draw(st.sampled_from([*INTEGERS, *FLOATS]))
    return draw(inner).cast(dtype, strict=False) if kind == "cast" else draw(booleans(depth - 1)).cast(dtype)


@st.composite
def booleans(draw: DrawFn, /, depth: int) -> pl.Expr:
    """Draw an expression of Booleans."""
    if depth == 0:
        return draw(st.sampled_from(sorted(BOOLEANS)).map(pl.col))
    kind = draw(st.sampled_from(["comparison", "comparison", "test", "logic", "not"]))
    if kind == "comparison":
        return draw(st.sampled_from(_COMPARISONS))(draw(numbers(depth - 1)), draw(numbers(depth - 1)))
    if kind == "test":
        return draw(st.sampled_from(_TESTS))(draw(numbers(depth - 1)))
    if kind == "logic":
        return draw(st.sampled_from(_LOGIC))(draw(booleans(depth - 1)), draw(booleans(depth - 1)))
    return ~draw(booleans(depth - 1))


_PARTS = (
    "year", "month", "day", "weekday", "ordinal_day", "quarter", "date",
    "hour", "minute", "second", "millisecond", "microsecond", "nanosecond",
)  # fmt: skip
_TOTALS = ("days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds")
_INSTANTS = [name for name in MOMENTS if not name.startswith("span")]


@st.composite
def instants(draw: DrawFn, /, depth: int) -> pl.Expr:
    """Draw an expression of instants in microseconds."""
    column = pl.col(draw(st.sampled_from(["us", "us_2"])))
    if depth == 0:
        return column
    inner = draw(instants(depth - 1))
    drawn: pl.Expr = draw(
        st.sampled_from(
            [
                inner + pl.col("span"),
                inner - (column - inner),
                inner.fill_null(column),
                pl.when(draw(booleans(1))).then(inner).otherwise(column),
            ]
        )
    )
    return drawn


@st.composite
def moments(draw: DrawFn, /) -> pl.Expr:
    """Draw parts of instants and spans, and comparisons of these."""
    some = draw(st.sampled_from(_INSTANTS).map(pl.col) | instants(2))
    span = draw(
        st.sampled_from([pl.col("span"), pl.col("span_2").abs(), -pl.col("span"), pl.col("us") - some])
    )
    part = draw(st.sampled_from(_PARTS))
    total = draw(st.sampled_from(_TOTALS))
    length = draw(st.sampled_from(["1h", "90s", "1d", "7ms", "3us", "2d12h", "250ns"]))
    unit: Any = draw(st.sampled_from(["s", "ms", "us", "ns"]))
    drawn: pl.Expr = draw(
        st.sampled_from(
            [
                getattr(some.dt, part)(),
                getattr(some.dt, part)() * 100 + draw(numbers(1)),
                getattr(span.dt, f"total_{total}")(),
                some.dt.epoch(unit),
                some.dt.truncate(length),
                some.dt.offset_by("-" + length),
                some.dt.offset_by("1w" + length).dt.truncate("5m"),
                some.is_in([dt.date(2020, 1, 1), dt.date(1970, 1, 1)]),
                some <= pl.col("us"),
                pl.when(span > pl.col("span_2")).then(some).otherwise(pl.col("us")),
            ]
        )
    )
    return drawn


_OF_ALL: list[Callable[[pl.Expr], pl.Expr]] = [
    lambda a: a.max(),
    lambda a: a.min(),
    lambda a: a.mean(),
    lambda a: a.max() - a.min(),
    lambda a: a.first(),
    lambda a: a.count(),
    lambda a: a.filter(pl.col("boolean")).last(),
    lambda a: a.shift(1),
    lambda a: a.cum_max(),
    lambda a: a.max().over("boolean"),
]


@st.composite
def of_all_rows(draw: DrawFn, /) -> pl.Expr:
    """Draw an expression in which something needs all rows."""
    part = draw(st.sampled_from(_OF_ALL))(draw(numbers(1)))
    one, other = draw(st.permutations([draw(numbers(2)), part]))
    number = draw(st.sampled_from(_OF_TWO))(one, other)
    comparison = draw(st.sampled_from(_COMPARISONS))(one, other)
    drawn: pl.Expr = draw(
        st.sampled_from(
            [
                number,
                draw(st.sampled_from(_OF_TWO))(number, draw(numbers(1))),
                draw(st.sampled_from(_OF_ONE))(number),
                draw(st.sampled_from(_COMPARISONS))(number, part),
                pl.when(comparison).then(part).otherwise(draw(numbers(1))),
                comparison | draw(booleans(1)),
            ]
        )
    )
    return drawn


depths = st.integers(1, 4)
trees = st.one_of(depths.flatmap(numbers), depths.flatmap(booleans), moments())


def same(ours: pl.Series, theirs: pl.Series) -> bool:
    """Whether two columns have the same nulls and bits; one NaN is as any other."""
    if ours.dtype != theirs.dtype or len(ours) != len(theirs):
        return False
    if not ours.is_null().equals(theirs.is_null(), check_names=False):
        return False
    if ours.dtype.is_float():
        is_nan = [one.is_nan().fill_null(value=False) for one in (ours, theirs)]
        if not is_nan[0].equals(is_nan[1], check_names=False):
            return False
        bits = pl.UInt32 if ours.dtype == pl.Float32 else pl.UInt64
        ours, theirs = (one.fill_nan(0.0).reinterpret(dtype=bits) for one in (ours, theirs))
    return ours.equals(theirs, check_names=False)
