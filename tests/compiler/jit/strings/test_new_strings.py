"""Methods that make new strings, against Python's own."""

from __future__ import annotations

import sys

import pytest
from harness import Compiled
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import types
from texts import check, compiled, outcome, table

from dataflare_vec.compiler.jit.types.strings import utf8_string

STRINGS = ("ascii", "utf8")


def grown(s, t):
    result = ""
    for c in s:
        kept = result + t
        result += c
        if kept == s:
            result += "!"
    return result


@table(
    ("add", "st", lambda s, t: (s + t, t + s + t + s)),
    ("constants", "st", lambda s, t: ("é" + s + "x", "<" + t + ">", s + ""), *STRINGS),
    ("grown", "st", grown, *STRINGS),
    ("times", "sn", lambda s, n: (s * n, n * s)),
    ("join", "st", lambda s, t: (t.join((s, t, s)), t.join(s.split()), "".join(s.rsplit(None, 2))), *STRINGS),
    ("replace", "stn", lambda s, t, n: (s.replace(t, s[:3]), s.replace(t, s[:0]), s.replace(t, t + t, n))),
    ("replace nothing", "stn", lambda s, t, n: (s.replace(t[:0], t), s.replace(t[:0], t, n))),
    ("case", "s", lambda s: (s.upper(), s.lower(), s.swapcase())),
    ("words", "s", lambda s: (s.title(), s.capitalize())),
    ("casefold", "s", lambda s: s.casefold(), *STRINGS),
    ("pad", "sn", lambda s, n: (s.ljust(n + 20), s.rjust(n + 20), s.center(n + 20), s.zfill(n + 20))),
    ("pad with", "stn", lambda s, t, n: (s.ljust(n, t), s.rjust(n, t), s.center(n, t))),
    ("expandtabs", "sn", lambda s, n: (s.expandtabs(), s.expandtabs(n))),
    ("encode", "s", lambda s: (s.encode(), s.encode("utf-8").decode("utf8")), *STRINGS),
    ("encode ascii", "s", lambda s: s.encode("ascii").decode("ascii"), *STRINGS),
    ("encode latin", "s", lambda s: s.encode("latin-1").decode("latin-1"), *STRINGS),
    ("decode", "s", lambda s: s.decode(), "bytes"),
    ("decode latin", "s", lambda s: s.decode("latin-1"), "bytes"),
    ("ord", "sn", lambda s, n: (ord(s[n]), ord(s[n : n + 1])), *STRINGS),
)
@settings(max_examples=150)
@given(data=st.data())
def test_same_as_python(function, roles, kind, data):
    check(data, function, kind, roles)


CASES = [
    (str.upper, lambda s: s.upper()),
    (str.lower, lambda s: s.lower()),
    (str.title, lambda s: s.title()),
    (str.casefold, lambda s: s.casefold()),
    (str.capitalize, lambda s: s.capitalize()),
    (str.swapcase, lambda s: s.swapcase()),
]


@pytest.mark.parametrize(("expected", "function"), CASES, ids=[e.__name__ for e, _ in CASES])
def test_case_of_every_character(expected, function):
    kernel = Compiled(function, (utf8_string,))
    for start in range(0, sys.maxunicode + 1, 512):
        points = [p for p in range(start, start + 512) if not 0xD800 <= p < 0xE000]
        # Each by itself, behind a letter, before one, and round a sigma.
        text = " ".join(f"{c} a{c} {c}a aΣ{c}a {c}Σ" for c in map(chr, points))
        assert kernel(text) == expected(text), hex(start)


def flags(s):
    return (
        s.isalpha(), s.isdigit(), s.isdecimal(), s.isnumeric(), s.isalnum(), s.isspace(), s.isupper(),
        s.islower(), s.istitle(), s.isidentifier(),
    )  # fmt: skip


def test_class_of_every_character():
    kernel = Compiled(flags, (utf8_string,))
    for point in range(sys.maxunicode + 1):
        if not 0xD800 <= point < 0xE000 and (point < 0x20000 or point % 17 == 0):
            assert kernel(chr(point)) == flags(chr(point)), hex(point)


@given(st.integers(-5, 0x110005))
def test_chr(point):
    got, wanted = outcome(compiled(_chr, (types.int64,)), point), outcome(chr, point)
    if 0xD800 <= point < 0xE000:  # no column can hold it
        wanted = ValueError
    assert got == wanted


def _chr(n):
    return chr(n)
