"""Messages that a kernel makes when it raises: a native library makes them too, as Python does."""

from __future__ import annotations

import datetime
import linecache

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form
from dataflare_vec.engine.stages import partitioned
from testing.oracle import plugin
from testing.stateful import stateful
from testing.strategies import text


def checked(n):
    if n == 7:
        raise KeyError(f"seven {n}")
    return n


class Odd(Exception):
    def __str__(self):
        return "odd"


def fussy(x, s):
    if x < 0:
        raise ValueError(f"{x} of {s} is negative: {x / 4:.3f}")
    if x == 1:
        raise KeyError(s)
    if x == 2:
        raise ValueError
    if x == 3:
        raise ValueError("always the same")
    if x == 4:
        raise ArithmeticError(x, s)
    if x == 5:
        raise Odd(s + "!")
    if x == 6:
        try:
            raise ValueError(f"first {x}")
        except Exception:
            return len(s)
    if x == 8:
        raise IndexError(x)
    return checked(x)


def forgets(x):
    inner = 0
    try:
        inner = checked(x)
    except Exception:
        inner = -1
    if inner < 0:
        raise ValueError
    return inner


def dated(day: datetime.date, x):
    if x < 0:
        raise ValueError(f"{day} is before")
    return x


def tabled(x):
    if x < 0:
        raise ValueError(f"{[x, x]}")
    return x


def steep(x):
    if x[0] > 2 * x[-1]:
        raise ValueError(f"{x[-1]} to {x[0]}")
    return x[0] - x[-1]


def counted(state, x):
    if x > 100:
        raise ValueError(f"{x} after {state}")
    return state + 1


def joined(one, other):
    if one + other > 90:
        raise ValueError(f"{one} and {other} are too many")
    return one + other


def shown(state):
    if state < 3:
        raise ValueError(f"only {state}")
    return state


FUSSY, FORGETS, DATED, TABLED = plugin(fussy), plugin(forgets), plugin(dated), plugin(tabled)
STEEP = plugin(steep, lookback=1)
COUNTED = stateful(counted, Form.REDUCE, init=0, merge=joined, finish=shown)
#: By number: whose messages a library knows only by the line.
BY_LINE = (2, 4)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    wanted = {
        FUSSY: {"x": pl.Int64, "s": pl.String},
        FORGETS: {"x": pl.Int64},
        DATED: {"day": pl.Date, "x": pl.Int64},
        TABLED: {"x": pl.Int64},
        COUNTED: {"x": pl.Int64},
        STEEP: {"x": pl.Int64},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitioned, "PARTITION_ROWS", 64)
        return dfv.build(wanted, output=tmp_path_factory.mktemp("library"), name="messages")


def said(function, *arguments):
    """Return what a function raises, without its place; None if it returns."""
    try:
        function(*arguments)
    except Exception as error:
        message = str(error)
        return f"{type(error).__name__}: {message}" if message else type(error).__name__
    return None


def errors(library, name, frame):
    found = frame.select(library.expr(name, *frame.columns, on_error="struct"))
    return found.to_series().struct.field("error").to_list()


@given(rows=st.lists(st.tuples(st.integers(-3, 9), text.map(lambda s: s.replace("\0", ""))), max_size=30))
def test_messages_are_those_of_python(library, rows):
    frame = pl.DataFrame(rows, schema={"x": pl.Int64, "s": pl.String}, orient="row")
    for (x, s), got in zip(rows, errors(library, "fussy", frame), strict=True):
        wanted = said(fussy, x, s)
        if wanted is None or got is None:
            assert got is wanted
            continue
        message, _, place = got.rpartition(" (test_built_messages.py, line ")
        line = linecache.getline(__file__, int(place.partition(":")[0].rstrip(")"))).strip()
        assert line.startswith("raise ")
        if x in BY_LINE:
            assert message == wanted.partition(":")[0]
            assert place.endswith(f": `{line}`)")
        else:
            assert message == wanted


def test_the_first_row_that_fails_says_it(library):
    frame = pl.DataFrame({"x": [3, -1, 1], "s": ["a", "b", "c"]})[1:]
    with pytest.raises(
        pl.exceptions.ComputeError, match=r'\(x=-1, s="b"\): ValueError: -1 of b is negative: -0.250'
    ):
        frame.select(library.expr("fussy", "x", "s"))


def test_a_message_of_an_exception_that_was_caught_is_not_that_of_another(library):
    got = errors(library, "forgets", pl.DataFrame({"x": [1, 7]}))
    assert got[0] is None
    assert got[1].startswith("ValueError (test_built_messages.py, line ")


def test_a_message_that_can_not_be_compiled_is_known_by_its_line(library):
    (got,) = errors(library, "tabled", pl.DataFrame({"x": [-1]}))
    assert got.startswith("ValueError (test_built_messages.py, line ")
    assert got.endswith('raise ValueError(f"{[x, x]}")`)')


def test_messages_of_a_date(library):
    (got,) = errors(library, "dated", pl.DataFrame({"day": [datetime.date(2020, 1, 2)], "x": [-1]}))
    assert got.startswith("ValueError: 2020-01-02 is before (test_built_messages.py, line ")


def test_messages_of_a_kernel_that_looks_back(library):
    got = errors(library, "steep", pl.DataFrame({"x": [2, 3, 7]}))
    assert got[:2] == [None, None]
    assert got[2].startswith("ValueError: 3 to 7 (test_built_messages.py, line ")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2, 101, 3], "row 2: ValueError: 101 after 2 ("),
        ([1, 2], "`finish` failed: ValueError: only 2 ("),
        ([1] * 100, "`merge` failed: ValueError: 64 and 36 are too many ("),
    ],
)
def test_messages_of_a_reduce(library, values, message):
    """Of its rows, of partitions that are merged, and of what is made of the state."""
    frame = pl.DataFrame({"x": values})
    how = "raise" if "merge" in message else "struct"
    try:
        (got,) = frame.select(library.expr("counted", "x", on_error=how)).to_series().struct.field("error")
    except pl.exceptions.ComputeError as error:
        got = str(error)
    assert message in got


@pytest.mark.parametrize(("s", "shown"), [("a" * 3000, "a" * 100), ("ä" * 3000, "ä" * 100), ("a\0b", "a b")])
def test_long_messages_are_cut_between_characters(library, s, shown):
    (got,) = errors(library, "fussy", pl.DataFrame({"x": [-1], "s": [s]}))
    assert f"-1 of {shown}" in got
    assert len(got.encode()) < 1200


def test_many_different_messages(library):
    rows = 20_000
    frame = pl.DataFrame({"x": -pl.int_range(1, rows + 1, eager=True), "s": ["b"] * rows})
    got = errors(library, "fussy", frame)
    assert len(set(got)) == rows
    assert all(f"-{n} of b is negative" in one for n, one in enumerate(got, 1))
