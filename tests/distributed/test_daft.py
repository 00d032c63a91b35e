"""Plugins over data frames of Daft."""

from __future__ import annotations

import os

import polars as pl
import pytest
from polars import selectors

from testing.engine_errors import FailedRows
from testing.engine_faults import Faults
from testing.engine_laws import Cluster, Laws

daft = pytest.importorskip("daft", reason="Daft isn't installed: `dataflare_vec[daft]`")


class _Daft(Cluster):
    def frame(self, data, parts):
        data = data.with_columns(selectors.categorical().cast(pl.String))  # Daft has no categories
        size = -(-data.height // parts) or 1
        return daft.from_arrow([data[i * size : (i + 1) * size].to_arrow() for i in range(parts)])

    def rows(self, frame):
        return pl.DataFrame(frame.to_arrow())


@pytest.fixture(scope="module")
def cluster():
    assert daft.get_or_infer_runner_type() == os.environ.get("DAFT_RUNNER", "native")
    return _Daft()


class TestDaft(Laws, FailedRows, Faults):
    pass
