"""Ranges at the ends of integers: how long they are, what is in them, and what a loop goes through."""

from __future__ import annotations

import polars as pl
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from testing.oracle import check, plugin


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
