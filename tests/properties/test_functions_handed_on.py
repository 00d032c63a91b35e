"""Starred names, `match` on sequences, partial functions, unbound methods: in kernels as in Python."""

from __future__ import annotations

import math
import operator
from functools import partial, reduce
from operator import itemgetter, methodcaller

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


def keyed(a, b, x):
    pair = [a, b]
    nearest = min(pair, key=abs), max(a, b, 3, key=abs), max(pair, key=math.isqrt) if b > 0 < a else 0
    return *nearest, min([x, 1.5], key=math.fabs), max([(a, 1), (b, 0)], key=second)[0]


def mapped(a, b, x):
    whole = sum(map(int, [x, 2.5])) if abs(x) < 1e9 else 0
    return whole, max(map(abs, [a, 3])), sum(map(operator.neg, [b])), sum(map(pow, [a], [2]))


def by_name(a, b, x):
    some = operator.neg(a), operator.lt(a, x), operator.eq(a, b), operator.truth(b), operator.abs(b)
    ratio = operator.floordiv(a, b) if b else 0
    return *some, ratio, operator.contains([a, 2], b)


def folded(a, b, x):
    pair = [a, b, 6]
    least, joined = reduce(min, pair), reduce(lambda t, v: t * 31 + v % 7, pair, 1)
    return least, joined, reduce(operator.add, [x, 1.5]), reduce(math.gcd, pair, 0)


def apply_to(function, value):
    return function(value)


def passed(a, b, x):
    return apply_to(abs, a), apply_to(operator.neg, b), apply_to(math.floor, x), apply_to(AMOUNTS[0], b)


def keyed_texts(s, n):
    words = s.split(",")
    both = sorted(words, key=len)[0], max(words, key=methodcaller("strip"))
    return *both, "|".join(map(str, [n, 2])), "|".join(sorted(words, key=str.lower)), sum(map(len, words))


second, AMOUNTS = itemgetter(1), (abs, operator.neg)


def starred_tuples(s, n):
    two = (n, s)
    size = (*two, len(s) if n else -1)
    try:
        return *size, max([i for i in range(n)], default=9), *(two if n > 1 else (7, "b")), *two, 6 // n
    except Exception:
        return *size, 0, *two, *two, -1


def named_in_a_try(s, n):
    try:
        given = scaled(n, offset=6 // n), weighed(n, c=2, b=len(s)), max([i for i in range(n)], default=9)
        return *given, s.split(maxsplit=1, sep=",")[0], round(n / 3, ndigits=1)
    except Exception:
        return scaled(n, offset=1), weighed(b=n, a=2), min([n, 3], key=abs), s, 0.5


texts = st.text("a,b1 é", max_size=8)
integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9) | st.just(-(2**63))
reals = st.floats() | st.integers(-9, 9).map(float)
slow = settings(
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    deadline=None,
    max_examples=20,
)


@pytest.mark.parametrize(
    "kernel", [starred, matched, partials, methods, pieces, keyed_texts, starred_tuples, named_in_a_try]
)
@slow
@given(frame=frames(s=(texts, pl.String), n=(st.integers(-1, 4), pl.Int64)))
def test_what_is_handed_on(kernel, frame):
    check(plugin(kernel), frame)


@pytest.mark.parametrize("kernel", [keyed, mapped, by_name, folded, passed])
@slow
@given(frame=frames(a=(integers, pl.Int64), b=(integers, pl.Int64), x=(reals, pl.Float64)))
def test_functions_that_others_call(kernel, frame):
    """What `math` and the built-in functions refuse, or doesn't fit, is so when they are handed on."""

    def beyond(a, b, x):
        values = (a, b, abs(a), abs(b), a + b, a * a) if kernel is not keyed else (abs(a), abs(b))
        return any(not -(2**63) <= value < 2**63 for value in values)

    check(plugin(kernel), frame, may_fail=beyond)


def test_a_partial_function_that_changes_is_seen(monkeypatch):
    kernel = plugin(partials)
    frame = pl.DataFrame({"s": ["a"], "n": [1]})
    before = dfv.apply(frame, kernel)
    monkeypatch.setitem(globals(), "by_five", partial(weighed, 6))
    assert not dfv.apply(frame, kernel).equals(before)
    check(kernel, frame)
