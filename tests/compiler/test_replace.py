"""Outputs in the place of columns that there are: ``output="x", replace=True``."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def double(x):
    return 2 * x


def clean(text):
    return text.strip().lower()


def size(text):
    return len(text)


def checked(x):
    if x < 0:
        raise ValueError("below zero")
    return x + 1


class Both(NamedTuple):
    x: float
    new: float


def both(x, y):
    return Both(x + y, x - y)


def running(total, x):
    return total + x, total + x


def total(state, x):
    return state + x


def large(x):
    return x > 1


def make(function, form=Form.ROW, kind=dfv.PluginType.TRANSFORMER, **about):
    return define(
        function, name=getattr(function, "__name__", "plugin"), form=form, plugin_type=kind, **about
    )


DOUBLE, CLEAN, SIZE, CHECKED, BOTH = map(make, (double, clean, size, checked, both))
RUNNING = make(running, Form.SCAN, init=0.0)
TOTAL = make(total, Form.REDUCE, dfv.PluginType.AGGREGATOR, init=0.0)
LARGE = make(large, kind=dfv.PluginType.FILTER)
FRAME = pl.DataFrame({"x": [1.0, None, 3.0, 4.0], "text": [" A", "b ", None, ""], "y": [1.0, 2.0, 3.0, 0.5]})


def arrow(result):
    return pl.DataFrame(result.read_all() if isinstance(result, pa.RecordBatchReader) else result)


KINDS = {
    "DataFrame": (lambda frame: frame, lambda frame: frame),
    "LazyFrame": (pl.DataFrame.lazy, pl.LazyFrame.collect),
    "Table": (pl.DataFrame.to_arrow, arrow),
    "RecordBatch": (lambda frame: frame.to_arrow().combine_chunks().to_batches()[0], arrow),
    "Reader": (lambda frame: frame.to_arrow().to_reader(max_chunksize=3), arrow),
    "pandas": (lambda frame: frame.to_pandas(use_pyarrow_extension_array=True), pl.from_pandas),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_frame(kind):
    into, back = KINDS[kind]

    def applied(plugin, **options):
        data = into(FRAME)
        result = back(dfv.apply(data, plugin, **options))
        if not isinstance(data, pa.RecordBatchReader):
            assert_frame_equal(back(data), FRAME)  # the input is never changed
        return result

    wanted = FRAME.with_columns(x=2 * pl.col("x"))
    assert_frame_equal(applied(DOUBLE, output="x", replace=True), wanted)
    cleaned = FRAME.with_columns(text=pl.Series(["a", "b", None, ""]))
    assert_frame_equal(applied(CLEAN, output="text", replace=True), cleaned)
    sizes = FRAME.with_columns(text=pl.Series([2, 2, None, 0]))
    assert_frame_equal(applied(SIZE, output="text", replace=True), sizes)  # another type
    several = FRAME.with_columns(x=pl.col("x") + pl.col("y"), new=pl.col("x") - pl.col("y"))
    assert_frame_equal(applied(BOTH, output=["x", "new"], replace=True), several)
    assert_frame_equal(applied(BOTH, replace=True), several)
    swapped = FRAME.with_columns(y=pl.col("x") + pl.col("y"), x=pl.col("x") - pl.col("y"))
    assert_frame_equal(applied(BOTH, output={"x": "y", "new": "x"}, replace=True), swapped)
    scanned = FRAME.with_columns(x=pl.col("x").cum_sum())
    assert_frame_equal(applied(RUNNING, output="x", replace=True), scanned)
    alone = applied(DOUBLE, output="x", replace=True, keep=False)
    assert_frame_equal(alone, wanted.select("x"))


@pytest.mark.parametrize("kind", KINDS)
def test_pipelines_read_what_the_step_before_has_written(kind):
    into, back = KINDS[kind]
    steps = [
        dfv.step(DOUBLE, output="before"),
        dfv.step(DOUBLE, output="x", replace=True),
        dfv.step(DOUBLE, output="after"),
        dfv.step(DOUBLE, output="x", replace=True),
        dfv.step(LARGE),
        dfv.step(BOTH, output={"x": "y", "new": "before"}, replace=True),
    ]
    result = back(dfv.apply(into(FRAME), steps))
    wanted = pl.DataFrame(
        {
            "x": [4.0, 12.0, 16.0],
            "text": [" A", None, ""],
            "y": [5.0, 15.0, 16.5],
            "before": [3.0, 9.0, 15.5],
            "after": [4.0, 12.0, 16.0],
        }
    )
    assert_frame_equal(result, wanted)


def test_for_all_steps_of_a_pipeline():
    result = dfv.apply(FRAME, [dfv.step(DOUBLE, output="x"), dfv.step(DOUBLE, output="x")], replace=True)
    assert result["x"].to_list() == [4.0, None, 12.0, 16.0]
    assert dfv.run(FRAME, [BOTH, DOUBLE], replace=True).frame.columns == ["x", "text", "y", "new", "double"]


def test_stages_that_see_all_rows_and_expressions():
    centre = dfv.register("centre_of_x", pl.col("x") - pl.col("x").mean(), replace=True)
    steps = [
        dfv.step(DOUBLE, output="x", replace=True),
        dfv.step(centre, output="x", replace=True),
        dfv.step(DOUBLE, x=pl.col("x") + 1, output="x", replace=True),
    ]
    wanted = [2 * (value - 16 / 3 + 1) if value is not None else None for value in (2.0, None, 6.0, 8.0)]
    for data in (FRAME, FRAME.lazy()):
        result = dfv.apply(data, steps).lazy().collect()
        assert result.columns == FRAME.columns
        assert result["x"].to_list() == pytest.approx(wanted)
    shifted = define(
        lambda x: x[-1], name="before", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER, lookback=1
    )
    result = dfv.apply(FRAME.select("y"), [dfv.step(shifted, x="y", output="y")] * 2, replace=True)
    assert result["y"].to_list() == [None, None, 1.0, 2.0]


def test_expressions_between_row_kernels_see_the_newest():
    tenfold = dfv.register("tenfold", pl.col("x") * 10, replace=True)
    steps = [tenfold, DOUBLE, tenfold, DOUBLE, CHECKED, tenfold]
    result = dfv.apply(FRAME, [dfv.step(each, output="x") for each in steps], replace=True)
    assert result["x"].to_list() == [4010.0, None, 12010.0, 16010.0]
    interpreted = define(
        double, name="slow", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER, fallback="python"
    )
    column = define(lambda x: x + 1, name="plus", form=Form.COLUMN, plugin_type=dfv.PluginType.TRANSFORMER)
    steps = [column, interpreted, column, DOUBLE, column]
    result = dfv.apply(FRAME, [dfv.step(each, output="x") for each in steps], replace=True)
    assert result["x"].to_list() == [11.0, None, 19.0, 23.0]


@pytest.mark.parametrize("rows", [4, 5_000])
def test_failed_rows_show_the_old_value(rows):
    frame = pl.DataFrame({"x": [float(i % 4 - 1) for i in range(rows)]})
    result = dfv.run(frame, CHECKED, output="x", replace=True)
    assert result.frame["x"].to_list() == [None if i % 4 == 0 else i % 4 for i in range(rows)]
    assert result.error_count == rows // 4
    assert result.errors.row(0) == (0, "checked", "ValueError", "below zero", {"x": -1.0})
    steps = [dfv.step(DOUBLE, output="x"), dfv.step(CHECKED, output="x")]
    result = dfv.run(frame, steps, on_error="drop", replace=True)
    assert result.errors["inputs"][0] == {"x": -2.0}
    assert result.frame.height == rows - rows // 4
    assert frame["x"][0] == -1.0


def test_it_has_to_be_said():
    for data in (FRAME, FRAME.lazy(), FRAME.to_arrow(), FRAME.to_pandas()):
        with pytest.raises(dfv.OutputNameError, match=r"already has a column `x`.*with `replace=True`"):
            dfv.apply(data, DOUBLE, output="x")
    dfv.apply(FRAME.rename({"text": "double"}), DOUBLE, replace=True)
    with pytest.raises(dfv.OutputNameError, match="already"):  # nothing is remembered of the call before
        dfv.apply(FRAME.rename({"text": "double"}), DOUBLE)
    with pytest.raises(dfv.OutputNameError, match="two outputs would be named `x`"):
        dfv.apply(FRAME, BOTH, output=["x", "x"], replace=True)
    with pytest.raises(dfv.OutputNameError, match="would replace the column `x`, which `keep=False` drops"):
        dfv.apply(FRAME, [dfv.step(DOUBLE, output="x", keep=False, replace=True)])
    with pytest.raises(TypeError, match="`replace` must be True or False, got 'x'"):
        dfv.apply(FRAME, DOUBLE, output="x", replace="x")


def test_filters_and_reduces_have_nothing_to_replace():
    assert dfv.apply(FRAME, LARGE, replace=True).height == 2
    assert dfv.apply(FRAME, TOTAL, output="x", replace=True).rows() == [(8.0,)]
    with pytest.raises(dfv.OutputNameError, match="`by` already has a column `y`"):
        dfv.apply(FRAME, TOTAL, by="y", output="y", replace=True)
    steps = [dfv.step(DOUBLE, output="x", replace=True), TOTAL]
    for data in (FRAME, FRAME.lazy()):
        assert dfv.apply(data, steps).lazy().collect().rows() == [(16.0,)]


def test_keys_that_were_replaced():
    steps = [
        dfv.step(CLEAN, output="text", replace=True),
        dfv.step(RUNNING, output="x", by="text", replace=True),
    ]
    frame = pl.DataFrame({"x": [1.0, 2.0, 4.0], "text": ["A", "b", " a"]})
    for data in (frame, frame.lazy()):
        assert dfv.apply(data, steps).lazy().collect().rows() == [(1.0, "a"), (2.0, "b"), (5.0, "a")]


def test_streams_and_files(tmp_path):
    FRAME.write_parquet(tmp_path / "in.parquet")
    stream = dfv.stream(tmp_path / "in.parquet", DOUBLE, output="x", replace=True)
    assert stream.schema == FRAME.schema
    stream.write(tmp_path / "out.parquet")
    wanted = FRAME.with_columns(x=2 * pl.col("x"))
    assert_frame_equal(pl.read_parquet(tmp_path / "out.parquet"), wanted)
    assert_frame_equal(pl.concat(dfv.stream(FRAME.to_arrow(), DOUBLE, output="x", replace=True)), wanted)
    failing = FRAME.with_columns(x=-pl.col("x"))
    stream = dfv.stream(failing, CHECKED, output="x", replace=True, on_error="drop")
    stream.write(tmp_path / "out.parquet", errors=tmp_path / "failed.parquet")
    assert pl.read_parquet(tmp_path / "failed.parquet")["x"].to_list() == [-1.0, -3.0, -4.0]


def test_managers_and_namespaces_and_records():
    manager = dfv.PluginManager()
    result = manager.process_batch(DOUBLE, FRAME, output="x", replace=True)
    assert result.frame["x"].to_list() == [2.0, None, 6.0, 8.0]
    assert FRAME.dfv.apply(DOUBLE, output="x", replace=True)["x"][0] == 2.0
    manager.process_batch(SIZE, FRAME, output="text", replace=True)
    # The column that the plugin has seen is that of the data, and not its own.
    assert manager.process_record(SIZE, {"text": "abc"}).value == 3
    assert manager.health_check([]).plugins == {}


def test_chunks_and_threads():
    frame = pl.DataFrame({"x": [float(i) for i in range(50_000)], "y": [1.0] * 50_000})
    steps = [
        dfv.step(DOUBLE, output="x"),
        dfv.step(BOTH),
        dfv.step(LARGE),
        dfv.step(DOUBLE, x="new", output="y"),
    ]
    small = dfv.BatchConfig(min_batch_size=64, default_batch_size=64, max_batch_size=640, parallelism=3)
    wanted = frame.select(x=2 * pl.col("x") + 1, y=2 * (2 * pl.col("x") - 1), new=2 * pl.col("x") - 1)
    wanted = wanted.filter(pl.col("x") > 1)
    for data in (frame, pl.concat([frame[:777], frame[777:]], rechunk=False)):
        for config in (None, small):
            assert_frame_equal(dfv.apply(data, steps, replace=True, config=config), wanted)


def test_pandas_keeps_the_place_and_the_index():
    data = pd.DataFrame({"a": [1, 2], "x": [2**53 + 1, 3], "b": ["p", "q"]}, index=["i", "j"])
    before = data.copy()
    result = dfv.apply(data, DOUBLE, output="x", replace=True)
    pd.testing.assert_frame_equal(result, before.assign(x=[2**54 + 2, 6]))
    result.iloc[0, 0] = 100
    pd.testing.assert_frame_equal(data, before)
