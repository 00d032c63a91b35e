"""Plugins over data frames of Spark."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from typing import NamedTuple

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.engine_errors import FailedRows, FailedRowsSurvive, failing
from testing.engine_faults import Faults, wait_for, waits
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


def _running(version):
    @dfv.scan(init=0, name="running_total", version=version)
    def total(total: int, part: int):
        return total + part, total + part

    return total


def _late(path):
    """Return a column that fails on late rows until a file is there."""

    @dfv.column(name="late")
    def late(number):
        if len(number) and number.max() >= 60 and not os.path.exists(path):
            raise OSError("not yet")
        return number

    return late


def _write(data, path, second):
    data.write_parquet(path)
    os.utime(path, (10**9 + second, 10**9 + second))  # a stream takes the oldest first


def _stream(cluster, data, folder, parts=3):
    """Return a stream that brings rows in so many micro-batches."""
    source = folder / "in"
    source.mkdir(parents=True)
    size = data.height // parts
    for i in range(parts):
        _write(data[i * size : (i + 1) * size], source / f"{i}.parquet", i)
    schema = cluster.session.read.parquet(str(source)).schema
    return cluster.session.readStream.schema(schema).option("maxFilesPerTrigger", 1).parquet(str(source))


def _to_files(frame, folder):
    """Return what writes the rows of a stream to files, each once."""
    writer = frame.writeStream.format("parquet").option("path", str(folder / "rows"))
    return writer.option("checkpointLocation", str(folder / "states"))


def _run(writer):
    query = writer.trigger(availableNow=True).start()
    assert query.awaitTermination(200)


@pytest.mark.filterwarnings("ignore")
class TestSpark(Laws, FailedRows, Faults, Survives, FailedRowsSurvive):
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
        assert query.awaitTermination(200)
        rows = cluster.rows(cluster.session.table("even_ones"))
        assert_same_rows(rows, on_one_machine(data, [even, share_of], {"on_error": "null"}))

    def test_a_scan_over_a_stream_goes_on_from_its_checkpoint(self, cluster, tmp_path):
        data = some(90).with_columns(whole=pl.when(pl.col("number") % 10 == 4).then(0).otherwise("whole"))
        stream = _stream(cluster, data, tmp_path)
        mended = tmp_path / "mended"
        late = _late(str(mended))

        def run(scan):
            steps = [even, late, share_of, dfv.step(scan, by="key")]
            result = dfv.run(stream, steps, on_error="null", order_by="number")
            writer = result.frame.writeStream.format("parquet").option("path", str(tmp_path / "rows"))
            _run(writer.option("checkpointLocation", str(tmp_path / "states")))

        scan = _running("1.0.0")
        with pytest.raises(Exception, match="not yet"):
            run(scan)
        mended.touch()
        run(scan)
        got = cluster.rows(cluster.session.read.parquet(str(tmp_path / "rows")))
        plugins = [even, late, share_of, dfv.step(scan, by="key")]
        assert_same_rows(got, on_one_machine(data, plugins, {"on_error": "null"}))
        _write(data[:30], tmp_path / "in" / "9.parquet", 9)
        with pytest.raises(Exception, match=r"are of `running_total 1.0.0 .*the plugin is `running_total 2"):
            run(_running("2.0.0"))

    def test_a_stream_ends_at_a_row_that_fails_and_goes_on_once_that_is_mended(self, cluster, tmp_path):
        data = some(60).with_columns(whole=pl.when(pl.col("number") == 46).then(0).otherwise("whole"))
        stream = _stream(cluster, data, tmp_path)

        def run(on_error):
            _run(_to_files(dfv.apply(stream, share_of, on_error=on_error), tmp_path))

        with pytest.raises(Exception, match="share_of") as told:
            run("raise")
        for told_of in ("1 of 20 rows", "ZeroDivisionError", "row 6 of a batch passed by Spark"):
            assert told_of in str(told.value)
        run("drop")
        got = cluster.rows(cluster.session.read.parquet(str(tmp_path / "rows")))
        assert_same_rows(got, on_one_machine(data, share_of, {"on_error": "drop"}))

    def test_a_stream_that_is_stopped_goes_on(self, cluster, tmp_path):
        """In the middle of a micro-batch, of which nothing is kept then."""
        data = failing(120)
        stream = _stream(cluster, data, tmp_path, parts=4)
        steps = [even, waits(tmp_path, least=40), share_of, dfv.step(running, by="key")]
        rows = dfv.apply(stream, steps, on_error="drop", order_by="number")
        query = _to_files(rows, tmp_path).start()
        wait_for(tmp_path / "began")
        query.stop()
        (tmp_path / "go").touch()
        assert query.exception() is None
        _run(_to_files(rows, tmp_path))
        got = cluster.rows(cluster.session.read.parquet(str(tmp_path / "rows")))
        assert_same_rows(got, on_one_machine(data, steps, {"on_error": "drop"}))

    def test_a_stream_goes_on_from_states_of_before(self, cluster, tmp_path):
        data = some(90)
        for plugin, by in ((average, {"by": "key"}), (average, {})):
            state = dfv.run(data[:40], plugin, **by).state
            stream = _stream(cluster, data[40:], tmp_path / str(len(by)), parts=2)
            writer = dfv.apply(stream, plugin, state=state, **by).writeStream.outputMode("update")
            _run(writer.format("memory").queryName(f"averages{len(by)}"))
            rows = cluster.rows(cluster.session.table(f"averages{len(by)}"))
            last = rows.unique(list(by.values()) or None, keep="last") if by else rows[-1:]
            assert_same_rows(last, on_one_machine(data, plugin, by))

    def test_what_a_stream_cannot_do_is_refused(self, cluster, tmp_path):
        stream = _stream(cluster, some(4), tmp_path, parts=1)
        with pytest.raises(dfv.BindingError, match="over a stream a reduce over all rows"):
            dfv.apply(stream, [dfv.step(running, by="key"), average], order_by="number")
        with pytest.raises(dfv.BindingError, match="aren't counted before it ends"):
            _ = dfv.run(stream, share_of).error_count

    def test_only_what_is_read_goes_to_python(self, cluster, capsys):
        dfv.apply(cluster.frame(some(), 2), share_of, on_error="null").explain()
        (line,) = [one for one in capsys.readouterr().out.splitlines() if "ArrowEvalPython" in one]
        assert "word" not in line.split("], [")[0]
