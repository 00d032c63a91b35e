"""Plugins over data frames of Spark."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import NamedTuple

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.engine_errors import FailedRows, FailedRowsSurvive
from testing.engine_laws import (
    Cluster,
    Laws,
    Survives,
    assert_same_rows,
    average,
    even,
    on_one_machine,
    running,
    share_of,
    some,
)

sql = pytest.importorskip("pyspark.sql", reason="Spark isn't installed: `dataflare_vec[spark]`")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java, which isn't installed", allow_module_level=True)


class _Spark(Cluster):
    def __init__(self, session):
        self.session = session

    def frame(self, data, parts):
        frame = self.session.createDataFrame(data.to_arrow())
        return frame.repartition(parts)

    def rows(self, frame):
        return pl.DataFrame(frame.toArrow())


@pytest.fixture(scope="module")
def cluster():
    builder = sql.SparkSession.builder.master("local[2, 3]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", 2).config("spark.driver.host", "127.0.0.1")
    builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.log.level", "OFF")
    session = builder.getOrCreate()
    yield _Spark(session)
    session.stop()


@pytest.mark.filterwarnings("ignore")
class TestSpark(Laws, FailedRows, Survives, FailedRowsSurvive):
    def test_instants_have_the_clock_of_the_session(self, cluster):
        @dfv.plugin
        def hour_of(when: dt.datetime):
            return when.hour

        cluster.session.conf.set("spark.sql.session.timeZone", "America/New_York")
        try:
            frame = cluster.session.sql("SELECT TIMESTAMP'2024-07-01 05:00:00' AS when, 5 AS hour_of_spark")
            rows = cluster.rows(dfv.apply(frame, hour_of))
        finally:
            cluster.session.conf.set("spark.sql.session.timeZone", "UTC")
        assert rows.select("hour_of_spark", "hour_of").row(0) == (5, 5)

    def test_types_that_spark_has_not_become_those_that_hold_their_values(self, cluster):
        class Wide(NamedTuple):
            byte: int
            large: int

        @dfv.plugin(returns={"byte": pl.UInt8, "large": pl.UInt64})
        def wide(number):
            return Wide(255, 2**64 - 1)

        rows = cluster.rows(dfv.apply(cluster.frame(some(3), 2), wide))
        assert rows["byte"].to_list() == [255] * 3
        assert rows["large"].to_list() == [2**64 - 1] * 3

    def test_a_stream_is_taken_by_what_carries_no_state(self, cluster, tmp_path):
        data = some(40)
        for i in range(2):
            data[i * 20 : (i + 1) * 20].write_parquet(tmp_path / f"{i}.parquet")
        schema = cluster.session.read.parquet(str(tmp_path)).schema
        source = cluster.session.readStream.schema(schema).option("maxFilesPerTrigger", 1)
        stream = source.parquet(str(tmp_path))
        result = dfv.apply(stream, [even, share_of], on_error="null")
        query = result.writeStream.format("memory").queryName("even_ones").trigger(availableNow=True).start()
        assert query.awaitTermination(60)
        rows = cluster.rows(cluster.session.table("even_ones"))
        assert_same_rows(rows, on_one_machine(data, [even, share_of], {"on_error": "null"}))
        with pytest.raises(dfv.BindingError, match="plugin `running`: a stream of Spark comes"):
            dfv.apply(stream, running, by="key", order_by="number")
        with pytest.raises(dfv.BindingError, match="plugin `average`: a stream of Spark"):
            dfv.apply(stream, average)
        with pytest.raises(dfv.BindingError, match="plugin `average`: a stream of Spark"):
            dfv.apply(stream, average, by="key")

    def test_only_what_is_read_goes_to_python(self, cluster, capsys):
        dfv.apply(cluster.frame(some(), 2), share_of, on_error="null").explain()
        (line,) = [one for one in capsys.readouterr().out.splitlines() if "ArrowEvalPython" in one]
        assert "word" not in line.split("], [")[0]
