"""Frames of other libraries: the same kind comes back, and what a kernel doesn't touch is as it was."""

from __future__ import annotations

import datetime
import decimal

import narwhals as nw
import narwhals.stable.v1 as nw_v1
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def half(x):
    return x / 2


HALF = define(half, name="half", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
COLUMNS = {
    "x": [1.0, 2.0, 3.0],
    "when": pd.date_range("2026-01-01", periods=3, tz="Europe/Berlin"),
    "kind": pd.Categorical(["a", "b", "a"]),
    "money": [decimal.Decimal("1.10"), decimal.Decimal("2.20"), None],
    "day": [datetime.date(2026, 1, 1)] * 3,
    "text": ["p", None, "q"],
    "count": pd.array([1, None, 3], dtype="Int64"),
    "flag": pd.array([True, None, False], dtype="boolean"),
}


@pytest.mark.parametrize("backend", ["numpy", "pyarrow"])
@pytest.mark.parametrize("column", ["x", "count"])
def test_pandas_keeps_every_type(backend, column):
    data = pd.DataFrame(COLUMNS, index=["p", "q", "r"])
    if backend == "pyarrow":
        data = data.convert_dtypes(dtype_backend="pyarrow")
    before = data.copy()
    result = dfv.apply(data, HALF, x=column)
    pd.testing.assert_frame_equal(result.drop(columns="half"), data)
    pd.testing.assert_frame_equal(data, before)
    wanted = {"x": "float64", "count": "Float64"}[column] if backend == "numpy" else "double[pyarrow]"
    assert str(result.dtypes["half"]) == wanted
    assert result["half"].iloc[2] == 1.5


def test_arrow_keeps_every_type():
    table = pa.table(
        {
            "x": [1.0, 2.0],
            "kind": pa.array(["a", "b"]).dictionary_encode(),
            "money": pa.array([decimal.Decimal("1.10"), None], pa.decimal128(7, 2)),
            "when": pa.array([0, 1], pa.timestamp("s", "Asia/Tokyo")),
            "blob": pa.array([b"a", b"b"], pa.binary(1)),
            "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int8())),
        },
        metadata={"source": "a test"},
    )
    result = dfv.apply(table, HALF)
    assert result.select(table.column_names).equals(table)
    assert result.schema.metadata == {b"source": b"a test"}


@pytest.mark.parametrize("narwhals", [nw, nw_v1], ids=["main", "stable"])
@pytest.mark.parametrize(
    "native",
    [pd.DataFrame({"x": [1.0, 4.0]}), pl.DataFrame({"x": [1.0, 4.0]}), pa.table({"x": [1.0, 4.0]})],
    ids=["pandas", "polars", "pyarrow"],
)
def test_narwhals(narwhals, native):
    data = narwhals.from_native(native)
    result = dfv.apply(data, HALF)
    assert type(result) is type(data)
    assert type(result.to_native()) is type(native)
    assert result["half"].to_list() == [0.5, 2.0]
    counted = dfv.run(data, HALF)
    assert type(counted.frame) is type(data)
    assert counted.processed_count == 2
    assert next(dfv.stream(data, HALF))["half"].to_list() == [0.5, 2.0]


def test_a_lazy_narwhals_frame_stays_lazy():
    data = nw.from_native(pl.LazyFrame({"x": [1.0, 4.0]}))
    result = dfv.apply(data, HALF)
    assert isinstance(result, nw.LazyFrame)
    assert result.collect()["half"].to_list() == [0.5, 2.0]


def test_duckdb_relations():
    import duckdb

    with duckdb.connect() as connection:
        reader = dfv.apply(connection.sql("select 3.0::double as x"), HALF)
        assert reader.read_all().to_pydict() == {"x": [3.0], "half": [1.5]}


@pytest.mark.parametrize("native", [pd.Series([1.0, 4.0], name="x"), pl.Series("x", [1.0, 4.0])], ids=str)
def test_a_series_of_narwhals(native):
    data = nw.from_native(native, series_only=True)
    result = dfv.apply(data, HALF)
    assert isinstance(result, nw.Series)
    assert type(result.to_native()) is type(native)
    assert result.to_list() == [0.5, 2.0]


def test_what_narwhals_can_not_hold():
    import duckdb

    with duckdb.connect() as connection:
        data = nw.from_native(connection.sql("select 3.0::double as x"))
        with pytest.raises(
            dfv.UnsupportedDataError, match="Narwhals can't wrap the result for a DuckDBPyRelation"
        ):
            dfv.apply(data, HALF)
        assert next(dfv.stream(data, HALF))["half"].to_list() == [1.5]
