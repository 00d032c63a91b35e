"""Whatever runs batch by batch binds and plans once, and runs the same stages over all batches."""

from __future__ import annotations

import pickle

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.engine.planning import request as requests
from dataflare_vec.engine.planning.plan import Plan

BATCHES = 20
FRAME = pl.DataFrame({"x": range(100), "y": [float(i % 7) for i in range(100)]})


@dfv.plugin
def batches_weighted(x, y, weight=2.0):
    return x * weight + y


@dfv.scan(init=0)
def batches_total(state, x):
    state += x
    return state, state


@dfv.reduce(init=0)
def batches_sum(state, x):
    return state + x


@dfv.filter
def batches_even(x):
    return x % 2 == 0


@dfv.expression
def batches_root(y):
    return y.sqrt()


PIPELINE = [
    dfv.step("batches_weighted", weight=3.0, output="w"),
    dfv.step("batches_even"),
    dfv.step("batches_total", output="first"),
    dfv.step("batches_total", output="second", x=pl.col("x") + 1),
    dfv.step("batches_root"),
]


def slices():
    return list(FRAME.iter_slices(FRAME.height // BATCHES))


def from_reader(plugin, **options):
    reader = pa.RecordBatchReader.from_batches(
        FRAME.to_arrow().schema, [batch for one in slices() for batch in one.to_arrow().to_batches()]
    )
    return pl.DataFrame(pl.from_arrow(dfv.apply(reader, plugin, **options).read_all()))


def from_stream(plugin, **options):
    # Each batch is passed on at once, so that none are joined.
    stream = dfv.stream(iter(slices()), plugin, max_latency=1e-6, **options)
    frame = pl.concat(list(stream))
    assert stream.result.batches > 1
    return frame


def from_files(plugin, folder, **options):
    for i, one in enumerate(slices()):
        one.write_parquet(folder / f"{i:02}.parquet")
    return pl.concat(list(dfv.stream(folder, plugin, **options)))


@pytest.fixture
def counted(monkeypatch):
    """Return how often steps were bound and planned."""
    counts = {"bound": 0, "planned": 0}
    bind, plan = requests.bind_steps, Plan.__init__

    def binding(*args, **kwargs):
        counts["bound"] += 1
        return bind(*args, **kwargs)

    def planning(self, *args, **kwargs):
        counts["planned"] += 1
        plan(self, *args, **kwargs)

    monkeypatch.setattr(requests, "bind_steps", binding)
    monkeypatch.setattr(Plan, "__init__", planning)
    return counts


@pytest.mark.parametrize(
    "plugin",
    [PIPELINE, "batches_weighted", "batches_sum", "batches_total"],
    ids=["pipeline", "kernel", "reduce", "scan"],
)
@pytest.mark.parametrize("road", ["reader", "stream", "files"])
def test_many_batches_are_bound_and_planned_once(plugin, road, counted, tmp_path):
    roads = {
        "reader": from_reader,
        "stream": from_stream,
        "files": lambda plugin: from_files(plugin, tmp_path),
    }
    found = roads[road](plugin)
    assert counted == {"bound": 1, "planned": 1}
    assert_frame_equal(found, dfv.apply(FRAME, plugin))


def test_a_query_plans_an_expression_for_the_first_of_its_batches(counted):
    expression = dfv.expr("batches_weighted", "x", "y", weight=3.0)
    frames = list(FRAME.lazy().select(expression).collect_batches(chunk_size=5, engine="streaming"))
    by_query = counted["planned"]
    assert_frame_equal(pl.concat(frames), FRAME.select(expression))
    assert by_query <= 4  # Polars asks for the dtype; threads that come at once each make one
    twice = pickle.loads(pickle.dumps(FRAME.lazy().select(expression)))
    assert_frame_equal(twice.collect(), FRAME.select(expression))


def test_an_expression_is_planned_for_other_types_too():
    """The result's stays the same: Polars remembers that of an expression which calls Python."""
    expression = dfv.expr("batches_weighted", "x", "y", weight=2.0)
    narrow = FRAME.with_columns(pl.col("x").cast(pl.Int8), pl.col("y").cast(pl.Int16))
    for frame in (FRAME, narrow, FRAME):
        expected = frame.select(dfv.expr("batches_weighted", "x", "y", weight=2.0))
        assert_frame_equal(frame.select(expression), expected)


def test_a_function_of_duckdb_is_planned_once(counted):
    import duckdb

    with duckdb.connect() as connection:
        dfv.duckdb.register(connection, "batches_weighted", weight=3.0)
        rows = connection.execute("select sum(batches_weighted(range, 1)) from range(10000)").fetchone()
    assert rows == (3.0 * sum(range(10000)) + 10000,)
    assert counted["planned"] == 1


@pytest.mark.parametrize("road", [from_reader, from_stream])
def test_rows_that_fail_count_from_the_first_batch(road):
    @dfv.plugin(replace=True)
    def batches_share(x):
        return 100 // (x - 63)

    with pytest.raises((dfv.RowError, pa.ArrowInvalid), match=r"row 63\b"):
        road(batches_share)


def test_what_a_pipeline_carries_is_named_in_each_batch():
    stream = dfv.stream(iter(slices()), PIPELINE, max_latency=1e-6)
    list(stream)
    expected = dfv.run(FRAME, PIPELINE)
    assert stream.state == expected.state
    assert list(stream.state) == ["batches_total", "batches_total (2)"]


@pytest.mark.parametrize("road", [from_reader, from_stream])
def test_a_reduce_is_finished_after_the_last_batch_and_not_before(road):
    @dfv.reduce(init=0, finish=lambda state: 100 // (state - 10), replace=True)
    def batches_late(state, x):
        return state + x

    frame = road(batches_late)  # after the first batch, of 0 to 4, it would fail
    assert_frame_equal(frame, dfv.apply(FRAME, batches_late))


@pytest.mark.parametrize("road", [from_reader, from_stream])
def test_a_reduce_whose_finish_needs_a_row(road):
    @dfv.reduce(init=0, finish=lambda state: 100 // state, replace=True)
    def batches_some(state, x):
        return state + x

    assert_frame_equal(road(batches_some), dfv.apply(FRAME, batches_some))
