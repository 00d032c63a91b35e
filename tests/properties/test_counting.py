"""``:=`` and sets in comprehensions, and dicts that begin empty, give in kernels what they give in Python."""

from __future__ import annotations

import sys

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin, plugins
from testing.strategies import frames


def assigned_within(s, n):
    lengths = [k for w in s.split(",") if (k := len(w)) > 1]
    total = n
    sums = [total := total + k for k in lengths]
    found = any((hit := w) > "a" for w in s.split())
    many = sum(y for w in s.split() if (y := len(w)) > 1 and (z := y + n) > 0 and z < 99)
    return (
        len(sums),
        total,
        hit if found else "none",
        many,
        all(len(last := w) < 9 for w in s.split(",")),
        last,
    )


def assigned_or_not(s, n):
    found = any(len(hit := w) > n for w in s.split())
    return hit + str(found)


def assigned_in_try(s, n):
    try:
        values = [k for w in s.split(",") if (k := int(w)) > n]
        return sum(values) + k
    except ValueError:
        return -1


def sets(s, n):
    words = {w for w in s.split(",") if len(w) < 9}
    lengths = {len(w) for w in s.split(",")}
    pairs = {c for w in s.split(",") for c in w}
    return (
        len(words),
        "a" in words,
        sum(lengths),
        max(lengths),
        ",".join(sorted(words | pairs)),
        len(lengths & {n}),
    )


def counts(s, n):
    letters = {}
    sums = {}
    texts = dict()
    for c in s:
        letters[c] = letters.get(c, 0) + 1
        sums[c] = sums.get(c, 0) + n * 0.5
        texts[n % 3] = texts.get(n % 3, "") + c
        n += texts.setdefault(9, "").count(c)
    shown = "|".join([k + str(v) for k, v in letters.items()])
    return (
        len(letters),
        shown,
        sum(sums.values()),
        ",".join(texts.values()),
        letters.pop("a", -1),
        max(letters, default=""),
    )


texts = st.text("ab,é 1", max_size=9)
KERNELS = plugins(assigned_within, assigned_or_not, assigned_in_try, sets, counts)
if sys.version_info < (3, 11):  # only `except Exception` compiles
    for name in ("assigned_in_try",):
        del KERNELS[name]


@pytest.mark.parametrize("name", KERNELS)
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(frame=frames(s=(texts, pl.String), n=(st.integers(-3, 9), pl.Int64)))
def test_kernels_that_collect(name, frame):
    check(KERNELS[name], frame)


def in_order(s, n):
    return ",".join({w for w in s.split(",")})


def gone_over(s, n):
    total = 0
    for value in {n, 1000, 7}:
        total = total * 3 + value
    return total


def popped(s, n):
    return {n, 1000, 7}.pop()


def of_floats(s, n):
    return sum({n * 0.5, 1e16, 1.0})


@pytest.mark.parametrize("kernel", [in_order, gone_over, popped, of_floats])
def test_what_depends_on_the_order_of_a_set_is_refused(kernel):
    with pytest.raises(dfv.KernelCompileError, match="in which order a set has its items"):
        dfv.run(pl.DataFrame({"s": ["a"], "n": [1]}), plugin(kernel))
