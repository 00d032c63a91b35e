"""Plugins over datasets of Ray Data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import dataflare_vec as dfv
from testing.engine_errors import FailedRows, FailedRowsSurvive
from testing.engine_faults import Faults
from testing.engine_laws import Cluster, Laws, Survives, even, running, share_of

ray = pytest.importorskip("ray", reason="Ray isn't installed: `dataflare_vec[ray]`")
pytest.importorskip("ray.data")


class _Ray(Cluster):
    def frame(self, data, parts):
        size = -(-data.height // parts)
        return ray.data.from_arrow([data[i * size : (i + 1) * size].to_arrow() for i in range(parts)])

    def rows(self, frame):
        tables = ray.get(frame.to_arrow_refs())
        tables = [table for table in tables if table.num_columns]  # of blocks without rows
        return pl.DataFrame(pa.concat_tables(tables) if tables else None)


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield _Ray()
    ray.shutdown()


class TestRay(Laws, FailedRows, Faults, Survives, FailedRowsSurvive):
    knows_places = False

    def test_tensors_pass_by(self, cluster):
        data = ray.data.from_numpy(np.ones((4, 3, 2))).add_column("part", lambda batch: np.arange(4))
        rows = dfv.apply(data, [even, dfv.step(running, by="part")], order_by="part").take_all()
        assert sorted(row["running"] for row in rows) == [0, 2]
        assert all((row["data"] == np.ones((3, 2))).all() for row in rows)

    def test_a_column_of_objects_is_named(self, cluster):
        data = ray.data.from_pandas(pd.DataFrame({"part": [1, 2], "whole": [1, 1], "any": [{"a": 1}, "x"]}))
        with pytest.raises(dfv.UnsupportedDataError, match="column `any` holds objects of Python"):
            dfv.apply(data, share_of)
