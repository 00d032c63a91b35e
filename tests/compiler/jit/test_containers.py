"""What is put into a list, set or dict, or looked for in it, isn't changed to the type of the others."""

from __future__ import annotations

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import check, plugin

FRAME = pl.DataFrame({"n": [1, 3, -2], "x": [1.5, 3.0, -2.0], "flag": [True, False, True]})


def in_set(n, x):
    return x in {1, 2, 3}


def in_list(n, x):
    items = [n, 2]
    return x in items


def item_of_list(n, x):
    items = [n, 2]
    items[0] = x
    return items[0]


def item_of_bools(n, x):
    items = [x > 2]
    items[0] = n
    return items[0]


def key_of_bools(n, x):
    return {True: 1.5, False: 2.5}.get(n, 0.0)


def value_of_bools(n, x):
    found = {1: True, 2: n}
    return found[2]


def value_put(n, x):
    found = {1: x > 2}
    found[2] = n
    return found[2]


def key_of_tuples(n, x):
    return {(1, 1): 1, (3, 3): 2}.get((n, x), 0)


def text_in_bytes(n, x):
    return str(n) in {b"1"}


@pytest.mark.parametrize(
    "function",
    [
        in_set,
        in_list,
        item_of_list,
        item_of_bools,
        key_of_bools,
        value_of_bools,
        value_put,
        key_of_tuples,
        text_in_bytes,
    ],
)
def test_refused(function):
    with pytest.raises(dfv.KernelCompileError, match="the items of a list, set or dict are of one type"):
        dfv.apply(FRAME, dfv.plugin(function, name="contained", replace=True), output="o")


def nothing_lost(n, x, flag):
    rates = {1: 2.0, n: 1}
    rates[flag] = 3.5
    items = [x]
    items[0] = n
    items.append(7)
    numbers = {n}
    numbers.add(flag)
    return rates[1] + items[0], len(numbers), n in {1.5, 3.0}, flag in {0, 5}


def test_kept():
    assert check(plugin(nothing_lost), FRAME).error_count == 0


def lists_of_texts(n, x):
    letters = list(str(n))
    letters.insert(0, "é")
    other = ["a"].copy()
    other.append("ü")
    return "".join(letters), "".join(other)


def test_lists_of_ascii_take_other_strings():
    assert check(plugin(lists_of_texts), FRAME).error_count == 0
