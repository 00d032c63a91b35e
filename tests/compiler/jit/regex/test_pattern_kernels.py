"""What kernels do with patterns and matches is what Python does."""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pattern_grammar import ASCII, CHARACTERS, flags, patterns, texts

import dataflare_vec as dfv
from testing.oracle import check, plugin, plugins
from testing.strategies import configs, frames

LINE = re.compile(r'(?P<host>\S+) \S+ (\S+) \[([^\]]+)\] "(?P<verb>[A-Z]+) ([^ "]+)')
WORD = re.compile(r"(?P<word>\w+)(?:-(?P<number>\d+))?", re.IGNORECASE)
RAW = re.compile(rb"(\d+)(x)?")
PREFIX, DIGITS, UNITS = "rb", 4, ("kB", "MB")


class Place(NamedTuple):
    start: int
    end: int
    word: str


def groups(s):
    m = WORD.search(s)
    if m is None:
        return None
    word, number = m.groups()
    return word, number, m[0], m.group(), m.group(1), m["word"], m.group("number"), m[2]


def several(s):
    if not (m := WORD.match(s)):
        return None
    a, b = m.group("number", 1)
    c, d = m.groups("-")
    return a, b, c, d, len(m.groups()), m.string


def places(s):
    m = WORD.search(s, 1)
    if m:
        start, end = m.span(2)
        return m.start(), m.end(), m.start("number"), m.end(2), start, end, m.span()[0]
    return None


def bounds(s, pos, endpos):
    m = WORD.search(s, pos)
    n = WORD.match(s, pos=pos, endpos=max(pos, endpos))
    o = WORD.fullmatch(s, endpos=endpos)
    return (
        -1 if m is None else m.start(),
        -1 if n is None else n.end(),
        "" if o is None else o[1],
    )


def functions(s):
    at_start = re.match("[a-z]+", string=s, flags=re.I | re.ASCII)
    escaped = re.search(re.escape("a.b") + "$", s, re.M)
    whole = re.compile(r"(a|b)*").fullmatch(s)
    return at_start is None, escaped is not None, bool(whole), not re.search("é", s), WORD.groups


def named(s):
    m = WORD.search(s)
    return None if m is None else Place(m.start(), m.end(), m["word"])


def in_loops(s):
    found = 0
    for part in s.split(" "):
        m = WORD.fullmatch(part)
        if m is not None and m["number"] is not None:
            found += int(m["number"])
    return found


def raising(s):
    return WORD.search(s)[0], int(WORD.match(s).group(1))


def group_or(s):
    m = re.search("(a)|b", s)
    if m is None:
        return "none"
    part = m[1]
    return part if part is not None else m[0].upper()


def chosen(s):
    m = re.search("^a", s) if len(s) % 2 else re.search("^a", s)  # noqa: RUF034  # two matches of one type
    return m is not None


KERNELS = plugins(groups, several, places, functions, named, in_loops, raising, group_or, chosen)
BOUNDS = plugin(bounds)
strings = texts() | texts(ASCII) | st.from_regex(WORD)


@pytest.mark.parametrize("name", KERNELS)
@given(frame=frames(s=(strings, pl.String)), config=configs)
def test_methods(name, frame, config):
    check(KERNELS[name], frame, config=config)


@given(
    frame=frames(
        s=(strings, pl.String), pos=(st.integers(-3, 12), pl.Int64), endpos=(st.integers(-3, 12), pl.Int64)
    )
)
def test_bounds(frame):
    check(BOUNDS, frame)


def raw(s):
    m = RAW.search(s)
    if m is None:
        return None
    return m[1], m[2], m.start(), m.string


@given(frame=frames(s=(st.binary(max_size=12) | st.from_regex(RAW), pl.Binary)))
def test_bytes(frame):
    check(plugin(raw), frame)


def any_search(pattern):
    """Return a kernel that gives all there is to know of a search."""
    numbers = range(pattern.groups + 1)
    source = f"""
def any_search(s):
    m, n = pattern.search(s), pattern.fullmatch(s)
    if m is None:
        return None
    return ({"".join(f"m[{i}], m.start({i}), m.end({i}), " for i in numbers)} n is None)
"""
    scope = {"pattern": pattern}
    exec(source, scope)
    return plugin(scope["any_search"])


@given(pattern=patterns(), given_flags=flags, frame=frames(s=(texts() | texts(ASCII), pl.String)))
def test_any_pattern(pattern, given_flags, frame):
    check(any_search(re.compile(pattern, given_flags)), frame)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a|b)*a(a|b){9}",  # many states
        r"(?:(?:25[0-5]|2[0-4]\d|[01]?\d\d)\.){3}(?:25[0-5]|2[0-4]\d|[01]?\d\d)",
        "(x+x+)+y",
        r"(\w)+\b(a|é){7}",
        "|".join(f"word{i}" for i in range(60)),
    ],
)
@given(
    frame=frames(
        s=(st.text("ab1.x", max_size=99) | texts(CHARACTERS) | st.just("word59 255.10.20.30"), pl.String)
    )
)
def test_large_patterns(pattern, frame):
    check(any_search(re.compile(pattern)), frame)


def has_error(line):
    return re.search(r"\berror\b", line, re.I) is not None


def test_filters_and_expressions():
    frame = pl.DataFrame({"line": ["An ERROR", "errors", None, "error: é"]})
    kernel = plugin(has_error, "filter")
    assert dfv.apply(frame, kernel)["line"].to_list() == ["An ERROR", "error: é"]
    shown = frame.select(dfv.expr(plugin(has_error), "line")).to_series()
    assert shown.to_list() == [True, False, None, True]


def test_states():
    def total(state, s):
        m = re.search(r"(\d+) ms", s)
        return state if m is None else state + int(m[1])

    kernel = dfv.reduce(total, init=0, name="total_of_matches")
    frame = pl.DataFrame({"s": ["took 12 ms", "took long", "took 30 ms"]})
    assert dfv.apply(frame, kernel).item() == 42


def test_a_log_line():
    line = '10.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache.gif HTTP/1.0" 200 2326'

    def request(line):
        if m := LINE.search(line):
            return m["host"], m[3], m["verb"], m[5]
        return None

    got = dfv.apply(pl.DataFrame({"line": [line, "nothing", None]}), plugin(request), keep=False)
    assert got.rows()[0] == ("10.0.0.1", "10/Oct/2000:13:55:36 -0700", "GET", "/apache.gif")
    assert got.rows()[1:] == [(None,) * 4] * 2


def test_another_pattern_is_seen():
    scope = {"re": re, "PATTERN": re.compile("a+")}
    exec("def first(s):\n    m = PATTERN.search(s)\n    return None if m is None else m[0]", scope)
    kernel, frame = plugin(scope["first"]), pl.DataFrame({"s": ["aabb"]})
    assert dfv.apply(frame, kernel, keep=False).item() == "aa"
    scope["PATTERN"] = re.compile("b+")
    assert dfv.apply(frame, kernel, keep=False).item() == "bb"
    scope["PATTERN"] = re.compile("B+", re.I)
    assert dfv.apply(frame, kernel, keep=False).item() == "bb"
    scope["PATTERN"] = re.compile("B+")
    assert dfv.apply(frame, kernel, keep=False).item() is None


def put_together(s):
    code = re.match(rf"{PREFIX}(\d{{{DIGITS}}})([CP])", s, re.I)
    size = re.search(r"\d+ ?(" + "|".join(UNITS) + ")", s)
    marks = re.findall("|".join((re.escape("c+"), f"{'x'}")), s)
    return code[2] if code else "", size[1] if size else None, len(marks)


def of_words(s):
    return re.search(f"^(?:{'|'.join(words)})$", s) is not None  # noqa: F821


def of_a_row(s, t):
    return re.search(f"{t}a", s) is not None


def test_patterns_put_together_of_constants():
    texts = ["rb2601C2650", "RB2512p", "rb26C", "12 kB", "3MB c+x", "cc+c", "", "x"]
    check(plugin(put_together), pl.DataFrame({"s": texts}))
    with pytest.raises(dfv.KernelCompileError, match="must be known while the kernel is compiled"):
        dfv.run(pl.DataFrame({"s": texts, "t": texts}), plugin(of_a_row))


def test_words_that_change_are_another_pattern():
    words = of_words.__globals__["words"] = ["ab", "c"]
    kernel, frame = plugin(of_words), pl.DataFrame({"s": ["ab", "c", "d"]})
    assert dfv.apply(frame, kernel, keep=False).to_series().to_list() == [True, True, False]
    words[0] = "d"
    assert dfv.apply(frame, kernel, keep=False).to_series().to_list() == [False, True, True]
    words.append("ab")
    assert dfv.apply(frame, kernel, keep=False).to_series().to_list() == [True, True, True]
