"""Patterns and texts to draw: from a grammar, so that every construct meets every other one."""

from __future__ import annotations

import re
import warnings

from hypothesis import strategies as st

CHARACTERS = ["a", "b", "c", "A", "é", "€", "\U0001f600", "ſ", "K", "1", "_", " ", "\n", "-"]
ASCII = [one for one in CHARACTERS if one.isascii()]

_CLASSES = ["[ab]", "[^a]", "[a-c1]", r"[^\w]", r"[\s\S]", r"[\d_-]", r"\w", r"\W", r"\d", r"\s", r"\S", "."]
_PLACES = [r"\b", r"\B", "^", "$", r"\A", r"\Z", "(?=a)", "(?!b)", r"(?<=\w)", "(?<!a)", "(?=[^a])"]
_COUNTS = ["*", "+", "?", "{2}", "{1,3}", "{2,}", "{,2}", "{0}"]
_FLAGS = [0, 0, re.I, re.M, re.S, re.A, re.I | re.M | re.S, re.I | re.A]


def _extended(inner):
    counted = st.sampled_from([*_COUNTS, *(f"{count}?" for count in _COUNTS)])
    return st.one_of(
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda ways: f"(?:{'|'.join(ways)})"),
        inner.map("({})".format),
        st.builds("(?:{}){}".format, inner, counted),
        st.builds("({}){}".format, inner, counted),
        st.builds("(?{}:{})".format, st.sampled_from(["i", "s", "m", "-i", "i-s"]), inner),
    )


def _is_pattern(pattern):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(pattern)
        except re.error:  # "nothing to repeat" and the like
            return False
    return True


def patterns(characters=CHARACTERS):
    """Patterns for texts of some characters."""
    literals = [one for one in characters if one != "-"]
    base = st.sampled_from([*literals, *_CLASSES, *_PLACES, "ab", ""])
    return st.recursive(base, _extended, max_leaves=9).filter(_is_pattern)


def texts(characters=CHARACTERS, longest=60):
    """Texts: short ones, that match often, and long ones."""
    few = st.text(st.sampled_from(characters[:3]), max_size=9)
    return few | st.text(st.sampled_from(characters), max_size=longest)


flags = st.sampled_from(_FLAGS)
