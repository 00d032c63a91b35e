"""Text read as dates: what Python's `strptime` gives, for any format, on text that is nearly in it."""

from __future__ import annotations

import datetime as dt
import re
from _strptime import TimeRE

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.compiler.jit.lowering.temporal.text.directives import elements_of
from testing.oracle import check, plugin

#: Python 3.13 warns of formats with a day and without a year.
pytestmark = pytest.mark.filterwarnings("ignore:Parsing dates involving a day:DeprecationWarning")

DIRECTIVES = [f"%{name}" for name in "aAbBdfGHIjmMpSuUVwWyYcxX"]
BETWEEN = ["-", "/", " ", "T", ":", ".", "  ", "", ", ", "%%", "é", "k", "(", "\t"]

formats = st.lists(st.sampled_from(DIRECTIVES) | st.sampled_from(BETWEEN), min_size=1, max_size=10).map(
    "".join
)
#: Formats as people write them.
USUAL = [
    "%Y-%m-%d",
    "%Y%m%d%H%M%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%d/%b/%Y:%H:%M:%S",
    "%m/%d/%y %I:%M %p",
    "%A, %B %d, %Y",
    "%j%y",
    "%H%M%f",
    "%G-W%V-%u",
    "%Y %U %w",
    "%Y %W %a",
    "%d %m",
]


def reader(format):
    """Return a plugin that reads text in a format."""

    def read(s: str):
        return dt.datetime.strptime(s, format)

    return plugin(read)


def can_be_read(format):
    try:
        elements_of(format)
    except Exception:
        return False
    return True


def changed(text, places, characters):
    """Return a text with some characters changed, dropped or put in."""
    for place, character in zip(places, characters, strict=True):
        at = place % (len(text) + 1)
        text = text[:at] + character + text[at + place % 2 :]
    return text


@st.composite
def near(draw, format):
    """Draw text that is nearly in a format: Python's own expression of it, a little damaged."""
    text = draw(st.from_regex(re.compile(TimeRE().pattern(format), re.IGNORECASE), fullmatch=True))
    damage = draw(st.sampled_from([0, 0, 0, 1, 2]))
    places = draw(st.lists(st.integers(0, 60), min_size=damage, max_size=damage))
    characters = draw(
        st.lists(st.sampled_from(["", "0", "9", " ", "٣", "-", "é"]), min_size=damage, max_size=damage)
    )
    return changed(text, places, characters)


def surrogates(text):
    return any(0xD800 <= ord(c) < 0xE000 for c in text)


@pytest.mark.parametrize("format", USUAL)
@given(data=st.data())
def test_usual_formats(format, data):
    texts = data.draw(st.lists(near(format), max_size=20))
    assume(not any(map(surrogates, texts)))
    check(reader_of(format), pl.DataFrame({"s": texts}, schema={"s": pl.String}))


_readers: dict[str, object] = {}


def reader_of(format):
    """Return the same, which is compiled once."""
    if format not in _readers:
        _readers[format] = reader(format)
    return _readers[format]


@settings(max_examples=6)
@given(format=formats.filter(can_be_read), data=st.data())
def test_any_format(format, data):
    texts = data.draw(st.lists(near(format), min_size=20, max_size=60))
    check(
        reader(format), pl.DataFrame({"s": [t for t in texts if not surrogates(t)]}, schema={"s": pl.String})
    )


WRONG = {
    "%Q": "`%Q` is no directive of `strptime`",
    "%d.%": "there is nothing behind its last `%`",
    "%d %d": "`%d` is there twice",
    "%H %c": "`%H` is there twice",
    "%G-%m": "`%G` and `%V` are read together",
    "%G-%V-%u %Y": "`%G` is the year of a week, and can't stand beside `%Y`",
    "%z:%H": "behind `%z` a digit, `:` or `.` may belong to it",
}


@pytest.mark.parametrize("format", WRONG)
def test_wrong_formats_are_refused_before_any_work(format):
    with pytest.raises(dfv.KernelCompileError) as raised:
        dfv.apply(pl.DataFrame({"s": ["x"]}), reader(format))
    assert WRONG[format] in str(raised.value)
    assert repr(format) in str(raised.value)


def test_a_format_has_to_be_constant():
    def read(s: str, format="%Y"):
        return dt.datetime.strptime(s, format)

    with pytest.raises(dfv.KernelCompileError, match="the format of a date has to be a constant"):
        dfv.apply(pl.DataFrame({"s": ["2024"]}), plugin(read))


def test_what_is_no_text_is_refused():
    def read(s: int):
        return dt.datetime.strptime(s, "%Y")

    with pytest.raises(dfv.KernelCompileError, match="`strptime` reads text, got int64"):
        dfv.apply(pl.DataFrame({"s": [2024]}), plugin(read))


def test_a_failed_row_says_what_python_says():
    result = dfv.run(pl.DataFrame({"s": ["2024-02-30", "x"]}), reader("%Y-%m-%d"), on_error="null")
    assert result.errors["error"].to_list() == ["ValueError"] * 2
    assert result.errors["message"].to_list() == [
        "day is out of range for month",
        "time data 'x' does not match format '%Y-%m-%d'",
    ]


def test_formats_may_be_globals_and_failures_may_be_caught():
    def read(s: str):
        try:
            return dt.datetime.strptime(s, USUAL_FORMAT)
        except Exception:
            return None

    frame = pl.DataFrame({"s": ["2024-01-02", "no", "é"]})
    assert dfv.apply(frame, plugin(read), keep=False).to_series().to_list() == [
        dt.datetime(2024, 1, 2),
        None,
        None,
    ]


USUAL_FORMAT = "%Y-%m-%d"
