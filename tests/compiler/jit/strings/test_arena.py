"""The arena: what doesn't fit is refused, rows start anew, nothing is kept."""

from __future__ import annotations

import pytest
from harness import Compiled
from numba.core import types
from texts import compiled

from dataflare_vec.compiler.jit.lowering.strings import arena
from dataflare_vec.compiler.jit.types.strings import ascii_string, utf8_string

HUGE = [2**31 + 1, 2**40, 2**61, 2**62, 2**63 - 1]


def pad(s, n):
    return s.ljust(n, "€")


def fill(s, n):
    return s.zfill(n)


def repeat(s, n):
    return s * n


def expand(s, n):
    return s.expandtabs(n)


@pytest.mark.parametrize("n", HUGE)
@pytest.mark.parametrize("function", [pad, fill, repeat, expand])
def test_sizes_that_no_memory_has_raise(function, n):
    with pytest.raises((MemoryError, OverflowError)):
        compiled(function, (utf8_string, types.int64))("a\tb", n)


def many(s, n):
    longest = s
    for _ in range(n):
        longest = s + longest
        if len(longest) > 100_000:
            longest = longest[:10]
    return longest, s


def test_views_stay_good_while_the_arena_grows():
    kernel = compiled(many, (ascii_string, types.int64))
    for _ in range(3):
        assert kernel("abc", 5_000) == many("abc", 5_000)


def endless(s):
    while True:
        s = s + s


def test_a_row_has_a_limit(monkeypatch):
    # A limit of its own: with the real one the test would take two gigabytes.
    monkeypatch.setattr(arena, "LIMIT", 1 << 20)
    monkeypatch.setenv("DATAFLARE_VEC_CACHE", "0")
    with pytest.raises(MemoryError):
        Compiled(endless, (ascii_string,))("a")


def test_a_kernel_that_makes_no_string_leaves_the_arena_alone():
    assert not arena.uses_arena(Compiled(lambda s: s.strip()[1:].find("x"), (utf8_string,)).library)
    assert arena.uses_arena(Compiled(lambda s: s + "x", (utf8_string,)).library)
