"""findall, finditer, split and sub in kernels are Python's."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pattern_grammar import ASCII, flags, patterns, texts

import dataflare_vec as dfv
from testing.oracle import check, plugin, plugins
from testing.strategies import configs, frames

WORD = re.compile(r"(?P<word>\w+)(?:-(?P<number>\d+))?", re.IGNORECASE)
SPACE = re.compile(r"\s*")
SWAPPED = r"\2=\g<word>\g<0>é\\"


class Settings:
    template = r"<\1>"


def found(s):
    whole, words = re.findall(r"\w+", s), re.findall("(?i)(a)|b", s)
    return whole, ", ".join(whole), len(words), words[-1:], words[::-2], "a" in words, words.count("")


def pairs(s):
    joined = ""
    for word, number in WORD.findall(s, 1):
        joined += number + "/" + word + ";"
    return joined, [name for name, digits in WORD.findall(s) if digits]


def iterated(s):
    at, total = 0, 0
    for m in WORD.finditer(s):
        number = m["number"]
        at += m.start()
        total += int(number) if number is not None else 1
    return at, total, [one[1].upper() for one in WORD.finditer(s, 2, 9) if one.end() > 3]


def divided(s) -> list[str]:
    return re.split("[ab]|-+", s)


def divided_with_groups(s):
    missing = 0
    for piece in re.split("(a)|(b)", s):
        if piece is None:
            missing += 1
    return missing, SPACE.split(s), SPACE.split(s, maxsplit=1)[0], re.split("(a|b*)", s, maxsplit=2)


def replaced(s, n):
    text, count = SPACE.subn("-", s)
    return (
        WORD.sub(SWAPPED, s),
        re.sub("a*", "é", s, count=n),
        re.sub(r"(a)|(b)", Settings.template + "!", s, flags=re.I),
        text + WORD.sub("", s, 1),
        count,
    )


def raising(s):
    return re.findall("a", s)[1], re.split("b", s).index("a")


KERNELS = plugins(found, pairs, iterated, divided, divided_with_groups, raising)
strings = texts() | texts(ASCII) | st.lists(st.from_regex(WORD, fullmatch=True), max_size=4).map(" ".join)


@pytest.mark.parametrize("name", KERNELS)
@given(frame=frames(s=(strings, pl.String)), config=configs)
def test_lists(name, frame, config):
    check(KERNELS[name], frame, config=config)


@given(frame=frames(s=(strings, pl.String), n=(st.integers(-2, 4), pl.Int64)), config=configs)
def test_substitutions(frame, config):
    check(SUBSTITUTED, frame, config=config)


SUBSTITUTED = plugin(replaced)


def raw(s):
    return (
        re.findall(rb"(\d+)x?", s),
        re.split(rb"[\x80-\xff]", s),
        re.sub(rb"(\d)|\xff*", b"\\1\\\\\x00", s),
        b"|".join([m[0] for m in re.finditer(b"a*", s)]),
    )


@given(frame=frames(s=(st.binary(max_size=12) | st.text("1x2a").map(str.encode), pl.Binary)))
def test_bytes(frame):
    check(RAW, frame)


RAW = plugin(raw)


PRIME = 1_000_003  # of what is added up of many matches


@settings(max_examples=settings.default.max_examples // 5)
@given(
    pattern=patterns(),
    given_flags=flags,
    frame=frames(s=(texts() | texts(ASCII), pl.String)),
    data=st.data(),
)
def test_any_pattern(pattern, given_flags, frame, data):
    compiled = re.compile(pattern, given_flags)
    parts = st.sampled_from(["é", "-", r"\\", *(rf"\g<{i}>" for i in range(compiled.groups + 1))])
    template, count = data.draw(st.lists(parts, max_size=3).map("".join)), data.draw(st.integers(0, 3))

    def any_pattern(s):
        ends = 0
        for m in compiled.finditer(s):
            ends = (31 * ends + m.end()) % PRIME
        pieces = 0
        for piece in compiled.split(s, count):
            pieces = (31 * pieces + (-1 if piece is None else len(piece))) % PRIME
        return ends, pieces, compiled.sub(template, s, count), len(compiled.findall(s))

    check(plugin(any_pattern), frame)


def test_a_list_that_outgrows_its_memory():
    def many(s):
        return re.findall(".", s), re.sub("", "and ", s)

    check(plugin(many), pl.DataFrame({"s": ["é" * 1000, "ab" * 100_000, ""]}))


def test_another_template_is_seen():
    scope = {"re": re, "TEMPLATE": r"<\g<0>>"}
    exec("def marked(s): return re.sub('a+', TEMPLATE, s)", scope)
    kernel, frame = plugin(scope["marked"]), pl.DataFrame({"s": ["baab"]})
    assert dfv.apply(frame, kernel, keep=False).item() == "b<aa>b"
    scope["TEMPLATE"] = "-"
    assert dfv.apply(frame, kernel, keep=False).item() == "b-b"


def test_items_that_may_be_missing():
    def pieces(s):
        return re.split("(a)|b", s)

    with pytest.raises(dfv.KernelResultError, match="list or array of `str or None`"):
        dfv.apply(pl.DataFrame({"s": ["ab"]}), plugin(pieces))
