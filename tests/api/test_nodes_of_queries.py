"""Row kernels and filters of a lazy query as one node: what it computes, and wherever a query is used."""

from __future__ import annotations

import asyncio
import pickle

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.engine.execution import query_node

ROWS = 5000
FRAME = pl.DataFrame(
    {"x": range(ROWS), "y": [i % 7 for i in range(ROWS)], "z": [str(i) for i in range(ROWS)]}
)
ENGINES = pytest.mark.parametrize("engine", ["streaming", "in-memory"])


def double(x):
    return 2 * x


def plus(a, b):
    return a + b


def even(y):
    return y % 2 == 0


def never(x):
    if x >= 0:
        raise ValueError("it was called")
    return x


def at_most_1000(x):
    if x > 1000:
        raise ValueError("x is large")
    return x


def length(z):
    return len(z)


def _plugin(target, kind=dfv.PluginType.TRANSFORMER):
    return define(target, name=target.__name__, form=Form.ROW, plugin_type=kind)


DOUBLE, PLUS, NEVER, SMALL, LENGTH = map(_plugin, (double, plus, never, at_most_1000, length))
EVEN = _plugin(even, dfv.PluginType.FILTER)
NEXT = define(lambda y: y + 1, name="next", form=Form.EXPRESSION, plugin_type=dfv.PluginType.TRANSFORMER)
STEPS = [DOUBLE, dfv.step(PLUS, a="double", b="y"), EVEN]
EXPECTED = FRAME.with_columns(double=2 * pl.col("x")).with_columns(plus=pl.col("double") + pl.col("y"))
EXPECTED = EXPECTED.filter(pl.col("y") % 2 == 0)


def _nodes(query):
    return query.explain().count("OPAQUE_PYTHON")


@pytest.fixture
def manager():
    with dfv.PluginManager(dfv.PluginManagerConfig()) as manager:
        yield manager


def _computed(manager, name):
    return manager.get_metrics(name).total_processed


@ENGINES
def test_steps_and_calls_become_one_node(engine):
    lazy = FRAME.lazy()
    piped = lazy.pipe(dfv.apply, DOUBLE)
    chained = piped.pipe(dfv.apply, PLUS, a="double", b="y").pipe(dfv.apply, EVEN)
    for query in (lazy.pipe(dfv.apply, STEPS), chained):
        assert _nodes(query) == 1
        assert query.collect_schema() == EXPECTED.schema
        assert_frame_equal(query.collect(engine=engine), EXPECTED)
    # What was gone on from is what it was.
    assert piped.collect(engine=engine).columns == ["x", "y", "z", "double"]
    other = piped.pipe(dfv.apply, DOUBLE, x="double", output="four")
    assert other.collect(engine=engine)["four"].to_list() == [4 * x for x in range(ROWS)]


def test_what_is_done_between_ends_a_node():
    between = FRAME.lazy().pipe(dfv.apply, DOUBLE).filter(pl.col("double") > 10)
    assert _nodes(between.pipe(dfv.apply, PLUS, a="double", b="y")) == 2
    nulls = FRAME.lazy().pipe(dfv.apply, SMALL, on_error="null").pipe(dfv.apply, DOUBLE, on_error="null")
    assert _nodes(nulls) == 2  # rows that failed in one call are rows of the next


NET = define(pl.col("double") - pl.col("y"), name="net", form=Form.EXPRESSION, plugin_type="transformer")
ROUND = define(pl.col("net") % 3 == 0, name="round", form=Form.EXPRESSION, plugin_type="filter")


AGAIN = dfv.step(DOUBLE, x="net", output="again")
WITH_EXPRESSIONS = {  # and the nodes that there are, by what becomes of failed rows
    "below": ([DOUBLE, NEXT, dfv.step(PLUS, a="double", b="next")], {"raise": 1, "null": 1, "drop": 2}),
    "above": ([DOUBLE, NET, dfv.step(PLUS, a="double", b="y"), SMALL], {"raise": 1, "null": 1, "drop": 1}),
    "filter above": ([SMALL, DOUBLE, NET, ROUND], {"raise": 1, "null": 1, "drop": 1}),
    "between": ([DOUBLE, NET, AGAIN], {"raise": 2, "null": 1, "drop": 2}),
    "filter between": ([SMALL, DOUBLE, NET, ROUND, AGAIN], {"raise": 2, "null": 1, "drop": 2}),
    "after a filter": ([EVEN, NEXT, dfv.step(DOUBLE, x="next")], {"raise": 2, "null": 1, "drop": 2}),
    "replaced": (
        [DOUBLE, NET, dfv.step(DOUBLE, x="y", output="double", replace=True)],
        {"raise": 2, "null": 1, "drop": 2},
    ),
}


@ENGINES
@pytest.mark.parametrize("on_error", ["raise", "null", "drop"])
@pytest.mark.parametrize("name", WITH_EXPRESSIONS)
def test_expressions_are_no_end_of_a_node(engine, name, on_error):
    """Unless a step of it needs them; in one call as in several."""
    steps, nodes = WITH_EXPRESSIONS[name]
    frame = FRAME.head(1000) if on_error == "raise" else FRAME
    expected = frame.pipe(dfv.apply, steps, on_error=on_error)
    query = chained = frame.lazy()
    query = query.pipe(dfv.apply, steps, on_error=on_error)
    for step in steps:
        chained = chained.pipe(dfv.apply, step, on_error=on_error)
    for one in [query] if on_error == "null" else [query, chained]:
        assert _nodes(one) == nodes[on_error]
        assert one.collect_schema() == expected.schema
        assert_frame_equal(one.collect(engine=engine), expected)


@ENGINES
def test_an_expression_never_sees_rows_that_have_failed(engine):
    frame = pl.DataFrame({"x": [1, 2000, 3], "z": ["1", "no number", "3"]})
    strict = pl.col("z").str.to_integer()
    number = define(strict, name="number", form=Form.EXPRESSION, plugin_type="transformer")
    for steps in ([SMALL, number, DOUBLE], [SMALL, dfv.step(PLUS, a=strict, b="x")]):
        for on_error in ("null", "drop"):
            query = frame.lazy().pipe(dfv.apply, steps, on_error=on_error)
            assert_frame_equal(query.collect(engine=engine), frame.pipe(dfv.apply, steps, on_error=on_error))


@ENGINES
def test_expressions_keep_the_names_of_what_they_read(engine):
    pair = define(pl.struct("double", "y"), name="pair", form=Form.EXPRESSION, plugin_type="transformer")
    for on_error in ("raise", "null"):
        query = FRAME.lazy().pipe(dfv.apply, [DOUBLE, pair], on_error=on_error)
        assert query.collect_schema()["pair"] == pl.Struct({"double": pl.Int64, "y": pl.Int64})
        expected = FRAME.pipe(dfv.apply, [DOUBLE, pair])
        assert_frame_equal(query.collect(engine=engine), expected)


@ENGINES
def test_a_function_is_asked_for_its_expression_once(engine):
    reads = ["x"]
    changing = define(
        lambda y: pl.col(reads[0]) + y, name="changing", form=Form.EXPRESSION, plugin_type="transformer"
    )
    query = FRAME.lazy().pipe(dfv.apply, [SMALL, changing], on_error="null")
    expected = FRAME.pipe(dfv.apply, [SMALL, changing], on_error="null")
    reads[0] = "z"
    assert_frame_equal(query.collect(engine=engine), expected)


@ENGINES
def test_columns_that_are_not_used_are_not_computed(engine):
    query = FRAME.lazy().pipe(dfv.apply, [NEVER, DOUBLE])
    assert query.select(pl.col("double").sum()).collect(engine=engine).item() == ROWS * (ROWS - 1)
    assert query.select("y").collect(engine=engine).equals(FRAME.select("y"))
    assert query.select(pl.len()).collect(engine=engine).item() == ROWS
    with pytest.raises(dfv.RowError, match="it was called"):
        query.select("never").collect(engine=engine)
    assert 'PROJECT["x"]' in query.select("double").explain()


@ENGINES
def test_predicates_and_heads_go_below(engine):
    query = FRAME.lazy().pipe(dfv.apply, SMALL)
    few = query.filter(pl.col("y") == 3, pl.col("x") < 100).collect(engine=engine)
    assert few["at_most_1000"].to_list() == list(range(3, 100, 7))
    assert query.head(1000).collect(engine=engine).height == 1000
    assert query.slice(20, 5).collect(engine=engine)["at_most_1000"].to_list() == [20, 21, 22, 23, 24]


@ENGINES
def test_a_head_computes_few_rows(manager, engine, tmp_path):
    manager.register_plugin(LENGTH)
    FRAME.write_parquet(tmp_path / "data.parquet", row_group_size=100)
    query = pl.scan_parquet(tmp_path / "data.parquet").pipe(dfv.apply, "length", manager=manager)
    with pl.Config():
        pl.Config.set_streaming_chunk_size(100)
        assert query.head(10).collect(engine=engine).height == 10
    assert 10 <= _computed(manager, "length") <= 100


@ENGINES
def test_a_failed_row_is_dropped_or_null_until_the_call_ends(engine):
    steps = [SMALL, dfv.step(DOUBLE, x="y"), EVEN]
    for on_error in ("drop", "null"):
        for some in (
            steps[:2],
            steps,
            [steps[0], dfv.expression(lambda y: y + 1, name="next", replace=True)],
        ):
            expected = dfv.apply(FRAME, some, on_error=on_error)
            got = FRAME.lazy().pipe(dfv.apply, some, on_error=on_error)
            assert_frame_equal(got.collect(engine=engine), expected)
            assert got.select("y").collect(engine=engine).equals(expected.select("y"))


@ENGINES
def test_joins_unions_and_caches_of_branches(engine):
    base = FRAME.lazy().pipe(dfv.apply, DOUBLE).cache()
    left, right = base.pipe(dfv.apply, EVEN), base.pipe(dfv.apply, PLUS, a="double", b="y")
    expected = EXPECTED.select("x", "y", "z", "double", "plus")
    joined = left.join(right.select("x", "plus"), on="x", maintain_order="left")
    assert_frame_equal(joined.collect(engine=engine), expected)
    union = pl.concat([left.select("double"), right.select("double"), base.select("double")])
    assert union.select(pl.col("double").sum()).collect(engine=engine).item() == (
        EXPECTED["double"].sum() + 2 * ROWS * (ROWS - 1)
    )
    grouped = right.group_by("y").agg(pl.col("plus").sum()).sort("y").collect(engine=engine)
    assert grouped["plus"].sum() == sum(2 * x + x % 7 for x in range(ROWS))


@ENGINES
def test_several_queries_at_once_and_one_twice(engine):
    query = FRAME.lazy().pipe(dfv.apply, STEPS)
    again = FRAME.lazy().pipe(dfv.apply, STEPS).select("plus")
    both = pl.collect_all([query, again, query], engine=engine)
    assert_frame_equal(both[0], EXPECTED)
    assert_frame_equal(both[1], EXPECTED.select("plus"))
    assert_frame_equal(both[2], EXPECTED)
    assert_frame_equal(query.collect(engine=engine), query.collect(engine=engine))
    assert_frame_equal(query.clone().collect(engine=engine), EXPECTED)

    async def collected():
        return await asyncio.gather(*(query.collect_async(engine=engine) for _ in range(3)))

    for frame in asyncio.run(collected()):
        assert_frame_equal(frame, EXPECTED)


@pytest.mark.parametrize("kind", ["parquet", "csv", "ipc", "ndjson"])
def test_sinks(tmp_path, kind):
    path = tmp_path / f"out.{kind}"
    query = FRAME.lazy().pipe(dfv.apply, STEPS)
    getattr(query, f"sink_{kind}")(path)
    read = {"ipc": pl.read_ipc, "csv": pl.read_csv, "ndjson": pl.read_ndjson, "parquet": pl.read_parquet}[
        kind
    ]
    assert_frame_equal(read(path).select("x", "double", "plus"), EXPECTED.select("x", "double", "plus"))


def test_batches():
    frames = list(FRAME.lazy().pipe(dfv.apply, STEPS).collect_batches(chunk_size=100))
    assert_frame_equal(pl.concat(frames), EXPECTED)


@ENGINES
def test_a_query_within_a_kernel_of_a_query(engine):
    """A function of Polars' own may run a query, too: no thread waits for another."""
    inner = FRAME.lazy().pipe(dfv.apply, STEPS)

    def added(frame):
        return frame.with_columns(x=pl.col("x") + inner.select(pl.len()).collect(engine=engine).item())

    query = FRAME.lazy().pipe(dfv.apply, DOUBLE).map_batches(added, streamable=True).pipe(dfv.apply, EVEN)
    assert query.collect(engine=engine)["x"].equals(EXPECTED["x"] + EXPECTED.height)


def test_a_query_is_pickled():
    registered = dfv.plugin(_as_is, name="as_is_of_a_query", replace=True)
    query = FRAME.lazy().pipe(dfv.apply, registered)
    again = pickle.loads(pickle.dumps(query))
    assert again.collect()["as_is_of_a_query"].equals(FRAME["x"].alias("as_is_of_a_query"))


def _as_is(x):
    return x


def test_columns_of_any_name():
    for name in ("*", "^x.*$", "", "a b", "rows", "'", "x of `double`, step 0"):
        frame = pl.DataFrame({name: [1, 2, 3]})
        query = frame.lazy().pipe(dfv.apply, DOUBLE, x=name, output="out")
        query = query.pipe(dfv.apply, DOUBLE, x="out", output="^out2$")
        assert query.collect().rows() == [(1, 2, 4), (2, 4, 8), (3, 6, 12)]


def test_a_frame_of_several_pieces_is_not_copied():
    pieces = pl.concat([FRAME[:1000], FRAME[1000:1001], FRAME[1001:]], rechunk=False)
    got = pieces.lazy().pipe(dfv.apply, STEPS[:2]).collect(engine="in-memory")
    assert got["x"].n_chunks() == got["plus"].n_chunks() == 3
    assert_frame_equal(got.filter(pl.col("y") % 2 == 0), EXPECTED)


@ENGINES
def test_a_polars_that_sees_through_a_node_gets_one_that_nothing_passes(monkeypatch, engine):
    assert query_node._lets_pass()
    monkeypatch.setattr(query_node, "_together", lambda column, reads: pl.col(column))
    seen_through = query_node._lets_pass.__wrapped__()
    assert not seen_through
    monkeypatch.setattr(query_node, "_lets_pass", lambda: seen_through)
    query = FRAME.lazy().pipe(dfv.apply, STEPS)
    assert_frame_equal(query.collect(engine=engine), EXPECTED)
    wanted = EXPECTED.filter(pl.col("plus") > 100).select("plus").head(20)
    few = query.filter(pl.col("plus") > 100).select("plus").head(20)
    assert_frame_equal(few.collect(engine=engine), wanted)


INTERNAL = [
    "rows that are left",
    "rows that haven't failed, 0",
    "double of `double`, step 0",
    "double(x), expression 1",
]


@pytest.mark.parametrize("name", INTERNAL)
@pytest.mark.parametrize("on_error", ["null", "drop"])
def test_columns_are_called_as_a_node_calls_its_own(name, on_error):
    frame = FRAME.rename({"z": name})
    steps = [dfv.step(DOUBLE, x=pl.col("x") + 1), EVEN, dfv.step(PLUS, a="x", b=pl.col("double") + 1)]
    query = frame.lazy().pipe(dfv.apply, steps, on_error=on_error)
    assert_frame_equal(query.collect(), frame.pipe(dfv.apply, steps, on_error=on_error))


def test_the_column_of_a_scans_expression_may_be_one_of_the_data():
    scan = define(_summed, name="summed", form=Form.SCAN, plugin_type=dfv.PluginType.TRANSFORMER, init=0)
    frame = FRAME.rename({"z": "summed(x) of step 0"})
    got = frame.lazy().pipe(dfv.apply, scan, x=pl.col("x").shift(1)).collect()
    assert_frame_equal(got, frame.pipe(dfv.apply, scan, x=pl.col("x").shift(1)))


def _summed(state, x):
    return state + x, state + x


def test_columns_that_are_made_twice_come_in_the_order_of_a_frame():
    steps = [
        dfv.step(DOUBLE, output="one", keep=False),
        dfv.step(DOUBLE, output="two"),
        dfv.step(DOUBLE, x="one", output="one", replace=True),
    ]
    expected = FRAME.pipe(dfv.apply, steps)
    assert expected.columns == ["x", "y", "z", "two", "one"]
    assert_frame_equal(FRAME.lazy().pipe(dfv.apply, steps).collect(), expected)
