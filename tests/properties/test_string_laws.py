"""The laws over strings and bytes: all of Unicode, nulls, slices, chunks, threads, both forms of a kernel."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal

import dataflare_vec as dfv
from dataflare_vec.arrow import string_builders
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.engine.stages import fused


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


def found(s, t):
    return s.find(t), s[::-1], int(s.isalpha())


def number(s, t):
    return int(s) + len(t)


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


KERNELS = {f.__name__: f for f in (same, later, pair, told, changed, found, number, strict, ordered)}
PLUGINS = {
    name: define(f, name=name, form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
    for name, f in KERNELS.items()
}
FILTERS = [
    define(f, name=f.__name__, form=Form.ROW, plugin_type=dfv.PluginType.FILTER) for f in (ordered, careful)
]

configs = st.builds(
    dfv.BatchConfig,
    default_batch_size=st.sampled_from([1, 64, 128, 1 << 17]),
    parallelism=st.sampled_from([1, 2, 5]),
)
# Short ones lie in their views; ASCII takes the fast form; the long ones need data buffers.
texts = st.one_of(
    st.text("abnz", max_size=14),
    st.text(st.characters(max_codepoint=127), max_size=40),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(
        ["12", " -7 ", "1_0", "٣", "", "a" * 12, "a" * 13, "ä" * 6, "é" * 7, "\0", "x" * 100, "𝄞" * 40]
    ),
)


@st.composite
def frames(draw, values=texts):
    """Two columns of strings or bytes with nulls, sliced and in several chunks."""
    ascii_only = draw(st.booleans())
    rows = draw(st.integers(0, 150))
    drawn = draw(st.lists(st.none() | values, min_size=2, max_size=12))
    if ascii_only:
        drawn = [None if v is None or not v.isascii() else v for v in drawn]
    picks = draw(st.lists(st.integers(0, len(drawn) - 1), min_size=2, max_size=40))
    dtype = pl.Binary if any(isinstance(v, bytes) for v in drawn) else pl.String
    columns = [
        pl.Series(name, [drawn[picks[(i * step) % len(picks)]] for i in range(rows)], dtype=dtype)
        for name, step in (("s", 1), ("t", 3))
    ]
    frame = pl.DataFrame(columns)[draw(st.integers(0, max(rows - 1, 0))) :]
    if draw(st.booleans()):
        cut = draw(st.integers(0, frame.height))
        frame = pl.concat([frame[cut:], frame[:cut]], rechunk=False)
    return frame


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    """Let small frames go through several blocks, and columns through several data buffers."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_SMALLEST", "_LARGEST", "_BLOCK_BYTES"):
            patch.setattr(fused, name, 64)
        patch.setattr(string_builders, "_FIRST_BYTES", 1)
        yield


def interpret(plugin, frame):
    """What the plain function makes of each row: (values, exception)."""
    rows = []
    for values in frame.select("s", "t").iter_rows():
        pairs = zip(values, plugin.parameters, strict=False)
        if any(value is None and not parameter.nullable for value, parameter in pairs):
            rows.append((None, None))
            continue
        try:
            rows.append((plugin.function(*values), None))
        except ValueError as error:
            rows.append((None, error))
    return rows


@given(frame=frames(), name=st.sampled_from(list(PLUGINS)), config=configs)
def test_compiled_is_interpreted(frame, name, config):
    """Laws 2 and 3: the same strings, nulls and errors as the plain function."""
    result = dfv.run(frame, PLUGINS[name], keep=False, config=config)
    expected = interpret(PLUGINS[name], frame)
    failed = [(i, str(error)) for i, (_, error) in enumerate(expected) if error is not None]
    assert result.errors.select("row", "message").rows() == failed
    columns = result.frame.columns
    for i, column in enumerate(columns):
        values = [None if v is None else (v[i] if len(columns) > 1 else v) for v, _ in expected]
        got = result.frame[column]
        assert_series_equal(got, pl.Series(column, values, dtype=got.dtype))


@given(frame=frames(), name=st.sampled_from(list(PLUGINS)), config=configs)
def test_chunking_never_shows(frame, name, config):
    """Law 1."""
    whole = dfv.BatchConfig(default_batch_size=1 << 20, enable_parallel=False)
    expected = dfv.run(frame.rechunk(), PLUGINS[name], config=whole)
    got = dfv.run(frame, PLUGINS[name], config=config)
    assert_frame_equal(got.frame, expected.frame)
    assert_frame_equal(got.errors, expected.errors)


@given(frame=frames(), config=configs, plugin=st.sampled_from(FILTERS))
def test_no_row_is_lost(frame, config, plugin):
    """Law 4 for filters over strings."""
    numbered = frame.with_row_index("row")
    result = dfv.run(numbered, plugin, on_error="drop", config=config)
    outcomes = interpret(plugin, frame)
    kept = [i for i, (value, _) in enumerate(outcomes) if value is True]
    assert result.frame["row"].to_list() == kept
    assert result.errors["row"].to_list() == [i for i, (_, error) in enumerate(outcomes) if error]
    assert len(kept) + result.filtered_count + result.error_count == frame.height


@given(
    frame=frames(),
    names=st.lists(
        st.sampled_from(["same", "later", "told", "changed", "strict", "careful"]), min_size=2, max_size=4
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
    frame=frames(st.binary(max_size=40)), name=st.sampled_from(["same", "later", "strict"]), config=configs
)
def test_bytes_are_as_strings(frame, name, config):
    """Laws 2 and 3 for binary columns, which may hold anything."""
    result = dfv.run(frame, PLUGINS[name], keep=False, config=config)
    expected = interpret(PLUGINS[name], frame)
    assert result.frame[name].dtype == (pl.Binary if frame.dtypes[0] == pl.Binary else pl.String)
    assert result.frame[name].to_list() == [value for value, _ in expected]
    assert result.error_count == sum(error is not None for _, error in expected)
