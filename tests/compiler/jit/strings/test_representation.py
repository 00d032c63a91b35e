"""`repr` and `ascii` as Python has them, for every code point."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv


@pytest.fixture(scope="module")
def of_text():
    return dfv.plugin(lambda s: (repr(s), ascii(s), repr(s) == f"'{s}'"), name="of_text", replace=True)


def check_text(plugin, values):
    out = dfv.run(pl.DataFrame({"s": values}), plugin, keep=False, on_error="raise").frame
    assert out.rows() == [(repr(s), ascii(s), repr(s) == f"'{s}'") for s in values]


def test_every_code_point(of_text):
    points = [p for p in range(0x110000) if not 0xD800 <= p < 0xE000]
    check_text(of_text, ["".join(map(chr, points[i : i + 97])) for i in range(0, len(points), 97)])


def test_quotes_and_escapes(of_text):
    check_text(
        of_text, ["", "a", "'", '"', "'\"", "\\", "\\'", "a\tb\n\r\0\x7f", "it's", 'say "no"', "é'", "\x85"]
    )


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("'\"\\\n\t\x00é€")), min_size=1
    )
)
def test_any_text(of_text, values):
    check_text(of_text, values)


@given(st.lists(st.binary(), min_size=1))
def test_bytes(values):
    plugin = _of_bytes()
    out = dfv.run(pl.DataFrame({"b": [bytes(range(256)), *values]}), plugin, keep=False).frame.to_series()
    assert out.to_list() == [repr(b) for b in [bytes(range(256)), *values]]


_made = []


def _of_bytes():
    if not _made:
        _made.append(dfv.plugin(lambda b: repr(b), name="of_bytes", replace=True))
    return _made[0]


def test_numbers_bools_none_and_constants():
    def shown(i, f, b):
        return repr(i), repr(f), repr(b), repr(None), repr("it's é"), ascii("it's é"), repr(b"\x00'")

    values = [(1, 1.5, True), (-(2**63), float("nan"), False), (0, 1e22, True), (7, -0.0, False)]
    frame = pl.DataFrame(values, schema=["i", "f", "b"], orient="row")
    out = dfv.run(frame, dfv.plugin(shown, replace=True), keep=False, on_error="raise").frame
    assert out.rows() == [shown(*row) for row in values]


def test_others_are_refused():
    with pytest.raises(dfv.KernelCompileError, match=r"`repr` of .* isn't known to compiled code"):
        dfv.apply(pl.DataFrame({"x": [1]}), dfv.plugin(lambda x: repr([x]), name="of_list", replace=True))
