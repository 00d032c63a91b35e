"""Starred names, `match` on sequences, partial functions, unbound methods: in kernels as in Python."""

from __future__ import annotations

from functools import partial

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin
from testing.strategies import frames


def weighed(a, b, c=0):
    return a + 2 * b + 3 * c


def scaled(x, *, scale=2, offset):
    return x * scale + offset


def size(word):
    return len(word) % 3


by_five, last = partial(weighed, 5), partial(weighed, c=7)


def starred(s, n):
    first, *rest = s.split(",")
    *before, end = rest
    a, *middle, z = (n, 2, 3, n)
    return first, "|".join(rest), "|".join(before), end, len(middle) + a + z


def matched(s, n):
    match s.split(","):
        case [one]:
            found = one + "."
        case ["a", other]:
            found = other
        case [first, *rest]:
            found = first + str(len(rest))
        case _:
            found = "none"
    match (n, s[:1]):
        case (0, _):
            return found, "zero"
        case (1 | 2, letter):
            return found, letter
        case (number, "a") if number > 2:
            return found, "many"
        case _:
            return found, "other"


def partials(s, n):
    inner = partial(weighed, n, c=1)
    keywords = scaled(n, offset=1) + scaled(n, scale=3, offset=0)
    return by_five(n), last(n, 1), inner(2), by_five(1, c=n), keywords


def methods(s, n):
    words = "-".join(map(str.upper, s.split(","))), "".join(filter(str.isalpha, s)), str.strip(s)
    return *words, any(map(str.isdigit, s)), sum(map(size, s.split(","))), str.replace(s, "a", "b")


def pieces(s, n):
    return s.split(","), s.split()


texts = st.text("a,b1 é", max_size=8)
slow = settings(
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    deadline=None,
    max_examples=20,
)


@pytest.mark.parametrize("kernel", [starred, matched, partials, methods, pieces])
@slow
@given(frame=frames(s=(texts, pl.String), n=(st.integers(-1, 4), pl.Int64)))
def test_what_is_handed_on(kernel, frame):
    check(plugin(kernel), frame)


def test_a_partial_function_that_changes_is_seen(monkeypatch):
    kernel = plugin(partials)
    frame = pl.DataFrame({"s": ["a"], "n": [1]})
    before = dfv.apply(frame, kernel)
    monkeypatch.setitem(globals(), "by_five", partial(weighed, 6))
    assert not dfv.apply(frame, kernel).equals(before)
    check(kernel, frame)
