"""Scans, reduces and dropped rows in a lazy query: what is read and computed for it, and what is left."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time

import polars as pl
import pytest
from polars.io.plugins import register_io_source
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define

ROWS, BATCH = 200_000, 1000
FRAME = pl.DataFrame(
    {"x": [float(i % 1001) for i in range(ROWS)], "key": [i % 7 for i in range(ROWS)], "other": "text"}
)


def running(state, x):
    return state * 0.5 + x, state


def total(state, x):
    return state * 0.5 + x


def picky(x):
    if x == 1000:
        raise ValueError("x is large")
    return x


def _plugin(function, form, kind="TRANSFORMER", **about):
    return define(function, name=function.__name__, form=form, plugin_type=dfv.PluginType[kind], **about)


RUNNING = _plugin(running, Form.SCAN, init=0.0)
TOTAL = _plugin(total, Form.REDUCE, "AGGREGATOR", init=0.0)
PICKY = _plugin(picky, Form.ROW)


class Source:
    """A source of frames that knows what was asked of it."""

    def __init__(self):
        self.columns = []
        self.rows = 0
        self.ended = 0

    def __call__(self, columns, predicate, limit, rows):
        self.columns.append(columns)
        try:
            for frame in FRAME.head(limit or ROWS).iter_slices(BATCH):
                self.rows += frame.height
                frame = frame if columns is None else frame.select(columns)
                yield frame if predicate is None else frame.filter(predicate)
        finally:
            self.ended += 1

    def scan(self):
        return register_io_source(self, schema=FRAME.schema)


@pytest.fixture
def source():
    return Source()


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    for _ in range(100):
        if not any(thread.name == "dataflare_vec query" for thread in threading.enumerate()):
            return
        time.sleep(0.05)
    pytest.fail("a query's thread goes on though nobody takes its rows")


def _ordered(data):
    return data.pipe(dfv.apply, RUNNING).pipe(dfv.apply, RUNNING, x="running", by="key", output="again")


ENGINES = pytest.mark.parametrize("engine", ["streaming", "in-memory"])


@ENGINES
@pytest.mark.parametrize(
    ("query", "columns"),
    [
        (lambda lazy: lazy.pipe(dfv.apply, RUNNING).select("running"), {"x"}),
        (lambda lazy: lazy.pipe(dfv.apply, RUNNING).select("running", "other"), {"x", "other"}),
        (lambda lazy: lazy.pipe(dfv.apply, RUNNING, by="key").select("running"), {"x", "key"}),
        (
            lambda lazy: lazy.pipe(dfv.apply, RUNNING).filter(pl.col("key") > 3).select("running"),
            {"x", "key"},
        ),
        (lambda lazy: lazy.pipe(dfv.apply, RUNNING, keep=False), {"x"}),
        (lambda lazy: lazy.pipe(dfv.apply, RUNNING).select("other"), {"other"}),
        (lambda lazy: lazy.pipe(dfv.apply, TOTAL, by="key"), {"x", "key"}),
        (lambda lazy: _ordered(lazy).select("again"), {"x", "key"}),
        (lambda lazy: lazy.pipe(dfv.apply, PICKY, output="y", on_error="drop").select("key"), {"x", "key"}),
    ],
)
def test_only_columns_that_are_wanted_are_read(source, engine, query, columns):
    assert_frame_equal(query(source.scan()).collect(engine=engine), query(FRAME.lazy()).collect())
    assert [set(each) for each in source.columns] == [columns]


@ENGINES
@pytest.mark.parametrize(
    ("query", "batches"),
    [
        (lambda lazy: _ordered(lazy).head(1000), 1),
        (lambda lazy: lazy.pipe(dfv.apply, [PICKY, RUNNING], on_error="drop").head(2000), 10),
        (lambda lazy: _ordered(lazy).filter(pl.col("key") == 3).head(100), 40),  # by what is asked for ahead
    ],
)
def test_no_more_rows_are_computed_than_are_wanted(source, engine, query, batches):
    with pl.Config():
        pl.Config.set_streaming_chunk_size(BATCH)
        found = query(source.scan()).collect(engine=engine)
    assert_frame_equal(found, query(FRAME.lazy()).collect())
    if engine == "streaming":  # the other one takes all rows before it filters or cuts them
        assert source.rows <= batches * BATCH
    for _ in range(100):
        if source.ended == len(source.columns):
            break
        time.sleep(0.05)
    assert source.ended == len(source.columns) == 1


def test_a_filter_sees_the_rows_after_a_scan_has_seen_all():
    found = FRAME.lazy().pipe(dfv.apply, RUNNING).filter(pl.col("key") == 3).collect()
    assert_frame_equal(found, FRAME.pipe(dfv.apply, RUNNING).filter(pl.col("key") == 3))


#: What Polars may leave to a source, and what it must not.
OPERATIONS = {
    "filter": lambda data: data.filter(key=1),
    "filter by the new": lambda data: data.filter(pl.col("running") > 100),
    "filter by all": lambda data: data.filter(pl.col("x") > pl.col("x").mean()),
    "filter by sums": lambda data: data.filter(pl.col("x").cum_sum() > 10_000),
    "filter by rows before": lambda data: data.filter(pl.col("running").shift(1) > 100),
    "filter by function": lambda data: data.filter(
        pl.col("x").map_batches(_is_high, return_dtype=pl.Boolean)
    ),
    "filter by plugin": lambda data: data.filter(dfv.expr(PICKY, "x", on_error="null") > 100),
    "head": lambda data: data.head(500),
    "head of none": lambda data: data.head(0),
    "tail": lambda data: data.tail(700),
    "slice": lambda data: data.slice(100, 900),
    "select": lambda data: data.select("key", "running", x=pl.col("x") + 1),
    "index": lambda data: data.with_columns(x=pl.int_range(pl.len()).cast(pl.Float64)),
    "unique": lambda data: data.unique("key", keep="last", maintain_order=True),
}


def _is_high(series):
    return series > (series.mean() or 0.0)


@pytest.mark.parametrize("first", OPERATIONS)
def test_any_two_operations_after_a_scan(first):
    frame = FRAME.head(2000)
    with pl.Config():
        pl.Config.set_streaming_chunk_size(100)
        for second in OPERATIONS.values():
            expected = second(OPERATIONS[first](frame.pipe(dfv.apply, RUNNING)))
            query = second(OPERATIONS[first](frame.lazy().pipe(dfv.apply, RUNNING)))
            for engine in ("streaming", "in-memory"):
                assert_frame_equal(query.collect(engine=engine), expected)


@ENGINES
def test_a_query_is_run_again_and_at_once(engine):
    query, expected = _ordered(FRAME.lazy()), _ordered(FRAME)
    found = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: query.collect(engine=engine)})) for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for frame in (*found.values(), query.collect(engine=engine)):
        assert_frame_equal(frame, expected)
    assert len(found) == 4


@ENGINES
def test_many_scans_in_one_query(engine):
    """Each waits for the one before: none may hold a thread that another one needs."""
    deep = FRAME.head(20_000).lazy()
    wide = []
    for i in range(12):
        deep = deep.pipe(dfv.apply, RUNNING, output=f"deep{i}").sort(f"deep{i}")
        wide.append(
            FRAME.lazy().pipe(dfv.apply, RUNNING, by="key").filter(pl.col("key") <= i).sort("running")
        )
    assert deep.collect(engine=engine).shape == (20_000, 15)
    both = pl.concat(wide)
    joined = wide[0].join(wide[5], on=["x", "key"], how="semi")
    heights = [frame.height for frame in pl.collect_all([both, joined, *wide], engine=engine)]
    assert heights[0] == both.collect(engine=engine).height == sum(heights[2:])
    assert heights[1] == heights[2]


ONE_THREAD = """
    import faulthandler
    import polars as pl
    import dataflare_vec as dfv

    faulthandler.dump_traceback_later(100, exit=True)
    running = dfv.scan(lambda total, x: (total + x, total), init=0, name="running")
    assert pl.thread_pool_size() == 1
    lazy = pl.LazyFrame({"x": range(300_000)})
    deep = lazy
    for i in range(5):
        deep = deep.pipe(dfv.apply, running, output=f"r{i}").sort("x", descending=True)
    wide = [deep.pipe(dfv.apply, running).select("x", "running").sort("running") for _ in range(5)]
    joined = wide[0].join(wide[1], on="x").group_by(pl.col("x") % 7).agg(pl.col("running").max())
    for engine in ("streaming", "in-memory"):
        heights = [frame.height for frame in pl.collect_all([pl.concat(wide), joined, *wide], engine=engine)]
        print(heights[:2])
"""


def test_one_thread_of_polars_is_enough():
    environment = {**os.environ, "POLARS_MAX_THREADS": "1"}
    command = [sys.executable, "-c", textwrap.dedent(ONE_THREAD)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.stdout.splitlines() == ["[1500000, 7]"] * 2, done.stderr


def test_each_way_to_run_a_query(tmp_path):
    query, expected = _ordered(FRAME.lazy()), _ordered(FRAME)
    query.sink_parquet(tmp_path / "a.parquet")
    assert_frame_equal(pl.read_parquet(tmp_path / "a.parquet"), expected)
    query.sink_ipc(tmp_path / "a.arrow")
    assert_frame_equal(pl.read_ipc(tmp_path / "a.arrow"), expected)

    async def collected():
        return await query.collect_async()

    assert_frame_equal(asyncio.run(collected()), expected)
    assert_frame_equal(query.cache().collect(), expected)
    assert_frame_equal(pl.concat(query.collect_batches(chunk_size=999)), expected)
    assert_frame_equal(pickle.loads(pickle.dumps(query)).collect(), expected)
    first = next(iter(query.collect_batches(chunk_size=100)))
    assert_frame_equal(first, expected.head(100))


@pytest.mark.parametrize("on_error", ["null", "drop"])
def test_a_state_goes_on_from_an_earlier_one(on_error):
    first, second = FRAME.head(70_000), FRAME.tail(-70_000)
    run = dfv.run(first, [PICKY, dfv.step(RUNNING, by="key")], on_error=on_error)
    query = second.lazy().pipe(
        dfv.apply, [PICKY, dfv.step(RUNNING, by="key")], on_error=on_error, state=run.state
    )
    expected = dfv.apply(FRAME, [PICKY, dfv.step(RUNNING, by="key")], on_error=on_error)
    for _ in range(2):  # the state that was given is as it was
        assert_frame_equal(pl.concat([run.frame, query.collect()]), expected)


LAST = pl.col("picky").shift(1)
HIGH = define(
    pl.col("picky") > pl.col("picky").mean(), name="high", form=Form.EXPRESSION, plugin_type="filter"
)
LEVEL = define(
    pl.col("x") - pl.col("x").max().over("key"), name="level", form=Form.EXPRESSION, plugin_type="transformer"
)
#: Pipelines with a step that has to see all rows, and how many parts of them take rows in order.
IN_PARTS = {
    "a row before": ([PICKY, dfv.step(RUNNING, x=LAST)], 1),
    "a row before, at the end": ([RUNNING, PICKY, dfv.step(PICKY, x=LAST, output="last")], 1),
    "all rows": ([PICKY, LEVEL, dfv.step(RUNNING, x="level")], 1),
    "all rows between": ([RUNNING, PICKY, LEVEL, dfv.step(RUNNING, x="level", output="again")], 2),
    "a filter by all": ([PICKY, RUNNING, HIGH, dfv.step(RUNNING, x="picky", output="again")], 2),
    "a key of all": ([PICKY, dfv.step(RUNNING, by=pl.col("picky").rank("dense") % 3)], 1),
    "for later": ([dfv.step(PICKY, keep=False), dfv.step(RUNNING, x=LAST, keep=False), LEVEL], 1),
    "replaced": ([PICKY, dfv.step(RUNNING, x=LAST, output="x", replace=True), LEVEL], 1),
    "reduced": ([PICKY, dfv.step(TOTAL, x=LAST, by="key")], 1),
    "reduced after all": ([PICKY, RUNNING, HIGH, dfv.step(TOTAL, x="running")], 2),
    "failed before": ([PICKY, LEVEL, TOTAL], 1),
}


def _parts(explained):
    return len(explained.in_order) + sum(map(_parts, explained.below))


@ENGINES
@pytest.mark.parametrize("on_error", ["null", "drop"])
@pytest.mark.parametrize("name", IN_PARTS)
def test_what_sees_all_rows_is_no_end_of_what_takes_them_in_order(source, engine, name, on_error):
    steps, parts = IN_PARTS[name]
    query = source.scan().pipe(dfv.apply, steps, on_error=on_error)
    expected = FRAME.pipe(dfv.apply, steps, on_error=on_error)
    assert query.collect_schema() == expected.schema
    assert _parts(dfv.explain(query)) == parts
    with pl.Config():
        pl.Config.set_streaming_chunk_size(10_000)
        assert_frame_equal(query.collect(engine=engine), expected)
    assert ("other" in expected) == any(columns is None or "other" in columns for columns in source.columns)


def test_states_of_parts_go_on_from_earlier_ones():
    steps = [RUNNING, LEVEL, dfv.step(RUNNING, x="level", output="again"), dfv.step(RUNNING, output="third")]
    first, second = FRAME.head(70_000), FRAME.tail(-70_000)
    run = dfv.run(first, steps)
    assert list(run.state) == ["running", "running (2)", "running (3)"]
    expected = dfv.run(second, steps, state=run.state).frame
    assert_frame_equal(second.lazy().pipe(dfv.apply, steps, state=run.state).collect(), expected)
    with pytest.raises(dfv.StateError, match=r"`running \(4\)`, which is not a scan"):
        second.lazy().pipe(dfv.apply, steps, state={"running (4)": 0.0})


def test_numbers_of_failed_rows_are_those_of_the_data_or_none():
    strict = define(picky, name="strict", form=Form.ROW, plugin_type="transformer")
    numbered = FRAME.lazy().pipe(dfv.apply, [RUNNING, LEVEL, strict, dfv.step(RUNNING, output="again")])
    with pytest.raises(
        dfv.RowError, match=r"rows 1000, 2001, .* failed, the first with ValueError"
    ) as caught:
        numbered.collect()
    assert caught.value.rows[:2] == (1000, 2001)
    some = [
        RUNNING,
        define(pl.col("x") > pl.col("x").mean(), name="some", form=Form.EXPRESSION, plugin_type="filter"),
    ]
    with pytest.raises(dfv.RowError, match="of a batch passed by Polars") as caught:
        FRAME.lazy().pipe(dfv.apply, [*some, strict, dfv.step(RUNNING, output="again")]).collect()
    assert caught.value.rows == ()
    log = dfv.ErrorLog()
    FRAME.lazy().pipe(dfv.apply, [LEVEL, PICKY], on_error="drop", errors=log).collect()
    assert log.frame["row"][:2].to_list() == [1000, 2001]


def test_a_plan_names_the_plugins():
    assert "`running`, in the order of the rows" in _ordered(FRAME.lazy()).explain()


PROGRAM = """
    import os, signal, sys, threading, time
    import polars as pl
    import dataflare_vec as dfv
    from polars.io.plugins import register_io_source

    def endless(*_):
        while True:
            time.sleep(0.001)
            yield pl.DataFrame({"x": range(100)})

    running = dfv.scan(lambda total, x: (total + x, total), init=0, name="running")
    query = register_io_source(endless, schema={"x": pl.Int64}).pipe(dfv.apply, running)
    query.head(10).collect()

    def interrupt():
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    try:  # Polars raises one of its own thread's, and then, sooner or later, Python its own
        try:
            query.select(pl.col("running").max()).collect(engine=sys.argv[1])
        except KeyboardInterrupt:
            pass
        time.sleep(1)
    except KeyboardInterrupt:
        pass
    left = [thread.name for thread in threading.enumerate() if thread.name == "dataflare_vec query"]
    print("interrupted", len(left))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@ENGINES
def test_ctrl_c_ends_a_query_and_what_it_reads(engine):
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), engine]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["interrupted", "0"], done.stderr
