"""The laws of the library, over dtypes × nulls × slices × chunks × threads.

The oracle is a kernel's plain Python function, called row by row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal
from polars.testing.parametric import column, dataframes

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define

INTEGERS = [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64]
FLOATS = [pl.Float32, pl.Float64]
TEMPORAL = [pl.Date, pl.Time, pl.Datetime("us", "Europe/Paris"), pl.Duration("ms")]
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


ROW_KERNELS = [first, less, pick, named, filled, maybe, half]
PLUGINS = {
    f.__name__: define(f, name=None, form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
    for f in ROW_KERNELS
}


def tame(x, y):
    if y > 100:
        raise ValueError("y is large")
    return x < 50


KEEP_TAME = define(tame, name="tame", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)
KEEP_LESS = define(less, name="less", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)

configs = st.builds(
    dfv.BatchConfig,
    default_batch_size=st.sampled_from([1, 64, 128, 1 << 17]),
    parallelism=st.sampled_from([1, 2, 5]),
)


@st.composite
def frames(draw, dtypes=ALL):
    """Two columns of any listed dtype, with nulls, sliced and in several chunks."""
    dtype = draw(st.sampled_from(dtypes))
    # Few pairs: each is a compilation. Int64 meets every type, and each type meets itself.
    other = dtype if dtype in TEMPORAL else draw(st.sampled_from([dtype, pl.Int64]))
    columns = [column("x", dtype, allow_null=True), column("y", other, allow_null=True)]
    whole = draw(dataframes(columns, min_size=0, max_size=300, allow_chunks=True))
    start = draw(st.integers(0, max(0, whole.height - 1)))
    frame = whole[start:]
    if draw(st.booleans()):
        cut = draw(st.integers(0, frame.height))
        frame = pl.concat([frame[cut:], frame[:cut]], rechunk=False)
    return frame


def interpret(plugin, frame):
    """What the plain function makes of each row: (values, exception)."""
    parameters = plugin.parameters
    rows = []
    physical = frame.select(pl.col("x", "y").to_physical())
    for values in physical.iter_rows():
        arguments, skip = [], False
        for parameter, value, dtype in zip(parameters, values, frame.dtypes, strict=False):
            if value is None and not parameter.nullable:
                skip = True
            if value is not None and dtype.is_float():
                value = (np.float32 if dtype == pl.Float32 else np.float64)(value)
            arguments.append(value)
        if skip:
            rows.append((None, None))
            continue
        try:
            rows.append((plugin.function(*arguments), None))
        except ValueError as error:
            rows.append((None, error))
    return rows


@given(frame=frames(), name=st.sampled_from([f.__name__ for f in ROW_KERNELS]), config=configs)
def test_compiled_is_interpreted(frame, name, config):
    """Law 2 and 3: the same values, nulls and errors as the plain function."""
    plugin = PLUGINS[name]
    result = dfv.run(frame, plugin, keep=False, config=config)
    expected = interpret(plugin, frame)
    failed = [i for i, (_, error) in enumerate(expected) if error is not None]
    assert result.error_count == len(failed)
    assert result.errors["row"].to_list() == failed[:1000]
    assert set(result.errors["message"]) <= {"y is large"}
    columns = result.frame.columns
    for i, name in enumerate(columns):
        values = [
            None if value is None else (value[i] if len(columns) > 1 else value) for value, _ in expected
        ]
        got = result.frame[name]
        assert_series_equal(
            got, pl.Series(name, [None if v is None else v for v in values], dtype=got.dtype, strict=False)
        )


@given(frame=frames(), name=st.sampled_from([f.__name__ for f in ROW_KERNELS]), config=configs)
def test_chunking_never_shows(frame, name, config):
    """Law 1: the same bits for each cutting into chunks and each number of threads."""
    whole = dfv.BatchConfig(default_batch_size=1 << 20, enable_parallel=False)
    plugin = PLUGINS[name]
    expected = dfv.run(frame.rechunk(), plugin, config=whole)
    got = dfv.run(frame, plugin, config=config)
    assert_frame_equal(got.frame, expected.frame, check_exact=True)
    assert_frame_equal(got.errors, expected.errors, check_exact=True)


@pytest.mark.parametrize(
    "expression",
    [
        pl.col("x") + pl.col("y"),
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
@given(frame=frames(dtypes=[pl.Float64, pl.Int32]), config=configs)
def test_expressions_are_never_wrong(expression, frame, config):
    """Law 1 for expressions: what isn't row-separable isn't split."""
    plugin = define(expression, name="e", form=Form.EXPRESSION, plugin_type=dfv.PluginType.TRANSFORMER)
    got = dfv.apply(frame, plugin, config=config)
    assert_frame_equal(got, frame.with_columns(e=expression), check_exact=True)


@given(
    frame=frames(dtypes=[*INTEGERS, *FLOATS]), config=configs, keep=st.sampled_from([KEEP_LESS, KEEP_TAME])
)
def test_no_row_is_lost(frame, config, keep):
    """Law 4: rows in = rows out + rows filtered + rows failed, in the order they came."""
    numbered = frame.with_row_index("row")
    filtered = dfv.run(numbered, keep, config=config)
    assert filtered.frame.height + filtered.filtered_count + filtered.error_count == frame.height
    outcomes = interpret(keep, frame)
    expected = numbered.filter(
        pl.Series([value is True or value is np.True_ for value, _ in outcomes], dtype=bool)
    )
    assert_frame_equal(filtered.frame, expected)
    assert filtered.errors["row"].to_list() == [i for i, (_, error) in enumerate(outcomes) if error]
    dropped = dfv.run(numbered, PLUGINS["half"], on_error="drop", config=config)
    assert dropped.frame.height + dropped.error_count == frame.height
    rows = [*dropped.frame["row"], *dropped.errors["row"]]
    assert sorted(rows) == list(range(frame.height))
    assert dropped.frame["row"].is_sorted()


@given(frame=frames(), name=st.sampled_from([f.__name__ for f in ROW_KERNELS]), config=configs)
def test_input_is_never_changed(frame, name, config):
    """Law 6, also for the data that lies under nulls and outside of a slice."""
    before = frame.clone().to_arrow().to_batches()
    bytes_before = [[b.to_pybytes() if b else None for c in r.columns for b in c.buffers()] for r in before]
    dfv.run(frame, PLUGINS[name], config=config)
    after = frame.to_arrow().to_batches()
    assert bytes_before == [
        [b.to_pybytes() if b else None for c in r.columns for b in c.buffers()] for r in after
    ]


@given(frame=frames(dtypes=[pl.Float64]), config=configs)
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
