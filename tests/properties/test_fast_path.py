"""Frames next to a word of a bitmap, and next to the most rows that are never cut: laws 1 to 4."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.engine.execution import fast_path
from testing.oracle import as_numpy, check, identical, interpret, plugin, plugins
from testing.strategies import MOST, WORDS, configs, frames, odd_text

pytestmark = pytest.mark.usefixtures("all_roads")


class Both(NamedTuple):
    low: float
    inside: bool


def less(x, y):
    return x < y


def negated(b, c):
    return not b, b and c


def pick(x, y):
    if y > 3:
        return None
    return x


def halves(x, y):
    if y > 100:
        raise ValueError("y is large")
    return x * 0.5, y != x


def either(b: bool | None, c: bool | None):
    if b and c:
        raise ValueError("both")
    return b or c


def doubled(n):
    return n + n


def tame(x, y):
    if y > 100:
        raise ValueError("y is large")
    return x < 50


def filled(x: object | None, y: object | None):
    if x is None or y is None:
        return y is None
    if x == y:
        return None
    return x < y


def named(x, y, limit=1.5):
    low = float(x) if x < y else float(y)
    return Both(low, low < limit)


def changed(s, t):
    return s.upper() + t[1:3], s < t


def told(s: str | None, t):
    if s is None:
        return "there is none, and that is said at length"
    if s > t:
        raise ValueError("out of order")
    return None if s == t else t


def joined(items, s):
    return [item + s for item in items], len(items)


NUMBERS = plugins(less, pick, halves, filled, named)
BOOLEANS = plugins(negated, either)
TEXTS = plugins(changed, told)
LISTS = plugins(joined)
WIDE = plugins(doubled)
KERNELS = {**NUMBERS, **BOOLEANS, **TEXTS, **LISTS, **WIDE}
KEEP = plugin(tame, kind="filter")

#: Few dtypes: each is a compilation.
number = st.sampled_from([pl.Int8, pl.UInt64, pl.Float32, pl.Float64])
words = st.sampled_from(["", "a", "é", "twelve bytes", "a" * 13]) | odd_text
sizes = st.sampled_from([*WORDS, *MOST])


@st.composite
def examples(draw, name):
    """Draw a frame of a number of rows next to a word's or to the most, and the arguments in each row."""
    if name in NUMBERS:
        dtype = draw(number)
        frame = draw(frames(sizes, x=dtype, y=dtype))
        return frame, list(as_numpy(frame))
    columns = {
        **dict.fromkeys("bc", pl.Boolean),
        **dict.fromkeys("st", (words, pl.String)),
        "items": (st.lists(words, max_size=3), pl.List(pl.String)),
        "n": (st.integers(-(1 << 126), 1 << 126), pl.Int128),
    }
    of = {parameter.name: columns[parameter.name] for parameter in KERNELS[name].parameters}
    frame = draw(frames(sizes, **of))
    return frame, list(frame.iter_rows())


@pytest.mark.parametrize("name", KERNELS)
@given(data=st.data(), config=configs)
def test_compiled_is_interpreted(name, data, config):
    frame, rows = data.draw(examples(name))
    check(KERNELS[name], frame, rows=rows, config=config)


@given(frame=frames(sizes, x=pl.Float64, y=pl.Int8), config=configs)
def test_no_row_is_lost(frame, config):
    numbered = frame.with_row_index("row")
    outcomes = interpret(KEEP, as_numpy(frame))
    result = dfv.run(numbered, KEEP, config=config, on_error="drop")
    kept = [row for row, outcome in enumerate(outcomes) if outcome.value]
    assert identical(result.frame, numbered[kept])
    failed = [row for row, outcome in enumerate(outcomes) if outcome.error]
    config = dataclasses.replace(config, max_error_details=2000)
    assert dfv.run(numbered, KEEP, config=config).errors["row"].to_list() == failed
    assert result.filtered_count == frame.height - len(kept) - len(failed)
    dropped = dfv.run(numbered, NUMBERS["halves"], config=config, on_error="drop")
    assert sorted([*dropped.frame["row"], *dropped.errors["row"]]) == list(range(frame.height))
    assert dropped.frame["row"].is_sorted()


@pytest.mark.parametrize(
    ("rows", "most", "is_cut"), [(1024, 64, False), (1025, 64, True), (5000, 8192, False)]
)
def test_one_chunk_takes_the_fast_path(monkeypatch, all_roads, rows, most, is_cut):
    taken = []

    def compute(*arguments):
        taken.append(real(*arguments))
        return taken[-1]

    real = fast_path.compute
    monkeypatch.setattr(fast_path, "compute", compute)
    frame = pl.DataFrame({"b": [True] * rows, "c": [None] * rows}, schema=dict.fromkeys("bc", pl.Boolean))
    config = dfv.BatchConfig(default_batch_size=most, tuner="fixed")
    result = dfv.run(frame, BOOLEANS["negated"], config=config)
    needs_run = all_roads == "chunks" or (is_cut and all_roads == "fast path")
    assert [computed is None for computed in taken] == [needs_run]
    assert result.frame.columns[2:] == ["negated_0", "negated_1"]
    assert (result.tuner is None) == (rows <= 1024 and all_roads == "fast path")
