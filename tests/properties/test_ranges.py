"""Ranges and `enumerate` at the ends of integers: what is in them, and what a loop goes through."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from testing.oracle import check, plugin
from testing.strategies import frames


def ranged(a: int, b: int, s: int, x: int) -> tuple[int, bool, int]:
    """Return a range's length, whether it has a number, and a sum of its first ones."""
    total = seen = 0
    for number in range(a, b, s):
        seen += 1
        total = total * 3 % 1_000_003 + number % 1009
        if seen > 5:
            break
    return len(range(a, b, s)), x in range(a, b, s), total


def counted(a: int, b: int) -> tuple[int, int]:
    """Return the first numbers of a range in steps of one."""
    total = seen = 0
    for number in range(a, b):
        seen += 1
        total = total * 3 % 1_000_003 + number % 1009
        if seen > 5:
            break
    return seen, total


def found(
    a: int, b: int, s: int, whole: int | None, natural: int, wide: int, real: float | None, exact: Decimal
) -> tuple[bool, bool, bool, bool, bool, bool]:
    """Return whether numbers of other types than a range's own are in it."""
    numbers = range(a, b, s)
    there = (whole in numbers) if whole is not None else False
    return whole in numbers, there, natural in numbers, wide not in numbers, real in numbers, exact in numbers


RANGED, COUNTED = plugin(ranged), plugin(counted)

FIRST, LAST = -(1 << 63), (1 << 63) - 1
ends = st.sampled_from([FIRST, FIRST + 1, -7, -1, 0, 1, 5, LAST - 1, LAST]) | st.integers(FIRST, LAST)
steps = st.sampled_from([1, 2, 3, -1, -2, 0, FIRST, LAST]) | st.integers(-9, 9)
rows = st.lists(st.tuples(ends, ends, steps, ends), min_size=1, max_size=200)


@given(rows)
@settings(phases=[Phase.explicit, Phase.generate])
def test_ranges_are_pythons(rows):
    df = pl.DataFrame(rows, {name: pl.Int64 for name in "absx"}, orient="row")
    check(RANGED, df)
    check(COUNTED, df)


FOUND = plugin(found)
small = st.integers(-12, 12)
TYPES = {
    "a": (small, pl.Int64),
    "b": (small, pl.Int64),  # Python goes through a range to find what is no integer
    "s": (st.sampled_from([1, 2, -1, -3]), pl.Int64),
    "whole": (small, pl.Int64),
    "natural": (st.integers(0, 9) | st.sampled_from([LAST, LAST + 1, (1 << 64) - 1]), pl.UInt64),
    "wide": (small | st.sampled_from([LAST + 1, 1 << 100, -(1 << 70)]), pl.Int128),
    "real": (
        small | st.sampled_from([0.5, float("nan"), float("inf"), 1e300, -(2.0**63), 2.0**63]),
        pl.Float64,
    ),
    "exact": (st.decimals(-12, 12, places=1) | small.map(Decimal), pl.Decimal(10, 1)),
}


@given(frames(**TYPES))
@settings(phases=[Phase.explicit, Phase.generate])
def test_numbers_of_other_types(frame):
    check(FOUND, frame)


def numbered(a: int, b: int, text: str) -> tuple[int, int, int, str]:
    """Return numbers that `enumerate` gives, from two starts."""
    last = -1
    for i, (j, _) in enumerate(enumerate(text, a), b):
        last = i if i < 5 else j
    words = [f"{i}{word}" for i, word in enumerate(text.split(","), b)]
    highest = max([i for i, _ in enumerate((a, b), a)])
    return last, highest, sum(i for i, _ in enumerate([b, a])), "".join(words)


NUMBERED = plugin(numbered)
letters = st.text("a,é", max_size=4)


@given(frames(a=(ends, pl.Int64), b=(ends, pl.Int64), text=(letters, pl.String)))
@settings(phases=[Phase.explicit, Phase.generate])
def test_numbers_of_enumerate(frame):
    def outside(a, b, text):
        return a + max(len(text), 2) > LAST or b + max(len(text), 1) > LAST

    check(NUMBERED, frame, may_fail=outside)
