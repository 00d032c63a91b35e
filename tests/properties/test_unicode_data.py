"""`unicodedata` in kernels: the forms of text, and what characters are, as this Python says."""

from __future__ import annotations

import unicodedata
from unicodedata import is_normalized, normalize

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugins
from testing.strategies import configs, frames


def forms(s):
    return (
        normalize("NFC", s),
        normalize("NFD", s),
        normalize("NFKC", s),
        unicodedata.normalize("NFKD", s),
        is_normalized("NFC", s),
    )


def characters(s):
    return (
        unicodedata.category(s),
        unicodedata.bidirectional(s),
        unicodedata.east_asian_width(s),
        unicodedata.combining(s),
        unicodedata.mirrored(s),
    )


def plain(s):
    kept = "".join(c for c in normalize("NFD", s) if unicodedata.category(c) != "Mn")
    return kept, normalize("NFKD", s).encode("ascii", "ignore").decode()


KERNELS = plugins(forms, characters, plain)
ALL = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
CHANGED = [c for c in ALL if unicodedata.decomposition(c) or unicodedata.combining(c)]
#: What Hangul syllables are made of, letters that marks go with, and marks of a few classes.
PARTS = [
    chr(point) for point in (0x1100, 0x1112, 0x1113, 0x1161, 0x1175, 0x11A7, 0x11A8, 0x11C2, 0xAC00, 0xAC01)
]
MARKS = "\u0301\u0307\u0323\u0327\u0338\u0345\u05b0\u0653\u093c\u0bbe\u0dca\u3099"
LETTERS = st.sampled_from(
    [*"aeoqA=", *PARTS, *MARKS, "\u0b47", "\u0dd9", "\u0627", "\u304b", "\ufb01", "\ufdfa"]
)
TEXT = st.lists(st.one_of(LETTERS, st.sampled_from(CHANGED)), max_size=8).map("".join)


@pytest.mark.parametrize("name", KERNELS)
@settings(phases=[Phase.explicit, Phase.generate])
@given(frame=frames(s=(st.one_of(TEXT, st.characters(exclude_categories=["Cs"])), pl.String)), config=configs)
def test_compiled_is_python(name, frame, config):
    check(KERNELS[name], frame, config=config)


@pytest.mark.parametrize(
    ("name", "texts"), [("forms", CHANGED[::7] + ALL[0xAC00 : 0xAC00 + 600]), ("characters", ALL[::29])]
)
def test_of_many_characters(name, texts):
    check(KERNELS[name], pl.DataFrame({"s": texts}))


def chosen(s, form):
    return normalize(form, s)


def unknown(s):
    return normalize("NFX", s)


@pytest.mark.parametrize("function", [chosen, unknown])
def test_forms_that_are_no_constants(function):
    frame = pl.DataFrame({"s": ["a"], "form": ["NFC"]})
    message = "the form of `unicodedata.normalize` has to be a constant, one of NFD, NFC, NFKD, NFKC"
    with pytest.raises(dfv.KernelCompileError, match=message):
        dfv.apply(frame, plugins(function)[function.__name__])
