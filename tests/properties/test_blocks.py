"""The laws for reduces that take their rows by blocks."""

from __future__ import annotations

import pickle
from functools import reduce

import numba
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition import blocks
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.engine.stages import partitioned
from testing.oracle import as_numpy, same, stored
from testing.stateful import START, SUMMED, WEIGHED, Sums, joined, stateful, summed, sums_of
from testing.strategies import configs, frames

ROWS = 5  # of a block


@pytest.fixture(scope="module", autouse=True)
def _short_blocks():
    """Blocks that small frames fill."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_ROWS", ROWS)
        yield


def expected(plugin, frame, partition_rows):
    """What the plain functions make of the rows, a block at a time."""
    stateful, kinds = plugin.stateful, blocks.kinds_of(plugin, frame.dtypes)
    rows, states = list(as_numpy(frame)), []
    for start in range(0, len(rows), partition_rows):
        state = stateful.init
        there = [row for row in rows[start : start + partition_rows] if None not in row]
        for i in range(0, len(there), ROWS):
            arrays = map(np.array, zip(*there[i : i + ROWS], strict=True), kinds)
            state = stateful.block(state, *arrays)
        states.append(state)
    return stateful.finish(reduce(stateful.merge, states or [stateful.init]))


def check(plugin, frame, config, size, partition_rows):
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(partitioned, "PARTITION_ROWS", partition_rows)
        wanted = expected(plugin, frame, partition_rows)
        got = dfv.run(frame, plugin, config=config)
        values = [stored(value, dtype) for value, dtype in zip(wanted, got.frame.dtypes, strict=True)]
        assert same(list(got.frame.row(0)), values)
        reader = frame.to_arrow()
        reader = pa.RecordBatchReader.from_batches(reader.schema, reader.to_batches(max_chunksize=size))
        assert_frame_equal(pl.from_arrow(dfv.apply(reader, plugin).read_all()), got.frame, check_exact=True)
    return got


partitions = st.sampled_from([1, 4, 7, 64])


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32, pl.Int8, pl.UInt32, pl.Int64], ids=str)
@given(data=st.data(), config=configs, size=st.integers(1, 40), rows=partitions)
def test_blocks_are_the_plain_function_block_by_block(dtype, data, config, size, rows):
    check(SUMMED, data.draw(frames(st.integers(0, 200), x=dtype)), config, size, rows)


numbers = st.floats(-1e3, 1e3)


@given(
    frames(st.integers(0, 200), x=(numbers, pl.Float64), weight=(st.integers(0, 90), pl.Int16)),
    configs,
    st.integers(1, 40),
    partitions,
)
def test_several_columns(frame, config, size, rows):
    check(WEIGHED, frame, config, size, rows)


@pytest.mark.usefixtures("all_roads")
@given(frames(st.integers(0, 200), x=(numbers, pl.Float64)), configs)
def test_rows_that_were_filtered_out_are_in_no_block(frame, config):
    keep = define(lambda x: x < 0, name="keep", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)
    got = dfv.run(frame, [keep, dfv.step(SUMMED)], config=config).frame
    there = frame.with_columns(x=pl.when(pl.col("x") < 0).then("x"))
    assert_frame_equal(got, dfv.apply(there, SUMMED), check_exact=True)


@given(frames(st.integers(0, 100), x=(numbers, pl.Float64)), st.integers(0, 100))
def test_the_state_is_that_of_the_function(frame, cut):
    first = dfv.run(frame[:cut], SUMMED)
    assert isinstance(first.state, Sums)
    rest = dfv.run(frame[cut:], SUMMED).state
    again = dfv.run(frame[cut:], SUMMED, state=pickle.loads(pickle.dumps(first.state)))
    assert same(tuple(again.state), tuple(joined(first.state, rest)))


def test_where_there_are_no_blocks():
    df = pl.DataFrame({"key": ["a", "b", "a"], "x": [1.0, 2.0, 4.0]})
    assert dfv.apply(df, SUMMED)["blocks"].to_list() == [1]
    by_key = dfv.apply(df, SUMMED, by="key")
    assert by_key["blocks"].to_list() == [0, 0]
    assert by_key["total"].to_list() == [5.0, 2.0]
    large = df.with_columns(pl.col("x").cast(pl.UInt64))  # computed with in more than 64 bits
    assert dfv.apply(large, SUMMED)["blocks"].to_list() == [0]


def test_functions_that_numba_compiles_already():
    jitted = stateful(
        summed,
        Form.REDUCE,
        init=START,
        merge=numba.njit(joined),
        finish=numba.njit(lambda s: s),
        block=numba.njit(sums_of),
    )
    df = pl.DataFrame({"x": np.arange(12.0)})
    assert_frame_equal(dfv.apply(df, jitted), dfv.apply(df, SUMMED), check_exact=True)
    assert same(tuple(dfv.run(df, jitted).state), tuple(dfv.run(df, SUMMED).state))


def test_a_block_that_raises_fails_the_row_that_fills_it():
    df = pl.DataFrame({"x": [1.0] * 12, "weight": [1] * 11 + [91]})
    with pytest.raises(dfv.RowError, match=r"`finish` failed .*ValueError: a large weight"):
        dfv.apply(df, WEIGHED)
    failed = dfv.run(df[::-1], WEIGHED, on_error="null")
    assert failed.errors["row"].to_list() == list(range(ROWS - 1, 12))
    assert failed.errors["error"].unique().to_list() == ["ValueError"]


def test_what_a_block_must_be():
    about = {"merge": joined, "finish": lambda s: s}
    for message, function, more in [
        ("`block` must be a function, got int", summed, {**about, "block": 3}),
        ("`block` must take what the function takes", summed, {**about, "block": lambda s: s}),
        ("`block` needs `merge` and `finish`", summed, {"block": sums_of}),
        ("without constants", lambda s, x, q=1: s, {**about, "block": lambda s, x, q: s}),
    ]:
        with pytest.raises(dfv.PluginDefinitionError, match=message):
            define(
                function,
                name="f",
                form=Form.REDUCE,
                plugin_type=dfv.PluginType.AGGREGATOR,
                init=START,
                **more,
            )


def test_a_block_that_does_not_compile_is_named():
    wrong = stateful(
        summed, Form.REDUCE, init=START, merge=joined, finish=lambda s: s, block=lambda s, x: s.nothing
    )
    with pytest.raises(dfv.KernelCompileError, match="nothing"):
        dfv.apply(pl.DataFrame({"x": [1.0]}), wrong)
