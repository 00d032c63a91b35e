"""Rows of lists of integers are computed with as NumPy does: UInt64 ones, powers, and `in`."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import check, plugin

TOP = 2**64 - 1
U = [[0, TOP], [2**63, 1], [2**53 + 1, 7], [10, 2**63 - 1]]
M = [[0, -1], [2**62, 2**62], [2**53 + 1, 7], [-(2**63), 3]]
DF = pl.DataFrame(
    {
        "w": pl.Series(U, dtype=pl.List(pl.UInt64)),
        "r": pl.Series(U, dtype=pl.Array(pl.UInt64, 2)),
        "m": pl.Series(M, dtype=pl.List(pl.Int64)),
        "u": pl.Series([3, TOP, 2**63, 1], dtype=pl.UInt64),
        "i": [2**63 - 1, 10, 2**53 + 1, 1],
        "f": [float(2**63), 10.0, float(2**53), 1.0],
    }
)


def sums(w):
    return w + 1, w - 1, 7 + w, (w // 2) * 3 % 10, w * 2 + 1


def bits(r):
    return r & 255, r >> 1, r**2, r**3


def compared(w, i):
    return w == 9223372036854775807, w > 5, w >= i, i < w


def by_ufuncs(w):
    return np.add(w, 1), np.minimum(w, 5), np.power(w, 3), np.where(w > 5, w, 0), np.where(w > 5, 1, w)


def by_columns(w, u, i):
    return w + i, w * u, (w + 1) // i, u - w


def with_signed(w, m):
    return w + m, w - m, m * w


def in_place(w):
    a = w.copy()
    a -= 1
    a **= 3
    a[0] = 5
    return a


def powers(m):
    return m**2, m**3, 2 ** (m % 7), (m % 10) ** (m % 7), np.power(m, 5)


def picked(w):
    a = w + 0
    return int(a[0]) % 10, a[1] == 2**63 - 1, max(a) - min(a)


ROWS = [sums, bits, compared, by_ufuncs, by_columns, with_signed, in_place, powers]
DTYPES = {"w": np.uint64, "r": np.uint64, "m": np.int64}


@pytest.mark.parametrize("function", ROWS)
def test_rows_are_numpys(function: Any) -> None:
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    rows = (
        [np.array(x, DTYPES[n]) if n in DTYPES else x for n, x in zip(names, row, strict=True)]
        for row in DF.select(names).iter_rows()
    )
    assert check(plugin(function), DF, rows=rows).error_count == 0


def divided(i):
    return (np.array([i, 7]) // np.array([-1, -2])), np.array([i, 7]) * 3 // -1 % -1


@pytest.mark.filterwarnings("ignore:overflow")
def test_quotients_by_minus_one_wrap_as_numpys() -> None:
    frame = pl.DataFrame({"i": [-(2**63), 2**63 - 1, 5]})
    assert check(plugin(divided), frame).error_count == 0


def test_items_of_what_is_computed_are_pythons_integers() -> None:
    got = dfv.apply(DF, dfv.plugin(picked, name="array_picked", replace=True)).drop(DF.columns).rows()
    assert got == [(row[0] % 10, row[1] == 2**63 - 1, max(row) - min(row)) for row in U]


def test_a_negative_integer_beside_unsigned_ones_fails() -> None:
    plugin = dfv.plugin(lambda w, i: w + (i - 10), name="array_beside", replace=True)
    with pytest.raises(dfv.RowError, match=r"OverflowError: .*(out of bounds for uint64|UInt64)"):
        dfv.apply(DF, plugin)


def sought(f, i):
    return (
        f in (9223372036854775807, 9007199254740993),
        f in [9223372036854775807, 9007199254740993, 10],
        f in (i, 7),
        f not in [i, 7],
        i in (0.5, 9223372036854775808.0, 9007199254740992.0),
        i in [0.5, 10.0, 9007199254740992.0],
    )


def test_a_number_is_sought_exactly() -> None:
    assert check(plugin(sought), DF).error_count == 0


def test_large_integers_are_shown_as_text() -> None:
    plugin = dfv.plugin(lambda u: (repr(u), ascii(u - 1), str(-u)), name="array_shown", replace=True)
    got = dfv.apply(DF, plugin).drop(DF.columns).rows()
    assert got == [(repr(u), repr(u - 1), str(-u)) for u in DF["u"]]


TABLE = np.array([1, 2**63, TOP], dtype=np.uint64)


def looked_up(u):
    total = 0
    for number in TABLE:
        total += number % 10
    return TABLE[u % 3] % 10, TABLE[1] // 2, total, TABLE[2] == u, TABLE.max() // 2


def looked_up_whole(i):
    return TABLE + i, TABLE // 2, TABLE == 2**63 - 1, 7 * TABLE


def test_arrays_that_a_kernel_names_are_the_same() -> None:
    got = dfv.apply(DF, plugin(looked_up), keep=False).rows()
    total = sum(int(number) % 10 for number in TABLE)
    assert got == [(int(TABLE[u % 3]) % 10, 2**62, total, u == TOP, 2**63 - 1) for u in DF["u"].to_list()]
    assert check(plugin(looked_up_whole), DF).error_count == 0


WORD = np.uint64(TOP)


def words(u, i):
    x = np.uint64(u)
    x ^= x >> np.uint64(33)
    x *= 3
    return np.uint64(u) % 10, np.uint64(u) // 2, np.uint64(u) * 3, np.uint64(u) + i, WORD % 10, x % 7


def test_numpys_unsigned_integers_stay_so_beside_others() -> None:
    assert check(plugin(words), DF).error_count == 0
