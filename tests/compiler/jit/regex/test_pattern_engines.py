"""Automata and simulations find what Python's `re` finds, character by character."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pattern_engines import HOW, Automata, Simulation, python_spans
from pattern_grammar import ASCII, CHARACTERS, flags, patterns, texts

from dataflare_vec.compiler.jit.lowering.regex import charsets
from dataflare_vec.compiler.jit.lowering.regex import engine as engines

KINDS = {
    "ascii": (charsets.ASCII, ASCII),
    "utf8": (charsets.UNICODE, CHARACTERS),
    "bytes": (charsets.BYTES, ASCII),
}


def drawn(data, kind):
    """Draw a pattern, its flags, and texts to search."""
    alphabet, characters = KINDS[kind]
    pattern, given_flags = data.draw(patterns(characters)), data.draw(flags)
    some = data.draw(st.lists(texts(characters), min_size=1, max_size=8))
    if kind != "bytes":
        return pattern, given_flags, alphabet, some
    high = st.lists(st.binary(max_size=9), max_size=2)
    raw = [text.encode() for text in some] + data.draw(high)
    return pattern.encode(), given_flags & ~re.ASCII, alphabet, raw


def check(data, kind, searches):
    pattern, given_flags, alphabet, some = drawn(data, kind)
    searcher = searches(pattern, given_flags, alphabet)
    for text in some:
        ends = st.integers(0, len(text))
        # What is matched beyond the end depends on how Python's compiler writes a pattern; it says: nothing.
        pos, endpos = sorted((data.draw(ends), data.draw(ends)))
        assert all(searcher.spans(name, text, endpos, pos) is None for name in HOW if pos < endpos)
        for name in HOW:
            for bounds in ((), (pos,), (pos, endpos)):
                wanted = python_spans(getattr(searcher.pattern, name)(text, *bounds))
                assert searcher.spans(name, text, *bounds) == wanted, (name, text, bounds)
        assert searcher.iterate(text) == [python_spans(one) for one in searcher.pattern.finditer(text)], text


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_automata(kind, data):
    check(data, kind, Automata)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_simulations(kind, data):
    check(data, kind, Simulation)


@given(data=st.data())
def test_searches_that_try_each_place(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines.Engine, "_searching", None)
        patch.setattr(engines.Engine, "_is_short", lambda self: True)
        check(data, "utf8", Automata)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        # A repetition that matches nothing is tried once.
        (r"(a|b*)*", "xab"),
        (r"(a*)*", "b"),
        (r"(a*)+", "ab"),
        (r"(?:(a)|b)*", "ab"),
        (r"((a)|(b))*?$", "ab"),
        (r"(?:a?){3}", "aa"),
        (r"(?:|a)+", "aaa"),
        (r"(?:a|())*b", "aab"),
        # Of the ends of a text.
        ("a$", "a\na\n"),
        ("(?m)^a$", "a\na\n"),
        (r"\Z", "a\n"),
        ("$", "\n\n"),
        (r"\b", ""),
        (r"\B", ""),
        # Longer alternatives don't win.
        ("a|ab", "ab"),
        ("(a|ab)(c|bcd)(d*)", "abcd"),
        # Cases beyond ASCII.
        ("(?i)straße", "STRAßE Straſse"),
        ("(?i)K[İi]", "ki KI kİ"),
        ("(?i)[^k]", "K"),
        ("(?ia)k", "K"),
    ],
)
@pytest.mark.parametrize("searches", [Automata, Simulation])
def test_facts(pattern, text, searches):
    searcher = searches(pattern, 0, charsets.UNICODE)
    assert searcher.iterate(text) == [python_spans(one) for one in re.finditer(pattern, text)]


@pytest.mark.parametrize("flags", [0, re.I, re.A, re.I | re.A], ids=str)
@pytest.mark.parametrize("pattern", [r"\w", r"[^\W\d]", r"\s", "[k-sÀ-Ý]", "[^a-zµ]", "ǅ", "ſ", "."])
def test_sets_of_characters(pattern, flags):
    """What `re` says of each character there is."""
    ((op, items),) = _parsed(pattern, flags)
    if op == "ANY":
        pytest.skip("not a set")
    found = charsets.set_of(items, flags, charsets.UNICODE)
    every = "".join(map(chr, range(0x110000)))
    wanted = tuple((one.start(), one.end() - 1) for one in re.finditer(f"(?:{pattern})+", every, flags))
    assert found == wanted
    inside = charsets.set_of(items, flags, charsets.ASCII)
    assert inside == tuple((first, min(last, 0x7F)) for first, last in wanted if first < 0x80)


def _parsed(pattern, flags):
    from dataflare_vec.compiler.jit.lowering.regex.program import parse

    for op, value in parse(pattern, flags):
        yield op.name, value if op.name == "IN" else [(op, value)]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_texts_that_each_match_holds(kind, data):
    """The searches that look for such a text first, and begin near it."""
    alphabet, characters = KINDS[kind]
    given_flags = data.draw(st.sampled_from([0, re.I]))
    letters = st.text(st.sampled_from([one for one in characters if one.isalpha()]), min_size=1, max_size=12)
    text, inner = data.draw(letters), data.draw(patterns(characters))
    pattern = data.draw(st.sampled_from(["{0}", "({0})", "{0}{1}", ".?{0}", "{1}{0}", "(?:{0}){{1,2}}{1}"]))
    pattern = pattern.format(text, f"(?:{inner})")
    pieces = data.draw(st.lists(texts(characters, 9) | st.just(text) | st.just(text[1:]), max_size=9))
    searched = "".join(pieces)
    if kind == "bytes":
        pattern, searched = pattern.encode(), searched.encode()
    searcher = Automata(pattern, given_flags, alphabet)
    assert searcher.iterate(searched) == [python_spans(one) for one in searcher.pattern.finditer(searched)]
