"""Frames of pandas: new columns lose nothing, labels are of any kind, what isn't read isn't touched."""

from __future__ import annotations

import datetime
import decimal
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.interop import to_polars

#: What pandas takes strings as: objects before its third version.
TEXT = str(pd.Series(["a"]).dtype)


def same(x):
    return x


def none_for_small(x):
    return None if x < 10 else x


def or_default(x: int | None):
    return -1 if x is None else x


def positive(x):
    return x > 0


def row_kernel(function, name=None, **about):
    plugin_type = dfv.PluginType.FILTER if function is positive else dfv.PluginType.TRANSFORMER
    return define(function, name=name or function.__name__, form=Form.ROW, plugin_type=plugin_type, **about)


SAME, NONE_FOR_SMALL = row_kernel(same), row_kernel(none_for_small)
OR_DEFAULT, POSITIVE = row_kernel(or_default), row_kernel(positive)
EDGES = {
    "int8": [-(2**7), 2**7 - 1],
    "int16": [-(2**15), 2**15 - 1],
    "int32": [-(2**31), 2**31 - 1],
    "int64": [-(2**63), 2**63 - 1, 9223372036854775707, 2**53 + 1],
    "uint8": [0, 2**8 - 1],
    "uint16": [0, 2**16 - 1],
    "uint32": [0, 2**32 - 1],
    "uint64": [0, 2**64 - 1, 2**63, 2**53 + 1],
}


def test_results_can_be_written_to_and_are_nobody_elses():
    """What a kernel has made is handed over; what an expression gives may be a column of the input."""
    pool = dfv.PluginManager()
    copied = define(pl.col("x"), name="copied", form=Form.EXPRESSION, plugin_type=dfv.PluginType.TRANSFORMER)
    twice = row_kernel(lambda x: x * 2, "twice")
    data = pd.DataFrame({"x": np.arange(5000.0)})
    before = data.copy()
    for steps in ([twice], [copied], [twice, copied]):
        result = dfv.apply(data, steps, manager=pool)
        names = [step.name for step in steps]
        expected = result[names].copy()
        result.loc[0, names] = -1.0
        result.iloc[1:, -1] += 1.0
        assert (result.loc[0, names] == -1.0).all()
        pd.testing.assert_frame_equal(data, before)
        again = dfv.apply(data, steps, manager=pool)  # in other memory than the result that is still there
        pd.testing.assert_frame_equal(again[names], expected)
        assert (result.loc[0, names] == -1.0).all()


@pytest.mark.skipif(
    pd.__version__ < "3", reason="without copy on write, pandas copies each column that it is given"
)
def test_results_of_kernels_are_not_copied():
    manager = dfv.PluginManager()
    result = dfv.apply(pd.DataFrame({"x": np.arange(100_000.0)}), SAME, manager=manager)
    assert manager.get_memory_pool_stats().in_use_bytes >= 800_000
    del result
    assert manager.get_memory_pool_stats().in_use_bytes == 0


@pytest.mark.parametrize("dtype", [*EDGES, "float32", "float64"])
def test_numbers_are_read_in_place(dtype):
    data = pd.DataFrame({"x": np.arange(100, dtype=dtype), "label": "a", "y": np.ones(100, dtype)})
    frame = to_polars(data, {"x": "", "y": ""})
    for name in "xy":
        assert np.shares_memory(frame[name].to_numpy(), data[name].to_numpy())


@pytest.mark.parametrize("dtype", [">f8", ">i4", "float16", "bool", "longdouble"])
def test_other_numbers_are_converted_or_refused(dtype):
    data = pd.DataFrame({"x": np.arange(100).astype(dtype)})
    if dtype in (">f8", ">i4", "longdouble"):
        with pytest.raises(dfv.ColumnTypeError, match="can't read"):
            to_polars(data, {"x": ""})
    else:
        assert to_polars(data, {"x": ""})["x"].to_list() == data["x"].tolist()


# -- numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EDGES)
def test_integers_come_back_exactly(name):
    nullable = name.replace("i", "I").replace("uI", "UI")
    with_null = pd.DataFrame({"x": pd.array([*EDGES[name], None], dtype=nullable)})
    pd.testing.assert_series_equal(dfv.apply(with_null, SAME)["same"], with_null["x"], check_names=False)
    without = pd.DataFrame({"x": pd.array(EDGES[name], dtype=nullable)})
    pd.testing.assert_series_equal(dfv.apply(without, SAME)["same"], without["x"], check_names=False)
    plain = pd.DataFrame({"x": np.array(EDGES[name], dtype=name)})
    pd.testing.assert_series_equal(dfv.apply(plain, SAME)["same"], plain["x"], check_names=False)
    arrow = pd.DataFrame({"x": pd.array([*EDGES[name], None], dtype=f"{name}[pyarrow]")})
    pd.testing.assert_series_equal(dfv.apply(arrow, SAME)["same"], arrow["x"], check_names=False)


def test_a_kernel_that_returns_none():
    data = pd.DataFrame({"x": np.array([3, 2**63 - 1, 2**53 + 1])}, index=[7, 8, 9])
    result = dfv.apply(data, NONE_FOR_SMALL)["none_for_small"]
    assert result.dtype == "Int64"
    assert result.tolist() == [pd.NA, 2**63 - 1, 2**53 + 1]
    assert list(result.index) == [7, 8, 9]
    assert dfv.apply(data[1:], NONE_FOR_SMALL)["none_for_small"].dtype == "int64"


def test_the_input_of_integers_with_nulls():
    data = pd.DataFrame({"x": pd.array([2**63 - 1, None], dtype="Int64")})
    assert dfv.apply(data, OR_DEFAULT)["or_default"].tolist() == [2**63 - 1, -1]


@pytest.mark.parametrize(
    ("values", "dtype", "wanted"),
    [
        ([1.5, float("nan")], "float64", "float64"),
        ([1.5, float("nan")], "float32", "float32"),
        ([1.5, None], "Float64", "Float64"),
        ([True, False], "bool", "bool"),
        ([True, None], "boolean", "boolean"),
        ([True, None], object, "boolean"),
        ([2**63 - 1, None], object, "Int64"),
        (["a", None], "str", TEXT),
        (["a", None], "string", "string"),
        (["a", None], object, TEXT),
        (["a", float("nan")], object, TEXT),
        (["a", pd.NA], object, TEXT),
        ([2**53 + 1, float("nan")], object, "Int64"),
        ([True, float("nan")], object, "boolean"),
        ([1.5, float("nan")], object, "float64"),
        ([b"a", None], object, object),
        (
            ["a", None],
            pd.ArrowDtype(pl.Series(["a"]).to_arrow().type),
            pd.ArrowDtype(pl.Series(["a"]).to_arrow().type),
        ),
    ],
)
def test_other_types_come_back(values, dtype, wanted):
    data = pd.DataFrame({"x": pd.Series(values, dtype=dtype)})
    result = dfv.apply(data, SAME)["same"]
    assert result.dtype == wanted
    assert result.isna().tolist() == data["x"].isna().tolist()
    assert result[0] == data["x"][0]


def test_failed_rows_are_null_and_not_nan():
    def share(x, y):
        return x // y

    data = pd.DataFrame({"x": [7, 2**53 + 1], "y": [0, 1]})
    result = dfv.run(data, row_kernel(share)).frame["share"]
    assert result.dtype == "Int64"
    assert result.tolist() == [pd.NA, 2**53 + 1]
    floats = dfv.run(data, row_kernel(lambda x, y: (x // y) / 2, "halves")).frame["halves"]
    assert floats.dtype == "Float64"


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1))
@pytest.mark.usefixtures("all_roads")
def test_any_integers(values):
    data = pd.DataFrame({"x": pd.array(values, dtype="Int64"), "other": values})
    result = dfv.apply(data, SAME)
    pd.testing.assert_series_equal(result["same"], data["x"], check_names=False)
    pd.testing.assert_frame_equal(result[["x", "other"]], data)


# -- times, decimals, lists -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "annotation"),
    [
        (pd.Series([datetime.date(2026, 1, 1), None], dtype=object), datetime.date),
        (pd.Series([datetime.time(1, 2, 3), None], dtype=object), datetime.time),
        (pd.Series(pd.to_datetime(["2026-01-01 10:00", None])), datetime.datetime),
        (pd.Series(pd.to_datetime(["2026-01-01 10:00", None])).astype("datetime64[ms]"), datetime.datetime),
        (pd.Series(pd.to_timedelta([1.5, None], unit="s")), datetime.timedelta),
        (pd.Series([decimal.Decimal("1.10"), None], dtype=object), decimal.Decimal),
    ],
)
def test_types_of_time_and_decimals(column, annotation):
    def kernel(x):
        return x

    kernel.__annotations__["x"] = annotation
    data = pd.DataFrame({"x": column})
    result = dfv.apply(data, row_kernel(kernel, returns="x"))["kernel"]
    if annotation is decimal.Decimal:
        assert result.tolist() == column.tolist()
    elif column.dtype == object:
        pd.testing.assert_series_equal(result, column, check_names=False)
    else:
        assert (result == column).tolist() == [True, False]
        assert result.isna().tolist() == [False, True]


def test_lists_and_structs_of_integers_stay_integers():
    def pair(x):
        return [x, x + 1]

    class Both(NamedTuple):
        a: int
        b: int | None

    def both(x):
        return Both(x, None if x < 10 else x)

    data = pd.DataFrame({"x": [2**53 + 1, 3]})
    lists = dfv.apply(data, row_kernel(pair))["pair"]
    assert [list(each) for each in lists] == [[2**53 + 1, 2**53 + 2], [3, 4]]
    structs = dfv.apply(data, row_kernel(both, returns=pl.Struct))["both"]
    assert structs.tolist() == [{"a": 2**53 + 1, "b": 2**53 + 1}, {"a": 3, "b": None}]


# -- what isn't read --------------------------------------------------------------------------------------


def objects(*values):
    return pd.array(np.array([*values, ...], dtype=object)[:-1])


def everything():
    """A frame of columns of every kind, among them ones that Polars can't read."""
    return pd.DataFrame(
        {
            "x": [1.0, -2.0, 3.0],
            "mixed": objects(1, "a", None),
            "instants": objects(pd.Timestamp("2026-01-01"), 1, None),
            "sets": objects({1}, None, {2}),
            "functions": objects(print, None, len),
            "complex": [1j, 2, 3],
            "sparse": pd.arrays.SparseArray([0, 1, 0]),
            "period": pd.period_range("2026", periods=3, freq="M"),
            "interval": pd.interval_range(0, 3),
            "category": pd.Categorical([1, None, 2], ordered=True),
            "Int64": pd.array([9223372036854775707, None, 1], dtype="Int64"),
            "half": pd.array([1, 2, None], dtype="Int8"),
            "when": pd.to_datetime(["2026-01-01", None, "2026-01-03"]).tz_localize("Europe/Berlin"),
            "text": ["a", None, ""],
            "string": pd.array(["a", None, ""], dtype="string"),
            "arrow": pd.array([[1], None, []], dtype=pd.ArrowDtype(pa.list_(pa.int8()))),
        },
        index=pd.MultiIndex.from_tuples([("p", 1), ("q", 2), ("r", 3)], names=["letter", "number"]),
    )


def test_columns_that_are_not_read_are_not_touched():
    data = everything()
    data.attrs["source"] = "a test"
    before = data.copy()
    result = dfv.apply(data, SAME)
    pd.testing.assert_frame_equal(result.drop(columns="same"), data)
    assert result.attrs == {"source": "a test"}
    kept = dfv.apply(data, POSITIVE)
    pd.testing.assert_frame_equal(kept, data.iloc[[0, 2]])
    alone = dfv.apply(data, [SAME, POSITIVE], keep=False)
    assert list(alone.columns) == ["same"]
    pd.testing.assert_index_equal(alone.index, data.index[[0, 2]])
    replaced = dfv.apply(data, SAME, x="Int64", output="mixed", replace=True)
    assert list(replaced.columns) == list(data.columns)
    pd.testing.assert_frame_equal(replaced.drop(columns="mixed"), data.drop(columns="mixed"))
    pd.testing.assert_series_equal(replaced["mixed"], data["Int64"], check_names=False)
    pd.testing.assert_frame_equal(data, before)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            "instants",
            r"column `instants` holds Python objects \(Timestamp, int\) .*aren't converted implicitly",
        ),
        (
            "mixed",
            r"plugin `same`: column `mixed` holds Python objects \(int, str\) that have no common type",
        ),
        (
            "functions",
            r"plugin `same`: column `functions` holds Python objects \(builtin_function_or_method\)",
        ),
        (
            "complex",
            "plugin `same`: column `complex` has the pandas dtype complex128, which Polars can't read",
        ),
        ("sparse", "plugin `same`: column `sparse` has the pandas dtype Sparse"),
        ("period", "plugin `same`: column `period` must be a number"),
    ],
)
def test_a_column_that_can_not_be_read_is_named(column, message):
    with pytest.raises(dfv.ColumnTypeError, match=message):
        dfv.apply(everything(), SAME, x=column)


def test_no_column_is_read():
    data = everything()
    assert dfv.apply(data, SAME, x=2.5)["same"].tolist() == [2.5] * 3
    assert dfv.explain(SAME, data).stages


# -- labels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (0, "0"),
        (np.int64(7), "7"),
        (1.5, "1.5"),
        (None, "None"),
        (True, "True"),
        (("a", 1), "('a', 1)"),
        (("a", np.int64(1)), "('a', 1)"),
        (pd.Timestamp("2026-01-01"), "2026-01-01 00:00:00"),
        (datetime.date(2026, 1, 1), "2026-01-01"),
        ("", ""),
        ("a.b", "a.b"),
        ('it\'s "x"\\', 'it\'s "x"\\'),
        ("größe 🦀", "größe 🦀"),
        ("^x.*$", "^x.*$"),
        ("*", "*"),
        ("long" * 10_000, "long" * 10_000),
    ],
)
def test_labels_of_any_kind(label, name):
    columns = pd.Index([label, "other"], dtype=object, tupleize_cols=False)
    data = pd.DataFrame([[2**53 + 1, "a"], [1, "b"]], columns=columns)
    result = dfv.apply(data, SAME, x=name)
    pd.testing.assert_frame_equal(result.iloc[:, :2], data)
    assert result["same"].tolist() == [2**53 + 1, 1]
    replaced = dfv.apply(data, NONE_FOR_SMALL, x=name, output=name, replace=True)
    assert list(replaced.columns) == list(data.columns)
    assert replaced.iloc[:, 0].tolist() == [2**53 + 1, pd.NA]
    with pytest.raises(dfv.OutputNameError, match="already"):
        dfv.apply(data, SAME, x=name, output=name)


def test_a_string_goes_before_what_is_written_like_it():
    data = pd.DataFrame([[1, 2]], columns=pd.Index([0, "0"], dtype=object))
    assert dfv.apply(data, SAME, x="0")["same"].tolist() == [2]


def test_columns_of_several_levels():
    columns = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "x")])
    data = pd.DataFrame([[1, 2, 3], [4, 5, 6]], columns=columns)
    result = dfv.apply(data, SAME, x="('a', 'y')", output="a")
    assert list(result.columns) == [("a", "x"), ("a", "y"), ("b", "x"), ("a", "")]
    pd.testing.assert_frame_equal(result.iloc[:, :3], data)
    assert result.iloc[:, 3].tolist() == [2, 5]
    assert dfv.apply(data, SAME, x="('a', 'y')", keep=False)["same"].tolist() == [2, 5]
    with pytest.raises(dfv.ColumnNotFoundError, match=r"available: `\('a', 'x'\)`"):
        dfv.apply(data, SAME)


def test_labels_that_are_there_twice():
    data = pd.DataFrame([[1, 2, 3.0]], columns=["y", "y", "x"])
    result = dfv.apply(data, SAME)
    pd.testing.assert_frame_equal(result.iloc[:, :3], data)
    pd.testing.assert_frame_equal(dfv.apply(data, POSITIVE), data)
    with pytest.raises(dfv.BindingError, match="the data has 2 columns named `y`"):
        dfv.apply(data, SAME, x="y")
    with pytest.raises(dfv.OutputNameError, match="several columns `y`, so none can be replaced"):
        dfv.apply(data, SAME, output="y", replace=True)
    with pytest.raises(dfv.OutputNameError, match="already"):
        dfv.apply(data, SAME, output="y")


# -- a Series ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["price", None, 0, ("a", 1)])
def test_a_series_is_the_one_column(name):
    series = pd.Series([2**53 + 1, None, -4], dtype="Int64", index=["p", "q", "r"], name=name)
    result = dfv.apply(series, SAME)
    assert isinstance(result, pd.Series)
    pd.testing.assert_series_equal(result, series.rename("same"))
    kept = dfv.apply(series, POSITIVE)
    pd.testing.assert_series_equal(kept, series[:1])
    assert dfv.apply(series, OR_DEFAULT, output="y").name == "y"


def test_a_series_to_several_columns_and_to_one_row():
    def two(x):
        return x, -x

    def total(state, x):
        return state + x

    series = pd.Series([1, 2], name="n")
    several = dfv.apply(series, row_kernel(two))
    pd.testing.assert_frame_equal(several, pd.DataFrame({"two_0": [1, 2], "two_1": [-1, -2]}))
    reduce = define(total, name="total", form=Form.REDUCE, plugin_type=dfv.PluginType.AGGREGATOR, init=0)
    assert dfv.apply(series, reduce).tolist() == [3]
    with pytest.raises(dfv.BindingError, match="a pipeline needs a frame, got a Series"):
        dfv.apply(series, [SAME])
    with pytest.raises(dfv.ColumnTypeError, match="holds Python objects"):
        dfv.apply(pd.Series([1, "a"]), SAME)
    with pytest.raises(TypeError, match="needs an in-memory frame, got Series"):
        dfv.run(series, SAME)


def test_a_reduce_keeps_integers():
    def latest(state, x):
        return x

    reduce = define(latest, name="latest", form=Form.REDUCE, plugin_type=dfv.PluginType.AGGREGATOR, init=0)
    data = pd.DataFrame({"k": pd.array([1, None, 1], dtype="Int64"), "x": [1, 2**53 + 1, 3]})
    result = dfv.apply(data, reduce, by="k")
    assert result["k"].dtype == "Int64"
    assert result["latest"].tolist() == [3, 2**53 + 1]
