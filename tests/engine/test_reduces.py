"""Reduces: what comes of a state, merging, aggregations, and what is said of mistakes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.definition.state_layout import StateLayout
from dataflare_vec.engine.stages import partitioned
from dataflare_vec.engine.stages.partitioned import PARTITION_ROWS


def reduce(function, init, **about):
    return define(
        function,
        name=about.pop("name", "r"),
        form=Form.REDUCE,
        plugin_type=dfv.PluginType.AGGREGATOR,
        init=init,
        **about,
    )


@pytest.fixture
def df():
    return pl.DataFrame({"k": ["a", "b", "a", None, None], "x": [8.0, 2.0, None, 4.0, 6.0]})


class Span(NamedTuple):
    low: float | None
    high: float | None


def span(s, x):
    low = x if s.low is None else min(s.low, x)
    high = x if s.high is None else max(s.high, x)
    return Span(low, high)


def counted(s, x):
    if x > 100:
        raise ValueError("x is large")
    return s + 1


SPAN = reduce(span, Span(None, None), name="span")
COUNT = reduce(counted, 0, name="count")


def test_one_row_or_one_for_each_key(df):
    assert dfv.apply(df, SPAN).rows(named=True) == [{"low": 2.0, "high": 8.0}]
    assert dfv.apply(df, SPAN, by="k").rows() == [("a", 8.0, 8.0), ("b", 2.0, 2.0), (None, 4.0, 6.0)]
    assert dfv.apply(df[:0], SPAN).rows() == [(None, None)]
    empty = dfv.apply(df[:0], SPAN, by="k")
    assert empty.schema == {"k": pl.String, "low": pl.Float64, "high": pl.Float64}
    assert dfv.apply(df[2:3], SPAN, by="k").rows() == [("a", None, None)]  # its only value is null


def test_names_of_the_result(df):
    assert dfv.apply(df, COUNT).columns == ["count"]
    assert dfv.apply(df, COUNT, by="k", output="n").columns == ["k", "n"]
    assert dfv.apply(df, SPAN, output={"low": "min"}).columns == ["min", "high"]
    pair = reduce(lambda s, x: (s[0] + 1, s[1] + x), (0, 0.0), name="pair")
    assert dfv.apply(df, pair).columns == ["pair_0", "pair_1"]
    with pytest.raises(dfv.OutputNameError, match="already has a column `k`"):
        dfv.apply(df, COUNT, by="k", output="k")


def test_array_as_result(df):
    def histogram(s, x):
        s[int(x) // 3] += 1
        return s

    got = dfv.apply(df, reduce(histogram, np.zeros(3, np.int64)), by="k")
    assert got.schema["r"] == pl.Array(pl.Int64, 3)
    assert got["r"].to_list() == [[0, 0, 1], [1, 0, 0], [0, 1, 1]]


def test_finish_of_each_kind(df):
    for finish, values in [
        (lambda s: s * 2, [{"r": 8}]),
        (lambda s: None if s > 3 else s, [{"r": None}]),
        (lambda s: (s, s > 3), [{"r_0": 4, "r_1": True}]),
        (lambda s: Span(s, s / 2), [{"low": 4, "high": 2.0}]),
    ]:
        assert dfv.apply(df, reduce(counted, 0, finish=finish)).rows(named=True) == values


def test_returns_gives_a_dtype(df):
    df = df.with_columns(d=pl.date(2020, 1, pl.int_range(1, 6)))
    last = reduce(lambda s, d: d, None, returns="d")
    finished = reduce(lambda s, d: d, None, finish=lambda s: s, returns=pl.Date)
    for one in (last, finished):
        got = dfv.apply(df, one, by="k")
        assert got["r"].dtype == pl.Date
        assert [d.day for d in got["r"]] == [3, 2, 5]


def test_finish_that_fails(df):
    inverse = reduce(counted, 0, finish=lambda s: 6 // (s - 1))
    message = r"`finish` failed on 2 of 3 states, the first for key \('a',\) with ZeroDivisionError"
    with pytest.raises(dfv.RowError, match=message):
        dfv.apply(df, inverse, by="k")
    assert dfv.apply(df, inverse, by="k", on_error="null")["r"].to_list() == [None, None, 6]


def test_merged_partitions_are_those_of_the_rows():
    rows = 3 * PARTITION_ROWS + 17
    x = np.random.default_rng(0).random(rows)

    def add(s, x):
        return s + x

    merged = reduce(add, 0.0, merge=lambda a, b: a + b)
    got = dfv.apply(pl.DataFrame({"x": x}), merged).item()
    partitions = [x[i : i + PARTITION_ROWS].cumsum()[-1] for i in range(0, rows, PARTITION_ROWS)]
    assert got == ((partitions[0] + partitions[1]) + partitions[2]) + partitions[3]
    assert got != x.cumsum()[-1]  # or this says nothing


def test_merge_that_fails():
    def fail(a, b):
        if a > 0:
            raise ValueError("can't merge")
        return a + b

    df = pl.DataFrame({"x": np.ones(PARTITION_ROWS + 1)})
    with pytest.raises(dfv.RowError, match="`merge` failed with ValueError: can't merge"):
        dfv.apply(df, reduce(counted, 0, merge=fail))


def test_failed_rows_are_passed_over():
    df = pl.DataFrame({"x": [1.0, 200.0, 3.0]})
    result = dfv.run(df, COUNT)
    assert (result.frame.item(), result.error_count, result.state) == (2, 1, 2)
    assert result.errors["inputs"].to_list() == [{"s": 1, "x": 200.0}]
    with pytest.raises(
        dfv.RowError, match="1 of 3 rows failed, row 1; the first with ValueError: x is large"
    ):
        dfv.apply(df, COUNT)


def test_at_the_end_of_a_pipeline(df):
    large = define(lambda x: x > 3, name="large", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)
    double = define(lambda x: 2 * x, name="double", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
    steps = [large, double, dfv.step(SPAN, x="double", by="k")]
    wanted = [("a", 16.0, 16.0), (None, 8.0, 12.0)]
    result = dfv.run(df, steps)
    assert result.frame.rows() == wanted
    assert result.filtered_count == 2
    assert df.lazy().pipe(dfv.apply, steps).collect().rows() == wanted
    mean = define(pl.col("x").mean(), name="m", form=Form.EXPRESSION, plugin_type=dfv.PluginType.TRANSFORMER)
    assert dfv.apply(df, [mean, dfv.step(SPAN, x="m")]).rows() == [(5.0, 5.0)]
    with pytest.raises(
        dfv.BindingError, match="`span`: it reduces many rows to one, so no step can follow it"
    ):
        dfv.apply(df, [SPAN, large])


def test_the_same_kind_comes_back(df):
    table = dfv.apply(df.to_arrow(), COUNT, by="k")
    assert table.to_pydict() == {"k": ["a", "b", None], "count": [1, 1, 2]}
    assert type(dfv.apply(df.to_pandas(), COUNT)).__name__ == "DataFrame"
    assert dfv.apply(df["x"], COUNT).to_list() == [4]


def test_going_on_from_a_state(df):
    state = dfv.run(df, SPAN, by="k").state
    more = pl.DataFrame({"k": ["c", "a"], "x": [1.0, 20.0]})
    got = dfv.apply(more, SPAN, by="k", state=state)
    assert got.rows() == [("a", 8.0, 20.0), ("b", 2.0, 2.0), (None, 4.0, 6.0), ("c", 1.0, 1.0)]
    assert dfv.apply(more.lazy(), SPAN, by="k", state=state).collect().rows() == got.rows()
    merged = reduce(counted, 0, merge=lambda a, b: a + b)
    assert dfv.apply(df, merged, state=dfv.run(df, merged).state).item() == 8


def test_expressions_in_each_context(df):
    expression = dfv.expr(SPAN, "x").struct.unnest()
    wanted = [("a", 8.0, 8.0), ("b", 2.0, 2.0), (None, 4.0, 6.0)]
    assert df.select(expression).rows() == [(2.0, 8.0)]
    assert (
        df.group_by("k", maintain_order=True).agg(dfv.expr(SPAN, "x").alias("s")).unnest("s").rows() == wanted
    )
    lazy = df.lazy().group_by("k", maintain_order=True).agg(dfv.expr(COUNT, "x"))
    assert lazy.collect(engine="streaming").rows() == [("a", 1), ("b", 1), (None, 2)]
    over = df.with_columns(dfv.expr(COUNT, pl.col("x") * 2).over("k"))
    assert over["count"].to_list() == [1, 1, 1, 2, 2]
    assert df.with_columns(dfv.expr(COUNT, "x"))["count"].to_list() == [4] * 5


def test_a_group_without_rows_has_the_initial_state(df):
    kept = pl.col("x").filter(pl.col("x") > 3)
    got = df.group_by("k", maintain_order=True).agg(dfv.expr(COUNT, kept))
    assert got.rows() == [("a", 1), ("b", 0), (None, 2)]


def test_an_expression_is_called_once_for_all_groups(df):
    df = pl.DataFrame({"k": pl.int_range(1000, eager=True) % 500, "x": 1.0})
    with dfv.PluginManager() as manager:
        got = df.group_by("k").agg(dfv.expr(COUNT, "x", manager=manager))
        assert manager.get_metrics("count").total_processed <= 1000 + 2  # and a trial of two rows
    assert_frame_equal(
        got.sort("k").select("count"), pl.DataFrame({"count": [2] * 500}, schema={"count": pl.Int64})
    )


MISTAKES = {
    "returns None": (
        lambda df: dfv.apply(df, reduce(lambda s, x: None, 0.0)),
        "it returns None; a reduce returns its state",
    ),
    "merge's result": (
        lambda df: dfv.apply(df, reduce(counted, 0, merge=lambda a, b: (a, b))),
        "`merge`: its state is `int64`, and it returns",
    ),
    "finish's code": (
        lambda df: dfv.apply(df, reduce(counted, 0, finish=lambda s: s.foo)),
        "`finish` can't be compiled for its state",
    ),
    "merge's parameters": (
        lambda df: reduce(counted, 0, merge=lambda a: a),
        "`merge` must take two states, it takes `.a.`",
    ),
    "finish isn't one": (lambda df: reduce(counted, 0, finish=3), "`finish` must be a function, got int"),
    "keys of an expression": (
        lambda df: dfv.expr(COUNT, "x", by="k"),
        "returns one row per key, which an expression can't",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(df, name):
    call, message = MISTAKES[name]
    with pytest.raises(dfv.PluginError, match=message):
        call(df)


def test_finish_returns_lists_and_strings():
    def last(s, x):
        s[0], s[1] = s[1], x
        return s

    def make(finish):
        kind = dfv.PluginType.AGGREGATOR
        return define(last, name="last", form=Form.REDUCE, plugin_type=kind, init=np.zeros(2), finish=finish)

    df = pl.DataFrame({"x": [1.0, 2.0, 3.0], "k": [1, 1, 2]})
    assert dfv.apply(df, make(lambda s: s.copy()), by="k")["last"].to_list() == [[1.0, 2.0], [0.0, 3.0]]
    assert dfv.apply(df, make(lambda s: "large, and longer than a view" * int(s[1])))["last"].item() == (
        "large, and longer than a view" * 3
    )


@pytest.mark.parametrize("threads", [1, 3])
def test_states_of_partitions_are_merged_in_order(monkeypatch, threads):
    monkeypatch.setattr(partitioned, "PARTITION_ROWS", 64)
    config = dfv.BatchConfig(default_batch_size=1 << 10, tuner="fixed", parallelism=threads)
    ordered = reduce(lambda s, x: s + x, 0, merge=lambda a, b: (10 * a + b) % 1_000_003)
    x = np.arange(64 * 500 + 3) % 101
    wanted, *sums = np.add.reduceat(x, np.arange(0, len(x), 64)).tolist()
    for each in sums:
        wanted = (10 * wanted + each) % 1_000_003
    assert dfv.apply(pl.DataFrame({"x": x}), ordered, config=config).item() == wanted


def test_memory_of_states_does_not_grow_with_the_rows(monkeypatch):
    monkeypatch.setattr(partitioned, "PARTITION_ROWS", 64)
    made = []
    records = StateLayout.records
    monkeypatch.setattr(StateLayout, "records", lambda *args: made.append(args[1]) or records(*args))
    config = dfv.BatchConfig(default_batch_size=1 << 10, tuner="fixed", parallelism=1)
    total = reduce(lambda s, x: s + x, 0, merge=lambda a, b: a + b)
    assert (
        dfv.apply(pl.DataFrame({"x": np.ones(64 * 500, np.int64)}), total, config=config).item() == 64 * 500
    )
    assert made.count(partitioned.GROUP) <= 2


def test_a_merge_that_fails_is_told_whichever_thread_merges(monkeypatch):
    monkeypatch.setattr(partitioned, "PARTITION_ROWS", 64)

    def fail(a, b):
        if b > 63:
            raise ValueError("can't merge")
        return a

    df = pl.DataFrame({"x": np.ones(64 * 40)})
    for config in (None, dfv.BatchConfig(default_batch_size=64, tuner="fixed", parallelism=3)):
        with pytest.raises(dfv.RowError, match="`merge` failed with ValueError: can't merge"):
            dfv.apply(df, reduce(counted, 0, merge=fail), config=config)


def test_a_state_that_does_not_fit_is_told_without_the_rows_of_a_block_beside_it():
    from dataflare_vec_kernels.sketches import welford

    state = dfv.run(pl.DataFrame({"x": [1.0, 2.0]}), welford).state
    with pytest.raises(dfv.StateError, match=r"`state` must be a tuple of 7 values, got str; .*s4=0\.0\)$"):
        dfv.apply(pl.DataFrame({"x": [1.0]}), welford, state="yesterday")
    with pytest.raises(dfv.StateError, match=r"fit: `shift` must be .*got None"):
        dfv.apply(pl.DataFrame({"x": [1.0]}), welford, state=state._replace(shift=None))
