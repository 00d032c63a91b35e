"""Rows that fail in a query of Polars: whether their numbers are those of a batch or of the data is said."""

from __future__ import annotations

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def share(part, whole):
    return part // whole


def running(state, part):
    if part == 3:
        raise ValueError("three")
    return state + part, state + part


def total(state, part):
    if part == 3:
        raise ValueError("three")
    return state + part


SHARE = define(share, name="share", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
RUNNING = define(running, name="running", form=Form.SCAN, plugin_type=dfv.PluginType.TRANSFORMER, init=0)
TOTAL = define(total, name="total", form=Form.REDUCE, plugin_type=dfv.PluginType.AGGREGATOR, init=0)
FRAME = pl.DataFrame({"part": range(3000), "whole": [1] * 2999 + [0], "key": ["a", "b", "c"] * 1000})

QUERIES = {
    "in memory": (SHARE, lambda lazy: lazy.pipe(dfv.apply, SHARE).collect()),
    "streaming": (SHARE, lambda lazy: lazy.pipe(dfv.apply, SHARE).collect(engine="streaming")),
    "filtered": (SHARE, lambda lazy: lazy.filter(pl.col("part") > 2000).pipe(dfv.apply, SHARE).collect()),
    "sliced": (SHARE, lambda lazy: lazy.pipe(dfv.apply, SHARE).tail(5).collect()),
    "expression": (SHARE, lambda lazy: lazy.select(dfv.expr(SHARE, "part", "whole")).collect()),
    "groups": (SHARE, lambda lazy: lazy.group_by("key").agg(dfv.expr(SHARE, "part", "whole")).collect()),
    "scan over": (RUNNING, lambda lazy: lazy.select(dfv.expr(RUNNING, "part").over("key")).collect()),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_message_says_what_its_row_numbers_count_from(name):
    plugin, query = QUERIES[name]
    message = rf"plugin `{plugin.name}`: 1 of \d+ rows failed, row \d+ of a batch passed by Polars, not of "
    with pytest.raises(dfv.RowError, match=message) as caught:
        query(FRAME.lazy())
    assert caught.value.rows == ()


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
@pytest.mark.parametrize("plugin", [RUNNING, TOTAL, [SHARE, RUNNING]])
def test_what_takes_the_rows_in_order_knows_their_numbers(plugin, engine):
    lazy = FRAME.lazy().filter(pl.col("part") != 1).head(2000)
    with pl.Config():
        pl.Config.set_streaming_chunk_size(2)
        with pytest.raises(dfv.RowError, match="row 2 failed with ValueError: three") as caught:
            lazy.pipe(dfv.apply, plugin).collect(engine=engine)
    assert caught.value.rows == (2,)


def test_frames_and_streams_know_their_rows():
    with pytest.raises(dfv.RowError, match="1 of 3000 rows failed, row 2999; the first") as caught:
        dfv.apply(FRAME, SHARE)
    assert caught.value.rows == (2999,)
    with pytest.raises(dfv.RowError, match="row 2999 failed with") as caught:
        list(dfv.stream(FRAME.lazy(), SHARE))
    assert caught.value.rows == (2999,)


def test_rows_of_a_reader_count_from_its_first_batch():
    table = pl.DataFrame({"part": [1] * 7, "whole": [1, 1, 1, 2, 0, 1, 1]}).to_arrow()
    reader = dfv.apply(table.to_reader(3), SHARE)
    assert len(reader.read_next_batch()) == 3
    with pytest.raises(dfv.RowError, match="row 4 failed with ZeroDivisionError") as failed:
        reader.read_next_batch()
    assert failed.value.rows == (4,)
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
