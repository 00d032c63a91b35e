"""Columns that aren't numbers: typical mistakes, each refused before any row, with what to do."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import NamedTuple

import numba
import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.arrow.columns import Bitmap
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.exceptions import BindingError, ColumnTypeError, KernelCompileError, KernelResultError
from dataflare_vec.memory import default_pool


class Point(NamedTuple):
    lat: float
    lon: float


def plugin(function, returns=None):
    return define(function, name=None, form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER, returns=returns)


def size(x):
    return len(x)


def year(x: dt.datetime):
    return x.year


def north(x: Point):
    return x.lat


def half(x):
    return x / 2


def assign(x):
    x[0] = 1.0
    return x


def zoned(x: dt.time, since=dt.time(6, tzinfo=dt.timezone.utc)):
    return x > since


def grid(x):
    return np.zeros((2, 2))


@pytest.mark.parametrize(
    ("function", "values", "error", "match"),
    [
        (size, pl.Series([None]), ColumnTypeError, r"got Null; .*cast\(pl.Float64\)"),
        (size, pl.Series([object()], dtype=pl.Object), ColumnTypeError, "got Object; .*map_elements"),
        (size, pl.Series([[[1.0]]]), ColumnTypeError, r"got List\(List\(Float64\)\); .*list.eval"),
        (
            size,
            pl.Series([1], dtype=pl.UInt128),
            ColumnTypeError,
            r"got UInt128; .*cast\(pl.Int128\)",
        ),
        (year, pl.Series([dt.date(2020, 1, 1)]), ColumnTypeError, "must be Datetime, as `x: datetime` says"),
        (north, pl.Series([{"lat": 1.0}]), ColumnTypeError, "there is no field `lon`, there are `lat`"),
        (north, pl.Series([1.0]), ColumnTypeError, "must be Struct, as `x: Point` says"),
        (half, pl.Series([Decimal(1)]), KernelCompileError, r"float\(a\) / float\(b\)"),
        (assign, pl.Series([[1.0]]), KernelCompileError, "the array is read-only"),
        (zoned, pl.Series([dt.time(7)]), BindingError, "a time without zone"),
        (grid, pl.Series([1.0]), KernelResultError, "returns an array that is 2-D"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_refused(function, values, error, match):
    with pytest.raises(error, match=match):
        pl.DataFrame({"x": values}).pipe(dfv.apply, plugin(function))


def doubled(x):
    return x * 2


@pytest.mark.parametrize(
    ("returns", "match"),
    [
        (pl.Float64, "returns a list or array of Float64, but `returns` declares Float64"),
        (pl.List(pl.Float32), r"convert in the kernel, as `a.astype\(np.float32\)`"),
    ],
)
def test_declared_otherwise(returns, match):
    with pytest.raises(KernelResultError, match=match):
        pl.DataFrame({"x": [[1.0]]}).pipe(dfv.apply, plugin(doubled, returns))


def test_an_array_of_another_length_is_a_failed_row():
    frame = pl.DataFrame({"x": [[1.0, 2.0], [1.0], None]})
    result = dfv.run(frame, plugin(doubled, pl.Array(pl.Float64, 2)), on_error="null")
    assert result.frame["doubled"].to_list() == [[2.0, 4.0], None, None]
    assert result.errors["message"].to_list() == [
        "an array of 1 items does not fit Array(Float64, shape=(2,))"
    ]


def first_of(x):
    return x[0]


@numba.njit
def jit_first(x):
    return x[0]


def first_by_helper(x):
    return first_of(x) + jit_first(x)


def at_the_right(x):
    return x[-3]


def beyond(x):
    made = np.zeros(3)
    made[len(x)] = 1.0
    return made.sum()


@pytest.mark.parametrize(
    ("function", "failed"),
    [
        (first_of, [1, 4]),
        (jit_first, [1, 4]),
        (first_by_helper, [1, 4]),
        (at_the_right, [0, 1, 4]),
        (beyond, [3]),
    ],
)
def test_an_index_outside_is_a_failed_row(function, failed):
    """The values of the rows beside it are no values of a row's list."""
    df = pl.DataFrame({"x": [[1.0, 2.0], [], None, [3.0, 4.0, 5.0], []]})
    result = dfv.run(df, plugin(function), on_error="null")
    assert result.errors["row"].to_list() == failed
    assert result.errors["error"].unique().to_list() == ["IndexError"]


def test_a_decimal_that_does_not_fit_is_a_failed_row():
    frame = pl.DataFrame({"x": [Decimal("12.5"), Decimal("512.5")]})
    result = dfv.run(frame, plugin(doubled, pl.Decimal(4, 1)), on_error="null")
    assert result.frame["doubled"].to_list() == [Decimal("25.0"), None]
    assert result.errors["message"].to_list() == ["1025.0 does not fit Decimal(precision=4, scale=1)"]


def test_a_units_limit_is_a_failed_row():
    def kept(x: dt.datetime):
        return x

    frame = pl.DataFrame({"x": [dt.datetime(2020, 1, 1), dt.datetime(3000, 1, 1)]})
    result = dfv.run(frame, plugin(kept, pl.Datetime("ns")), on_error="null")
    assert result.frame["kept"].to_list() == [dt.datetime(2020, 1, 1), None]
    assert result.error_count == 1


def test_fields_that_have_no_python_name_are_left_out():
    frame = pl.DataFrame({"x": [{"lat": 1.0, "net price": None}]})

    def lat(x):
        return x.lat

    assert frame.pipe(dfv.apply, plugin(lat))["lat"].to_list() == [1.0]


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 63, 64, 65, 200])
def test_a_bitmap_takes_over_bits_from_any_offset(rows):
    bits = pl.Series([i % 3 == 0 for i in range(rows + 80)])
    for offset in range(17):
        some = bits[offset : offset + rows]
        bitmap = Bitmap(default_pool(), rows + 64, ones=True)
        bitmap.put(64, some)
        assert bitmap.slice(64, 64 + rows).to_list() == some.to_list()
        assert bitmap.slice(0, 64).all()
