"""``:=`` and sets in comprehensions, dicts that begin empty, and keys that are floats, are as in Python."""

from __future__ import annotations

import math
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
few = settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
KERNELS = plugins(assigned_within, assigned_or_not, assigned_in_try, sets, counts)
if sys.version_info < (3, 11):  # only `except Exception` compiles
    for name in ("assigned_in_try",):
        del KERNELS[name]


@pytest.mark.parametrize("name", KERNELS)
@few
@given(frame=frames(s=(texts, pl.String), n=(st.integers(-3, 9), pl.Int64)))
def test_kernels_that_collect(name, frame):
    check(KERNELS[name], frame)


def put(x, y):
    found = {x: 1, -x: 2}
    found[y] = found.get(y, 0) + 10
    kept = found.setdefault(x * 0.5, 7)
    found.update({y + 0.0: 3, 2.5: 4})
    gone = found.pop(-y, 9)
    return list(found), list(found.values()), kept, gone, x in found, -x in found, len(found)


def looked_up(x, y):
    found = {1.0: 5, 0.0: 3, -2.5: 7}
    made = {v: i for i, v in enumerate([x, y, -x])}
    other = dict([(y, 1), (x, 2)])
    return found.get(x, 0), list(made), made[-x], made == other, {x: 1} == {y: 1}, {x, y, -x} == {x, -x}


def in_tuples(x, y):
    pairs = {(x, 1): 1, (y, 1): 2, (-x, 2): 3}
    deep = {("a", (x, True)): 1}
    spots = {complex(x, y): 1, complex(y, x): 2}
    near = (y, 1) in pairs, (x, 2) in pairs, ("a", (y, True)) in deep, len({(x, 1), (y, 1)})
    return [k[0] for k in pairs], *near, list(spots.values()), spots[complex(x, y)]


FLOAT_KEYS = plugins(put, looked_up, in_tuples)
keys = st.sampled_from([0.0, -0.0, 1.0, -2.5, 5e-324, math.inf, 2.0**63]) | st.floats(
    width=32, allow_nan=False
)


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32])
@pytest.mark.parametrize("name", FLOAT_KEYS)
@few
@given(data=st.data())
def test_keys_that_are_floats(name, dtype, data):
    check(FLOAT_KEYS[name], data.draw(frames(x=(keys, dtype), y=(keys, dtype))))


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
