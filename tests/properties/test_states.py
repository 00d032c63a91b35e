"""The laws for what carries a state: scans and reduces, with keys and without."""

from __future__ import annotations

import pickle

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.engine.stages import partitioned
from testing.oracle import as_numpy, fold, key_of
from testing.stateful import REDUCES, SCANS, frames_of
from testing.strategies import configs

pytestmark = pytest.mark.usefixtures("all_roads")

KEYS = {
    "none": None,
    "int": "i",
    "string": "s",
    "several": ["i", "s", "f"],
    "expression": [pl.col("i") % 2, "s"],
}
keys = st.sampled_from(list(KEYS))


def folded(plugin, frame, by):
    """What the plain function makes of the rows, with NumPy's floats."""
    reads = [parameter.name for parameter in plugin.parameters if parameter.is_column]
    keys = None if by is None else map(key_of, frame.select(by).iter_rows())
    return fold(plugin, as_numpy(frame.select(reads)), keys)


def columns_of(values, count):
    """A tuple's items as columns; all null where there is no tuple."""
    rows = [v if isinstance(v, tuple) else (v,) * count for v in values]
    return [[None if row[i] is None else float(row[i]) for row in rows] for i in range(count)]


@given(frames_of(), keys, st.sampled_from(list(SCANS)), configs)
def test_scan_is_the_plain_function_row_by_row(frame, key, name, config):
    by, scan = KEYS[key], SCANS[name]
    before = frame.clone()
    values, failed, states = folded(scan, frame, by)
    result = dfv.run(frame, scan, by=by, config=config)
    new = result.frame.drop(frame.columns)
    expected = columns_of(values, new.width)
    assert [column.cast(pl.Float64).to_list() for column in new] == expected
    assert result.error_count == len(failed)
    assert result.errors["row"].to_list() == failed[: result.max_error_details]
    assert set(result.errors["error"]) <= {"ValueError"}
    if by is None:
        wanted = states.get((), scan.stateful.init)
        np.testing.assert_equal(np.asarray(result.state, float), np.asarray(wanted, float))
        assert type(result.state) is type(wanted) or name == "smooth"
    else:
        got = [key_of(k if isinstance(k, tuple) else (k,)) for k in result.state]
        assert got == list(states)
        for one, wanted in zip(result.state.values(), states.values(), strict=True):
            np.testing.assert_equal(np.asarray(one, float), np.asarray(wanted, float))
    assert_frame_equal(frame, before)


@given(frames_of(), keys, st.sampled_from(list(SCANS)), configs, configs)
def test_chunks_and_threads_never_show(frame, key, name, one, other):
    by, scan = KEYS[key], SCANS[name]
    first = dfv.run(frame, scan, by=by, config=one)
    second = dfv.run(frame, scan, by=by, config=other)
    assert_frame_equal(first.frame, second.frame, check_exact=True)
    assert_frame_equal(first.errors, second.errors)


@given(frames_of(), keys, st.sampled_from(list(SCANS)), st.data())
def test_going_on_is_as_if_there_had_been_no_break(frame, key, name, data):
    by, scan = KEYS[key], SCANS[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, frame.height), max_size=3)))
    whole = dfv.run(frame, scan, by=by)
    state, parts = None, []
    for start, stop in zip([0, *cuts], [*cuts, frame.height], strict=True):
        part = dfv.run(frame[start:stop], scan, by=by, state=state)
        state = pickle.loads(pickle.dumps(part.state))
        parts.append(part.frame)
    assert_frame_equal(pl.concat(parts), whole.frame, check_exact=True)
    assert repr(state) == repr(whole.state)
    if by is not None:
        assert_frame_equal(state.to_frame(), whole.state.to_frame(), check_exact=True)


@given(frames_of(), keys, st.sampled_from(list(SCANS)), st.integers(1, 100))
def test_a_stream_carries_the_state_from_batch_to_batch(frame, key, name, size):
    by, scan = KEYS[key], SCANS[name]
    reader = pl_reader(frame, size)
    got = pl.from_arrow(dfv.apply(reader, scan, by=by, on_error="null").read_all())
    assert_frame_equal(got, dfv.run(frame, scan, by=by).frame, check_exact=True)


def pl_reader(frame, size):
    import pyarrow as pa

    table = frame.to_arrow()
    return pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=size))


@given(frames_of(), keys, st.sampled_from(list(SCANS)))
def test_lazily_too(frame, key, name):
    by, scan = KEYS[key], SCANS[name]
    lazy = frame.lazy().pipe(dfv.apply, scan, by=by, on_error="null")
    eager = dfv.run(frame, scan, by=by).frame
    assert_frame_equal(lazy.collect(), eager, check_exact=True)
    assert_frame_equal(lazy.collect(engine="streaming"), eager, check_exact=True)


@given(frames_of(), st.sampled_from(list(SCANS)))
def test_over_has_a_state_for_each_group(frame, name):
    scan = SCANS[name]
    columns = ["x", "y"][: sum(p.is_column for p in scan.parameters)]
    got = frame.select(dfv.expr(scan, *columns, on_error="null").over("i", "s"))
    wanted = dfv.run(frame, scan, by=["i", "s"]).frame.drop(frame.columns)
    if wanted.width > 1:
        got = got.to_series().struct.unnest()
    assert [s.to_list() for s in got] == [s.to_list() for s in wanted]


def dropped(x):
    return x < 40


KEEP = define(dropped, name="dropped", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)


@given(frames_of(), keys, st.sampled_from(list(SCANS)), configs)
def test_rows_that_were_filtered_out_are_not_seen(frame, key, name, config):
    by, scan = KEYS[key], SCANS[name]
    got = dfv.run(frame, [KEEP, dfv.step(scan, by=by)], config=config)
    kept = frame.pipe(dfv.apply, KEEP)
    wanted = dfv.run(kept, scan, by=by)
    assert_frame_equal(got.frame, wanted.frame, check_exact=True)
    assert repr(got.state[name]) == repr(wanted.state)


@given(frames_of(), keys, st.sampled_from(list(REDUCES)), configs)
def test_reduce_is_the_plain_function_row_by_row(frame, key, name, config):
    by, reduce = KEYS[key], REDUCES[name]
    _, failed, states = folded(reduce, frame, by)
    if by is None:
        states = states or {(): reduce.stateful.init}
    result = dfv.run(frame, reduce, by=by, config=config)
    assert result.error_count == len(failed)
    finish = reduce.stateful.finish
    values = [finish(s) if finish else s for s in states.values()]
    width = 1 if finish else 3
    new = result.frame[:, -width:]
    assert [column.cast(pl.Float64).to_list() for column in new] == columns_of(values, width)
    if by is not None:
        got = [key_of(row) for row in result.frame[:, :-width].iter_rows()]
        assert got == list(states)


@pytest.mark.parametrize("name", REDUCES)
@given(frames_of(400), configs, st.data())
def test_blocks_are_the_same_for_any_chunks_threads_and_batches(name, frame, config, data):
    reduce = REDUCES[name]
    rows = partitioned.PARTITION_ROWS
    partitioned.PARTITION_ROWS = data.draw(st.sampled_from([1, 7, 64, 100]))
    try:
        wanted = dfv.run(frame, reduce, config=dfv.BatchConfig(enable_parallel=False)).frame
        assert_frame_equal(dfv.run(frame, reduce, config=config).frame, wanted, check_exact=True)
        reader = pl_reader(frame, data.draw(st.integers(1, 200)))
        streamed = pl.from_arrow(dfv.apply(reader, reduce, on_error="null").read_all())
        assert_frame_equal(streamed, wanted, check_exact=True)
    finally:
        partitioned.PARTITION_ROWS = rows


@given(frames_of(), st.sampled_from(list(REDUCES)))
def test_aggregations_are_reduces_by_key(frame, name):
    reduce = REDUCES[name]
    wanted = frame.pipe(dfv.run, reduce, by=["i", "s"]).frame
    values = wanted.drop("i", "s")
    grouped = frame.group_by("i", "s", maintain_order=True).agg(dfv.expr(reduce, "x", on_error="null"))
    got = grouped.to_series(2)
    lazily = frame.lazy().pipe(dfv.apply, reduce, by=["i", "s"], on_error="null").collect()
    assert_frame_equal(lazily, wanted, check_exact=True)
    assert_frame_equal(grouped.select("i", "s"), wanted.select("i", "s"))
    if frame.height:
        got = got if values.width == 1 else got.struct.unnest().to_struct()
        wanted_values = values.to_series() if values.width == 1 else values.to_struct()
        assert_series_equal(got, wanted_values, check_names=False, check_exact=True)
