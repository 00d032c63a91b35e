"""The laws over strings and bytes: all of Unicode, nulls, slices, chunks, threads, both forms of a kernel."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.arrow import string_builders
from dataflare_vec.engine.stages import fused
from testing.oracle import WHOLE, check, identical, interpret, plugin, plugins
from testing.strategies import ascii_text, configs, frames, odd_text, text

pytestmark = pytest.mark.usefixtures("all_roads")


class Pair(NamedTuple):
    text: str
    number: float


def same(s, t):
    return s


def later(s, t):
    return s if s > t else t


def pair(s, t, limit="m"):
    if s < limit:
        return Pair(t, 1.5)
    return Pair(s, -1.0)


def told(s: object | None, t):
    if s is None:
        return "there is none, and that is said at length"
    if s == t:
        return None
    return s


def changed(s, t):
    return s.replace("a", t).upper() + t[1:3]


def made(s, t):
    # The result is the first string of its row, or lies behind others, which it is moved over.
    if s < t:
        return s.upper() + t * 9
    first = t.lower()
    return (s + first)[1:]


def several(s, t):
    both = s + t
    return both[1:], t.upper(), [both, t * 3, s], (t + s).lower(), len(both)


def found(s, t):
    return s.find(t), s[::-1], int(s.isalpha())


def number(s, t):
    return int(s) + len(t)


def bounded(s, t: object | None):
    i = None if t is None else len(t) - 4
    j = None if s < "b" else 5 - len(s)
    step = None if j is None else 2 * j - 1
    found = (
        s.find("a", i),
        s.rfind("a", i, j),
        s.count("a", j),
        s.startswith("a", i, j),
        s.endswith("z", j, i),
    )
    return s[i:], s[:j], s[i:j], s[i:j:step], s.encode()[j:i], list(s)[i:j], s.split("a")[j:i], *found


def apart(s, t: str | None):
    return s.split(t), s.rsplit(t, maxsplit=1), len(s.split(t, 1)), s.strip(t), s.lstrip(t) + s.rstrip(t)


def absent(s, t: str | None):
    try:
        return t.upper() + t[:1]
    except TypeError:
        return "not this"
    except AttributeError:
        return s


def alike(s, t: str | None):
    other = None if s < "b" else s
    pairs, lists = ((t, s), (other, s)), ([t, s], [other, s])
    return pairs[0] == pairs[1], pairs[0] != pairs[1], lists[0] == lists[1], lists[0].count(other)


def strict(s, t):
    if s > t:
        raise ValueError("out of order")
    return t


def ordered(s, t):
    return s <= t


def careful(s, t):
    if s > t:
        raise ValueError("out of order")
    return s < "n"


PLUGINS = plugins(
    same,
    later,
    pair,
    told,
    changed,
    made,
    several,
    found,
    number,
    strict,
    ordered,
    bounded,
    apart,
    absent,
    alike,
)
FILTERS = [plugin(ordered, "filter"), plugin(careful, "filter")]

# Short ones lie in their views; ASCII takes the guarded variant; the long ones need data buffers.
texts = st.text("abnz", max_size=14) | ascii_text | text | odd_text


@st.composite
def pairs(draw, values=texts, dtype=pl.String):
    """Two columns of the same few strings or bytes, so that some are equal."""
    if draw(st.booleans()):
        values = values.filter(lambda value: value.isascii())
    few = st.sampled_from(draw(st.lists(values, min_size=2, max_size=12)))
    return draw(frames(st.integers(0, 150), s=(few, dtype), t=(few, dtype)))


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    """Let small frames go through several blocks, and columns through several data buffers."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_SMALLEST", "_LARGEST", "_BLOCK_BYTES"):
            patch.setattr(fused, name, 64)
        patch.setattr(string_builders, "_FIRST_BYTES", 1)
        yield


@given(frame=pairs(), name=st.sampled_from(list(PLUGINS)), config=configs)
def test_compiled_is_interpreted(frame, name, config):
    """Laws 2 and 3: the same strings, nulls and errors as the plain function."""
    check(PLUGINS[name], frame, config=config)


@given(frame=pairs(), name=st.sampled_from(list(PLUGINS)), config=configs)
def test_chunking_never_shows(frame, name, config):
    """Law 1."""
    expected = dfv.run(frame.rechunk(), PLUGINS[name], config=WHOLE)
    got = dfv.run(frame, PLUGINS[name], config=config)
    assert identical(got.frame, expected.frame)
    assert got.errors.equals(expected.errors)


@given(frame=pairs(), config=configs, plugin=st.sampled_from(FILTERS))
def test_no_row_is_lost(frame, config, plugin):
    """Law 4 for filters over strings."""
    numbered = frame.with_row_index("row")
    result = dfv.run(numbered, plugin, on_error="drop", config=config)
    outcomes = interpret(plugin, frame.iter_rows())
    kept = [i for i, (value, _) in enumerate(outcomes) if value is True]
    assert result.frame["row"].to_list() == kept
    assert result.errors["row"].to_list() == [i for i, (_, error) in enumerate(outcomes) if error]
    assert len(kept) + result.filtered_count + result.error_count == frame.height


@given(
    frame=pairs(),
    names=st.lists(
        st.sampled_from(["same", "later", "told", "changed", "made", "strict", "careful"]),
        min_size=2,
        max_size=4,
    ),
    keeps=st.lists(st.booleans(), min_size=4, max_size=4),
    config=configs,
)
def test_a_pipeline_is_its_steps_one_after_the_other(frame, names, keeps, config):
    """What one kernel writes is what the next reads, kept or not."""
    steps, column = [], "s"
    for i, (name, keep) in enumerate(zip(names, keeps, strict=False)):
        if name == "careful":
            steps.append(dfv.step(FILTERS[1], s=column))
            continue
        output = f"o{i}"
        steps.append(dfv.step(PLUGINS[name], output=output, keep=keep, s=column))
        column = output
    got = dfv.run(frame, steps, on_error="drop", config=config)
    expected, count = frame, 0
    for step in steps:
        one = dfv.run(expected, dfv.step(step.plugin, output=step.output, **step.bindings), on_error="drop")
        expected = one.frame
        count += one.error_count
    assert_frame_equal(got.frame, expected.select(got.frame.columns))
    assert got.error_count == count


@given(
    frame=pairs(st.binary(max_size=40), pl.Binary),
    name=st.sampled_from(["same", "later", "strict"]),
    config=configs,
)
def test_bytes_are_as_strings(frame, name, config):
    """Laws 2 and 3 for binary columns, which may hold anything."""
    assert check(PLUGINS[name], frame, config=config).frame[name].dtype == pl.Binary
