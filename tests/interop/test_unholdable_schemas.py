"""Queries whose columns Polars knows by name and type, and can't hold: decimals of 43 digits."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dataflare_vec as dfv


@dfv.plugin
def negated(x):
    return -x


@pytest.mark.parametrize(
    "use",
    [lambda lazy: lazy.pipe(dfv.apply, "negated"), lambda lazy: dfv.stream(lazy, "negated")],
    ids=["apply", "stream"],
)
def test_a_type_that_polars_cannot_hold(use, tmp_path):
    table = pa.table({"x": [1], "wide": pa.array([Decimal(1)], pa.decimal256(43, 2))})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(
        dfv.UnsupportedDataError, match="Polars can't hold the columns of the query: precision"
    ):
        use(pl.scan_parquet(tmp_path / "a.parquet"))
