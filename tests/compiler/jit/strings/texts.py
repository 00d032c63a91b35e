"""What text the tests draw, and how a compiled kernel is held against its Python function."""

from __future__ import annotations

from functools import cache

import pytest
from harness import Compiled
from hypothesis import strategies as st
from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings import methods as methods  # registers them
from dataflare_vec.compiler.jit.types.strings import ascii_string, bytes_view, utf8_string
from testing.oracle import same

# Characters that some method treats in its own way.
_SPECIAL_ASCII = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x00aAbBzZ019_+-.,eExX\x7f"
_SPECIAL = _SPECIAL_ASCII + (
    "\x85\xa0\u2028\u2029\u3000ßẞſIıİΑΣσςʰ\u0301\u0345ͅǄǅǆŉﬃՙև\u1fb3\u1fbc\u1ff4٣३𝟗½²③一ª·\U0001f600\U00010400\U00010428Ⅷ\u00ad"
)
ascii_text = st.text(st.characters(max_codepoint=127), max_size=60) | st.text(_SPECIAL_ASCII, max_size=24)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text(_SPECIAL, max_size=24)
few = st.text("ab ", max_size=40)  # much of it repeats: overlaps, many occurrences
some_bytes = st.binary(max_size=60) | few.map(str.encode)

TEXTS = {
    "ascii": (ascii_string, ascii_text | few),
    "utf8": (utf8_string, any_text | few),
    "bytes": (bytes_view, some_bytes),
}
small_integers = st.integers(-12, 12) | st.integers(-(2**63), 2**63 - 1)


@st.composite
def needles(draw, kind, text):
    """Draw a string to look for: often a part of the text."""
    if draw(st.booleans()):
        start = draw(st.integers(0, len(text)))
        return text[start : start + draw(st.integers(0, 4))]
    return draw(TEXTS[kind][1])[: draw(st.integers(0, 6))]


compiled = cache(Compiled)


def outcome(function, *arguments):
    """Return what a call returns, or the type of what it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error)


def check(data, function, kind, roles):
    """Compare the compiled function with Python's on arguments drawn by role."""
    text_type, texts = TEXTS[kind]
    argument_types, values = [], []
    text = data.draw(texts)
    for role in roles:
        if role == "s":
            argument_types.append(text_type)
            values.append(text)
        elif role == "t":
            argument_types.append(text_type)
            values.append(data.draw(needles(kind, text)))
        else:
            argument_types.append(types.int64)
            values.append(data.draw(st.integers(-12, 12) if role == "n" else small_integers))
    kernel = compiled(function, tuple(argument_types))
    got, wanted = outcome(kernel, *values), outcome(function, *values)
    if isinstance(wanted, type) and isinstance(got, type):
        assert issubclass(wanted, got), (wanted, got, values)
    else:
        assert same(got, wanted), values


def table(*rows):
    """Return parameters (function, roles, kind), one for each kind of text that a row names."""
    parameters = []
    for name, roles, function, *kinds in rows:
        for kind in kinds or ["ascii", "utf8", "bytes"]:
            parameters.append(pytest.param(function, roles, kind, id=f"{name}-{kind}"))
    return pytest.mark.parametrize(("function", "roles", "kind"), parameters)
