"""Failed rows of frames and of lazy queries, collected in a log."""

from __future__ import annotations

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def share(part, whole):
    return part // whole


TRANSFORMER, AGGREGATOR = dfv.PluginType.TRANSFORMER, dfv.PluginType.AGGREGATOR
SHARE = define(share, name="share", form=Form.ROW, plugin_type=TRANSFORMER)
FRAME = pl.DataFrame({"part": range(100_000), "whole": [i % 100 for i in range(100_000)]})


@pytest.mark.parametrize("lazy", [False, True])
def test_rows_are_counted_and_kept(lazy):
    log = dfv.ErrorLog(limit=10)
    data = FRAME.lazy() if lazy else FRAME
    result = data.pipe(dfv.apply, SHARE, on_error="null", errors=log)
    if lazy:
        assert log.count == 0  # nothing has run
        result = result.collect()
    assert log.count == result["share"].null_count() == 1000
    assert log.frame.height == 10
    assert log.frame.columns == ["row", "plugin", "error", "message", "inputs"]
    assert log.frame["row"].to_list() == ([None] * 10 if lazy else list(range(0, 1000, 100)))
    assert set(log.frame["error"]) == {"ZeroDivisionError"}
    assert {row["whole"] for row in log.frame["inputs"]} == {0}
    log.clear()
    assert (log.count, log.frame.height) == (0, 0)


def test_a_query_from_file_to_file(tmp_path):
    FRAME.write_parquet(tmp_path / "in.parquet", row_group_size=1000)
    log = dfv.ErrorLog()
    query = pl.scan_parquet(tmp_path / "in.parquet").pipe(dfv.apply, [SHARE], on_error="null", errors=log)
    query.sink_parquet(tmp_path / "out.parquet")
    assert log.count == 1000
    assert repr(log) == "<ErrorLog: 1000 failed rows>"
    assert pl.read_parquet(tmp_path / "out.parquet")["share"].null_count() == 1000


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
@pytest.mark.parametrize("kind", ["drop", "scan", "reduce", "reader"])
def test_where_rows_come_in_order_it_has_their_numbers(kind, engine):
    def share_so_far(state, part, whole):
        return state + part // whole, state

    def shares(state, part, whole):
        return state + part // whole

    plugins = {
        "scan": define(share_so_far, name="so_far", form=Form.SCAN, plugin_type=TRANSFORMER, init=0),
        "reduce": define(shares, name="shares", form=Form.REDUCE, plugin_type=AGGREGATOR, init=0),
    }
    log = dfv.ErrorLog(limit=900)
    on_error = "drop" if kind == "drop" else "null"
    if kind == "reader":
        dfv.apply(FRAME.to_arrow().to_reader(777), SHARE, on_error=on_error, errors=log).read_all()
    else:
        query = FRAME.lazy().pipe(dfv.apply, plugins.get(kind, SHARE), on_error=on_error, errors=log)
        with pl.Config():
            pl.Config.set_streaming_chunk_size(777)
            query.collect(engine=engine)
    assert log.frame["row"].to_list() == list(range(0, 90_000, 100))


def test_streams_and_series_and_drop():
    log = dfv.ErrorLog()
    dfv.apply(FRAME.to_arrow().to_reader(), SHARE, on_error="drop", errors=log).read_all()
    assert log.count == 1000
    log.clear()
    result = dfv.apply(FRAME["whole"], SHARE, part=1, on_error="null", errors=log)
    assert result.null_count() == 1000
    assert log.count == 1000


def test_other_calls_are_not_in_it():
    log = dfv.ErrorLog()
    dfv.apply(FRAME, SHARE, on_error="null")
    assert log.count == 0
