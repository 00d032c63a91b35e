"""Generator expressions in kernels give what Python gives, and end where it does."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin, plugins
from testing.strategies import configs, frames

LETTERS = ("a", "é", "zz")


def totals(s, n):
    parts = s.split(",")
    longest = max(len(part) + n for part in parts)
    pairs = sum(len(a) * len(b) for a in parts if a for b in s.split("a"))
    return longest, min(len(part) for part in parts), pairs, sum((i for i in range(n)), 5), sum(1 for _ in s)


def texts_of(s, n):
    joined = "-".join(part for part in s.split(",") if len(part) != n)
    return joined, sorted(c for c in s if c not in "a,")


def early(s, n):
    """Ends before what would raise, where Python does."""
    found = any(int(part) > n for part in s.split(","))
    every = all(10 // len(part) > n for part in s.split("a"))
    return found, every, any(letter in s for letter in LETTERS), next((c for c in s if c > "b"), "none")


def lists(s, n):
    lengths = [len(part) - n for part in s.split(",")]
    return any(lengths), all(lengths), any((n, 0)), all((n > 1, s == "a"))


def shortest(s):
    return min(len(part) for part in s.split("a") if part)


def within(s, n):
    total = 0
    for part in s.split(","):
        if all(c in "12" for c in part):
            total += sum(int(c) for c in part) * n
    return total + shortest(s)


def defaults(s, n):
    """What other arguments there are is known before anything is yielded."""
    computed = next((len(part) for part in s.split(",") if len(part) > n), n * 7)
    return computed, next((c for c in s if c > "b"), s + "!"), sum((len(c) for c in s), n * 3)


def caught(s, n):
    total = 0
    for part in s.split("a"):
        try:
            total += sum(int(w) * n for w in part.split(","))
            total += next((int(w) for w in part.split(",") if int(w) > n), n)
        except ValueError:
            total -= 1
    return total


def comprehensions_caught(s, n):
    """Before Python 3.12 they are functions, too."""
    total = 0
    for part in s.split("a"):
        try:
            total += sum([int(w) * n for w in part.split(",") if w])
            total += max([10 // int(w) for w in part])
        except (ValueError, ZeroDivisionError):
            total -= 1
    return total


def numbers(text):
    for w in text.split(","):
        yield int(w)


def generators_caught(s, n):
    """What goes on to the next value may fail as well; so before Python 3.11, too."""
    total = 0
    for part in s.split("a"):
        try:
            total += sum(v * n for v in numbers(part))
            for v in numbers(part[:-1]):
                total += v
            total += max([10 // v for v in numbers(part)])
            total += any(int(w) > n for w in part)
        except Exception:
            total -= 1
    return total


KERNELS = plugins(
    totals, texts_of, early, lists, within, defaults, caught, comprehensions_caught, generators_caught
)
few = st.text("a,1é2", max_size=9) | st.lists(st.integers(-9, 99), max_size=4).map(
    lambda numbers: ",".join(map(str, numbers))
)


@pytest.mark.parametrize("name", KERNELS)
@given(frame=frames(s=(few, pl.String), n=(st.integers(-1, 4), pl.Int64)), config=configs)
def test_generator_expressions(name, frame, config):
    check(KERNELS[name], frame, config=config)


def test_a_generator_that_is_kept_is_refused():
    def kept(s):
        letters = (c for c in s)
        return len(",".join(letters)) + len(list(letters))

    with pytest.raises(dfv.KernelCompileError, match="compiled only as an argument"):
        dfv.apply(pl.DataFrame({"s": ["ab"]}), plugin(kept))
