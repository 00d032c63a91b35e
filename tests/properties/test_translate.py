"""`str.translate` by constant tables gives in kernels what it gives in Python."""

from __future__ import annotations

import string

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin
from testing.strategies import frames

ASCII = str.maketrans("ab", "xy")
MIXED = str.maketrans({"a": "1", "é": None, "b": "böb", "ß": "ss", "😀": ":)", ",": 0x1F600})
SPARSE = {97: "z", "b": "never", 0x10FFFF: "last", 98: None}


def translated(s):
    no_marks = s.translate(str.maketrans("", "", string.punctuation)).translate(
        str.maketrans({",": "", "1": "one"})
    )
    texts = s.translate(ASCII), s.translate(MIXED), s.upper().translate(ASCII), s.translate(SPARSE), no_marks
    return (
        *texts,
        s.translate(str.maketrans("aé", "éa", "b")),
        "abc".translate(MIXED),
        str(len(s)).translate(MIXED),
    )


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(frame=frames(s=(st.text("ab,é1ß😀.\U0010ffff", max_size=9) | st.text(max_size=5), pl.String)))
def test_characters_are_translated(frame):
    check(plugin(translated), frame)


def test_a_table_that_has_changed_is_seen():
    table = str.maketrans("a", "x")
    frame = pl.DataFrame({"s": ["abc"]})
    one = plugin(lambda s: s.translate(table), name="by_table")
    assert dfv.run(frame, one, keep=False).frame.item() == "xbc"
    table[ord("b")] = "y"
    assert dfv.run(frame, one, keep=False).frame.item() == "xyc"


@pytest.mark.parametrize("value", ["\ud800", 1.5])
def test_what_no_text_has_is_refused(value):
    table = {97: value}
    with pytest.raises(dfv.KernelCompileError, match=r"`translate`|half of a character"):
        dfv.run(pl.DataFrame({"s": ["abc"]}), plugin(lambda s: s.translate(table), name="by_table"))
