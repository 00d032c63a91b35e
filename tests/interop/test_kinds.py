"""Data of any kind in, the same kind out."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def half(x):
    return x / 2


def positive(x):
    return x > 0


HALF = define(half, name="half", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
POSITIVE = define(positive, name="positive", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)
CENTRED = define(
    pl.col("x") - pl.col("x").mean(),
    name="centred",
    form=Form.EXPRESSION,
    plugin_type=dfv.PluginType.TRANSFORMER,
)
FRAME = pl.DataFrame({"x": [1.0, None, -3.0, 4.0], "s": ["a", "b", None, "d"]})
WANTED = FRAME.with_columns(half=pl.col("x") / 2)
KEPT = WANTED.filter(pl.col("x") > 0)


class Stream:
    """Anything that speaks Arrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._table = frame.to_arrow()

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


MAKE = {
    "DataFrame": lambda frame: frame,
    "LazyFrame": lambda frame: frame.lazy(),
    "Table": lambda frame: frame.to_arrow(),
    "RecordBatch": lambda frame: frame.to_arrow().combine_chunks().to_batches()[0],
    "RecordBatchReader": lambda frame: frame.to_arrow().to_reader(max_chunksize=3),
    "pandas": lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
}


def as_polars(data):
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if isinstance(data, pa.RecordBatchReader):
        data = data.read_all()
    if isinstance(data, pd.DataFrame):
        return pl.from_pandas(data)
    return pl.DataFrame(data)


@pytest.mark.parametrize("kind", MAKE)
def test_the_same_kind_comes_back(kind):
    data = MAKE[kind](FRAME)
    result = dfv.apply(data, [HALF, POSITIVE])
    assert type(result) is type(data)
    assert_frame_equal(as_polars(result), KEPT)
    only_new = dfv.apply(MAKE[kind](FRAME), HALF, keep=False)
    assert type(only_new) is type(data)
    assert_frame_equal(as_polars(only_new), WANTED.select("half"))


@pytest.mark.parametrize("kind", MAKE)
def test_an_expression_that_needs_all_rows_gets_them(kind):
    result = as_polars(dfv.apply(MAKE[kind](FRAME), CENTRED))
    assert_frame_equal(result, FRAME.with_columns(centred=pl.col("x") - pl.col("x").mean()))


def test_any_arrow_stream_comes_back_as_a_reader():
    result = dfv.apply(Stream(FRAME), HALF)
    assert isinstance(result, pa.RecordBatchReader)
    assert_frame_equal(pl.DataFrame(result.read_all()), WANTED)


def test_a_reader_is_read_batch_by_batch():
    taken = []

    def batches():
        for i in range(3):
            taken.append(i)
            yield pa.record_batch({"x": [float(i)]})

    reader = pa.RecordBatchReader.from_batches(pa.schema({"x": pa.float64()}), batches())
    result = dfv.apply(reader, HALF)
    assert taken == []
    assert result.schema.names == ["x", "half"]
    assert result.read_next_batch().to_pydict() == {"x": [0.0], "half": [0.0]}
    assert taken == [0]


def test_pandas_keeps_its_index():
    data = pd.DataFrame({"x": [1.0, -2.0, 3.0]}, index=["p", "q", "r"])
    assert dfv.apply(data, HALF)["half"].to_dict() == {"p": 0.5, "q": -1.0, "r": 1.5}
    assert list(dfv.apply(data, [HALF, POSITIVE]).index) == ["p", "r"]
    assert list(data.columns) == ["x"]


def test_nan_in_pandas_is_no_null():
    data = pd.DataFrame({"x": [float("nan"), 1.0]})
    assert dfv.apply(data, HALF)["half"].isna().tolist() == [True, False]
    assert dfv.run(data, HALF).frame["half"].dtype == "float64"


def test_a_series_is_the_one_column():
    series = pl.Series("anything", [2.0, None, -4.0])
    assert dfv.apply(series, HALF).to_list() == [1.0, None, -2.0]
    assert dfv.apply(series, POSITIVE).to_list() == [2.0]
    with pytest.raises(dfv.BindingError, match="a pipeline needs a frame, got a Series"):
        dfv.apply(series, [HALF, POSITIVE])


def test_no_rows_and_no_columns():
    empty = FRAME.clear()
    assert dfv.apply(empty, [HALF, POSITIVE, CENTRED]).schema == {
        **FRAME.schema,
        "half": pl.Float64,
        "centred": pl.Float64,
    }
    with pytest.raises(dfv.ColumnNotFoundError, match="none available"):
        dfv.apply(pl.DataFrame(), HALF)


def test_namespaces():
    assert_frame_equal(FRAME.dfv.apply(HALF), WANTED)
    assert_frame_equal(FRAME.lazy().dfv.apply(HALF).collect(), WANTED)
    assert FRAME["x"].dfv.apply(HALF).to_list() == WANTED["half"].to_list()
    assert_frame_equal(FRAME.select("x", "s", pl.col("x").dfv.apply(HALF)), WANTED)
    assert FRAME.dfv.run(HALF).processed_count == 4


# -- lazy frames ------------------------------------------------------------------------------------------


def test_a_lazy_frame_knows_its_schema_without_running():
    def never(frame: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("it ran")

    lazy = FRAME.lazy().map_batches(never, schema=FRAME.schema).pipe(dfv.apply, [HALF, POSITIVE])
    assert lazy.collect_schema() == WANTED.schema


def test_streaming_and_sinks(tmp_path):
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    frame = pl.DataFrame({"x": [float(i % 7 - 3) for i in range(200_000)]})
    frame.write_parquet(source, row_group_size=10_000)
    query = pl.scan_parquet(source).pipe(dfv.apply, [HALF, POSITIVE])
    query.sink_parquet(target)
    expected = frame.with_columns(half=pl.col("x") / 2).filter(pl.col("x") > 0)
    assert_frame_equal(pl.read_parquet(target), expected)


def test_projection_and_predicate_pushdown(tmp_path):
    path = tmp_path / "in.parquet"
    FRAME.with_columns(unused=1).write_parquet(path)
    query = pl.scan_parquet(path).pipe(dfv.apply, HALF)
    plan = query.select("half").explain()
    assert "PROJECT 1/3 COLUMNS" in plan
    plan = query.filter(pl.col("s") == "a").explain()
    assert 'SELECTION: col("s") == "a"' in plan
    assert_frame_equal(query.filter(pl.col("s") == "a").collect().drop("unused"), WANTED.head(1))


def test_expressions_inside_a_query():
    @dfv.plugin(replace=True)
    def both(x):
        return x + 1, x > 0

    structs = FRAME.select(dfv.expr("both", "x"))["both"]
    assert structs.dtype == pl.Struct({"both_0": pl.Float64, "both_1": pl.Boolean})
    grouped = FRAME.group_by(pl.col("x") > 0, maintain_order=True).agg(dfv.expr(HALF, "x").sum())
    assert grouped["half"].to_list() == [2.5, 0.0, -1.5]
    with pytest.raises(ValueError, match="can't drop rows"):
        dfv.expr(HALF, "x", on_error="drop")


def test_a_call_like_the_last_one_is_not_confused_with_another():
    for dtype in (pl.Float64, pl.Int64, pl.Float64, pl.UInt8):
        frame = pl.DataFrame({"x": [2, 4]}, schema={"x": dtype})
        assert dfv.apply(frame, HALF)["half"].to_list() == [1.0, 2.0]
    taken = FRAME.with_columns(half=1)
    dfv.apply(FRAME, HALF)
    with pytest.raises(dfv.OutputNameError):
        dfv.apply(taken, HALF)
    assert dfv.apply(taken, HALF, keep=False).columns == ["half"]
    with pytest.raises(dfv.OutputNameError):
        dfv.apply(taken, HALF)
    with pytest.raises(dfv.ColumnTypeError):
        dfv.apply(FRAME.with_columns(x=None), HALF)
    centred = FRAME.select("x").with_columns(centred=pl.col("x") - pl.col("x").mean())
    assert_frame_equal(dfv.apply(FRAME.select("x"), CENTRED), centred)
    assert_frame_equal(
        dfv.apply(FRAME.select("x")[1:], CENTRED).tail(1),
        centred[1:].tail(1).with_columns(centred=pl.col("x") - pl.lit(0.5)),
    )
