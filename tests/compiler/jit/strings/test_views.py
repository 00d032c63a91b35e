"""Methods that return views, numbers and bools, against Python's own."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import check, compiled, table

from dataflare_vec.compiler.jit.types.strings import ascii_string, utf8_string

STRINGS = ("ascii", "utf8")


@table(
    ("compare", "st", lambda s, t: (s == t, s != t, s < t, s <= t, s > t, s >= t)),
    ("extremes", "st", lambda s, t: (min(s, t), max(s, t), min(t, s, t), max(s, t, s))),
    ("in", "st", lambda s, t: (t in s, t in (s, s[1:]), t not in s)),
    ("len", "s", lambda s: (len(s), bool(s), not s)),
    ("index", "sn", lambda s, n: s[n]),
    ("slice", "snn", lambda s, n, m: (s[n:m], s[n:], s[:m], s[:])),
    ("wide slice", "sii", lambda s, n, m: s[n:m]),
    ("steps", "snn", lambda s, n, m: (s[n:m:2], s[m::3], s[::-1], s[n:m:-2], s[-3::-1], s[n:m:1])),
    ("step", "sn", lambda s, n: s[::n]),
    ("find", "st", lambda s, t: (s.find(t), s.rfind(t), s.count(t))),
    (
        "find from",
        "stnn",
        lambda s, t, n, m: (s.find(t, n), s.rfind(t, n), s.find(t, n, m), s.rfind(t, n, m)),
    ),
    ("count from", "stnn", lambda s, t, n, m: (s.count(t, n), s.count(t, n, m), s.count(t, None, m))),
    ("index of", "stn", lambda s, t, n: (s.index(t), s.index(t, n))),
    ("rindex of", "stn", lambda s, t, n: (s.rindex(t), s.rindex(t, n))),
    ("startswith", "stn", lambda s, t, n: (s.startswith(t), s.startswith((t, s[2:])), s.startswith(t, n))),
    ("endswith", "stnn", lambda s, t, n, m: (s.endswith(t), s.endswith((t, s[2:])), s.endswith(t, n, m))),
    ("remove", "st", lambda s, t: (s.removeprefix(t), s.removesuffix(t))),
    ("strip", "s", lambda s: (s.strip(), s.lstrip(), s.rstrip())),
    ("strip these", "st", lambda s, t: (s.strip(t), s.lstrip(t), s.rstrip(t), s.strip(None))),
    ("partition", "st", lambda s, t: (s.partition(t), s.rpartition(t))),
    ("isalpha", "s", lambda s: (s.isalpha(), s.isdigit(), s.isalnum(), s.isspace(), s.isascii())),
    ("isnumeric", "s", lambda s: (s.isdecimal(), s.isnumeric(), s.isidentifier()), *STRINGS),
    ("isupper", "s", lambda s: (s.isupper(), s.islower(), s.istitle())),
)
@settings(max_examples=150)
@given(data=st.data())
def test_same_as_python(function, roles, kind, data):
    check(data, function, kind, roles)


def iterate(s):
    found = vowels = 0
    for i, c in enumerate(s):
        found += i * ord(c)
        if c in ("a", "e", "ß", "Σ"):
            vowels += 1
    return found, vowels


def iterate_bytes(s):
    found = 0
    for byte in s:
        found = found * 3 % 1000003 + byte
    return found


@table(("strings", "s", iterate, *STRINGS), ("bytes", "s", iterate_bytes, "bytes"))
@settings(max_examples=100)
@given(data=st.data())
def test_iteration(function, roles, kind, data):
    check(data, function, kind, roles)


def words(s):
    total = 0
    for word in s.split():
        total = total * 7 + len(word)
    return total, len(s.split()), s.split()[-1], s.split()[0]


def parts(s, t, n):
    total = 0
    for part in s.split(t, n):
        total = total * 7 + len(part)
    return total, len(s.split(t)), s.split(t)[-1], s.split(t, 1)[0], s in s.split(t), t in s.split(t, n)


def parts_from_right(s, t, n):
    total = 0
    for part in s.rsplit(t, n):
        total = total * 7 + len(part)
    return total, len(s.rsplit(t)), s.rsplit(t)[-1], s.rsplit(t, 1)[0]


def words_from_right(s, n):
    total = 0
    for part in s.rsplit(None, n):
        total = total * 7 + len(part)
    return total, len(s.rsplit()), len(s.rsplit(None, 1))


def two(s, t):
    first, second = s.split(t)
    return second, first


def lines(s):
    total = 0
    for line in s.splitlines():
        total = total * 7 + len(line)
    for line in s.splitlines(True):
        total = total * 5 + len(line)
    return total


@table(
    ("words", "s", words),
    ("at most", "sn", lambda s, n: (len(s.split(None, n)), s.split(None, n)[-1], s.split(None, n)[n])),
    ("parts", "stn", parts),
    ("part", "stn", lambda s, t, n: s.split(t)[n]),
    ("unpacked", "st", two),
    ("from right", "stn", parts_from_right),
    ("right words", "sn", words_from_right),
    ("right word", "sn", lambda s, n: s.rsplit(None, 2)[n]),
    ("lines", "s", lines),
)
@settings(max_examples=150)
@given(data=st.data())
def test_pieces(function, roles, kind, data):
    check(data, function, kind, roles)


@pytest.mark.parametrize("needle", ["a" * 1_000_000 + "b", "a" * 500_000 + "b" + "a" * 500_000])
@pytest.mark.parametrize("text_type", [ascii_string, utf8_string])
def test_a_search_takes_linear_time(needle, text_type):
    # A step for each byte of the text and of the needle would be three million million.
    text = "a" * 3_000_000
    kernel = compiled(lambda s, t: (t in s, s.find(t), s.count(t), len(s.split(t))), (text_type, text_type))
    began = time.perf_counter()
    assert kernel(text, needle) == (False, -1, 0, 1)
    assert time.perf_counter() - began < 20
