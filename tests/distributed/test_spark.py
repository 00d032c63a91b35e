"""Plugins over data frames of Spark."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

from testing.engine_laws import Cluster, Laws, Survives

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


class TestSpark(Laws, Survives):
    pass
