"""Plugins over datasets of Ray Data."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest

from testing.engine_laws import Cluster, Laws, Survives

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


class TestRay(Laws, Survives):
    pass
