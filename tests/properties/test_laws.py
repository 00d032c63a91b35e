"""The laws of the library, over dtypes × nulls × slices × chunks × threads.

The oracle is a kernel's plain Python function, called row by row; a float divides by zero as NumPy's do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from testing.oracle import WHOLE, as_numpy, check, identical, interpret, plugin, plugins
from testing.strategies import FLOATS, INTEGERS, TEMPORAL, configs, frames

pytestmark = pytest.mark.usefixtures("all_roads")

ALL = [*INTEGERS, *FLOATS, pl.Boolean, *TEMPORAL]


class Both(NamedTuple):
    low: float
    inside: bool


def first(x, y):
    return x


def less(x, y):
    return x < y


def pick(x, y):
    if y > 3:
        return None
    return x


def named(x, y, limit=1.5):
    low = float(x) if x < y else float(y)
    return Both(low, low < limit)


def filled(x: object | None, y):
    if x is None:
        return -1.0
    return x * 0.5


def maybe(x: object | None, y: object | None):
    if x is None or y is None:
        return None
    return x <= y


def half(x, y):
    if y > 100:
        raise ValueError("y is large")
    return x * 0.5


PLUGINS = plugins(first, less, pick, named, filled, maybe, half)


def tame(x, y):
    if y > 100:
        raise ValueError("y is large")
    return x < 50


KEEP_TAME = plugin(tame, "filter")
KEEP_LESS = plugin(less, "filter")


@st.composite
def pairs(draw, dtypes=ALL):
    """Two columns of any listed dtype."""
    dtype = draw(st.sampled_from(dtypes))
    # Few pairs: each is a compilation. Int64 meets every type, and each type meets itself.
    other = dtype if dtype in TEMPORAL else draw(st.sampled_from([dtype, pl.Int64]))
    return draw(frames(st.integers(0, 300), x=dtype, y=other))


names = st.sampled_from(list(PLUGINS))


@given(frame=pairs(), name=names, config=configs)
def test_compiled_is_interpreted(frame, name, config):
    """Law 2 and 3: the same values, nulls and errors as the plain function."""
    check(PLUGINS[name], frame, rows=as_numpy(frame), config=config)


@given(frame=pairs(), name=names, config=configs)
def test_chunking_never_shows(frame, name, config):
    """Law 1: the same bits for each cutting into chunks and each number of threads."""
    expected = dfv.run(frame.rechunk(), PLUGINS[name], config=WHOLE)
    got = dfv.run(frame, PLUGINS[name], config=config)
    assert identical(got.frame, expected.frame)
    assert got.errors.equals(expected.errors)


@pytest.mark.parametrize(
    "expression",
    [
        pl.col("x") + pl.col("y"),
        pl.col("x") / pl.col("y"),
        pl.col("x") % pl.col("y"),
        pl.col("x") - pl.col("x").mean(),
        pl.col("x").cum_sum(),
        pl.col("x").shift(1),
        pl.col("x").rank(),
        pl.col("x").sum().over("y"),
        pl.col("x").max(),
        pl.col("x").fill_null(strategy="forward"),
        pl.int_range(pl.len()),
        pl.lit(3),
    ],
    ids=str,
)
@given(frame=pairs(dtypes=[pl.Float64, pl.Int32]), config=configs)
def test_expressions_are_never_wrong(expression, frame, config):
    """Law 1 for expressions: what isn't row-separable isn't split."""
    e = define(expression, name="e", form=Form.EXPRESSION, plugin_type=dfv.PluginType.TRANSFORMER)
    got = dfv.apply(frame, e, config=config)
    assert_frame_equal(got, frame.with_columns(e=expression), check_exact=True)


@given(frame=pairs(dtypes=[*INTEGERS, *FLOATS]), config=configs, keep=st.sampled_from([KEEP_LESS, KEEP_TAME]))
def test_no_row_is_lost(frame, config, keep):
    """Law 4: rows in = rows out + rows filtered + rows failed, in the order they came."""
    numbered = frame.with_row_index("row")
    filtered = dfv.run(numbered, keep, config=config)
    assert filtered.frame.height + filtered.filtered_count + filtered.error_count == frame.height
    outcomes = interpret(keep, as_numpy(frame))
    expected = numbered[[row for row, outcome in enumerate(outcomes) if outcome.value]]
    assert identical(filtered.frame, expected)
    assert filtered.errors["row"].to_list() == [i for i, (_, error) in enumerate(outcomes) if error]
    dropped = dfv.run(numbered, PLUGINS["half"], on_error="drop", config=config)
    assert dropped.frame.height + dropped.error_count == frame.height
    rows = [*dropped.frame["row"], *dropped.errors["row"]]
    assert sorted(rows) == list(range(frame.height))
    assert dropped.frame["row"].is_sorted()


@given(frame=pairs(), name=names, config=configs)
def test_input_is_never_changed(frame, name, config):
    """Law 6, also for the data that lies under nulls and outside of a slice."""
    before = frame.clone().to_arrow().to_batches()
    bytes_before = [[b.to_pybytes() if b else None for c in r.columns for b in c.buffers()] for r in before]
    dfv.run(frame, PLUGINS[name], config=config)
    after = frame.to_arrow().to_batches()
    assert bytes_before == [
        [b.to_pybytes() if b else None for c in r.columns for b in c.buffers()] for r in after
    ]


@given(frame=pairs(dtypes=[pl.Float64]), config=configs)
def test_what_lies_under_a_null_never_shows(frame, config):
    """Law 3: the same result whatever value a null covers, and no exception for it."""
    import pyarrow as pa

    valid = frame["y"].is_not_null().to_numpy()
    outcomes = []
    for hidden in (0.0, 1e9, float("nan")):
        values = np.where(valid, frame["y"].fill_null(0).cast(pl.Float64).to_numpy(), hidden)
        bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
        array = pa.Array.from_buffers(pa.float64(), len(values), [bitmap, pa.py_buffer(values)])
        covered = frame.with_columns(y=pl.Series(array, dtype=pl.Float64))
        outcomes.append(dfv.run(covered, PLUGINS["half"], keep=False, config=config))
    for other in outcomes[1:]:
        assert_frame_equal(other.frame, outcomes[0].frame, check_exact=True)
        assert other.error_count == outcomes[0].error_count
