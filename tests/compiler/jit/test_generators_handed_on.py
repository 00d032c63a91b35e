"""A generator is one, whoever reads it: compiled code gives what Python gives, or is refused."""

from __future__ import annotations

from textwrap import indent
from typing import Any

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import check, plugin

FRAME = pl.DataFrame({"x": [0, 1, 4, 7]})


def ints(n):
    for i in range(n):
        yield i + 1


def growing(n):
    v = [1]
    for i in range(n):
        v = [*v, i]
        yield v[-1] + len(v)


def doubled(g):
    for v in g:
        yield v * 2


def added(pairs):
    for a, b in pairs:
        yield a + b


def total(g):
    n = 0
    for v in g:
        n = n * 3 + v
    return n


def of_doubled(g):
    return total(doubled(g))


def same(g):
    return g


def twice(g):
    return g, g


def two(g):
    return next(g) * 10 + next(g)


EQUAL = [
    "h = g\nn += next(h) * 10 + next(g)",
    "h = iter(g)\nn += next(h) * 10 + next(g)",
    "t = (g, g)\nn += next(t[0]) * 10 + next(t[1])",
    "for a, b in zip(g, g):\n    n = n * 7 + a * b + a",
    "for v in g:\n    if v > 4:\n        break\nfor v in g:\n    n = n * 7 + v",
    "n += two(g)\nn = n * 100 + two(g) + total(g) + total(g)",
    "for i, v in enumerate(g):\n    n += next(g) * i",
    "n += any(v > 5 for v in g)\nn = n * 10 + next(g)",
    "a = sum(v for v in g)\nn += a * 10 + sum(g)",
]
ONLY_HANDED_ON = [
    "h = doubled(g)\nn += total(doubled(h))",
    "for k in range(3):\n    g = ints(k + x)\n    n += total(doubled(g)) if k else sum(doubled(g))",
    "n += total(doubled(same(g)))",
    "n += total(map(lambda v: v + 1, filter(lambda v: v % 2, g)))",
    "n += total(added(zip(g, [1, 2, 3])))",
]
COPIED = [
    "a = sum(doubled(g))\nn += a + next(g)",
    "h = doubled(g)\nn += next(h) + next(g)",
    "h = g\nn += total(doubled(h)) + total(g)",
    "t = (g, 1)\nn += next(doubled(t[0])) + next(g)",
    "for k in range(3):\n    n += next(doubled(g))",
    "n += total(map(lambda v: v + 1, g)) + total(g)",
    "h = same(g)\nn += next(g) * 10 + next(h)",
    "h, k = twice(g)\nn += next(h) * 10 + next(k)",
    "n += of_doubled(g) * 10 + total(g)",
    "n += total(added(zip(g, g)))",
    "h = [g]\nn += next(h[0]) * 10 + next(h[0])",
    "h = {1: g}\nn += next(h[1]) * 10 + next(h[1])",
]


def _function(body: str, made: str) -> Any:
    source = f"def function(x):\n    n = 0\n    g = {made}\n{indent(body, '    ')}\n    return n\n"
    scope: dict[str, Any] = {}
    exec(compile(source, "<generated>", "exec"), globals(), scope)
    return scope["function"]


@pytest.mark.parametrize("body", [*EQUAL, *ONLY_HANDED_ON])
def test_a_generator_is_one(body):
    check(plugin(_function(body, "ints(x + 6)")), FRAME)


@pytest.mark.parametrize("body", COPIED)
def test_a_copy_that_would_show_is_refused(body):
    with pytest.raises(dfv.KernelCompileError, match="goes on by itself") as caught:
        dfv.apply(FRAME, plugin(_function(body, "ints(x + 6)")))
    assert "make a list of what it yields" in str(caught.value)


@pytest.mark.parametrize("body", ["\n".join(COPIED[:2]), COPIED[2], COPIED[4], COPIED[9]])
def test_generators_that_hold_something_are_never_copied(body):
    check(plugin(_function(body, "growing(x + 9)")), FRAME)
