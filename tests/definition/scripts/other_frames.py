# pyright: standard
"""Frames of pandas and PyArrow, and a function of DuckDB."""

from typing import Any

import duckdb
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

import dataflare_vec as dfv


@dfv.plugin
def body_mass_index(weight: float, height: float) -> float:
    return weight / height**2


people = {"weight": [70.0], "height": [2.0]}
pandas: pd.DataFrame = dfv.apply(pd.DataFrame(people), body_mass_index)
table: pa.Table = dfv.apply(pa.table(people), body_mass_index)
assert pandas["body_mass_index"].tolist() == table["body_mass_index"].to_pylist() == [17.5]
reader: Any = pl.DataFrame(people)  # anything that speaks Arrow, of a type that isn't known
assert dfv.apply(reader, body_mass_index).height == 1
per_two: dfv.Plugin = dfv.register("per_two", pl.col("weight") / 2)
series: pl.Series = dfv.apply(pl.Series("weight", [70.0]), per_two)
assert series.to_list() == [35.0]

connection = duckdb.connect()
dfv.duckdb.register(connection, body_mass_index)
assert connection.sql("SELECT body_mass_index(70.0::DOUBLE, 2.0::DOUBLE)").fetchall() == [(17.5,)]
