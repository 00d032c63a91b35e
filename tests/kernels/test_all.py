"""What holds for each kernel: the plain function gives the same, nulls stay nulls, NaN isn't a number."""

from __future__ import annotations

import inspect
import math
import re
from pathlib import Path

import dataflare_vec_kernels
import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv

PACK = "dataflare_vec_kernels"
KERNELS = [p for p in dfv.plugins() if p.__module__.startswith(f"{PACK}.")]
FAMILIES = {kernel.name: kernel.__module__.split(".")[1] for kernel in KERNELS}
#: Row kernels of numbers; those of strings, lists and states have other laws, and tests of their own.
NUMERIC = [
    kernel
    for kernel in KERNELS
    if FAMILIES[kernel.name] in ("geo", "stats", "finance", "physics") and kernel.name != "xirr"
]
RANGES = {
    "lat": (-80, 80), "lon": (-180, 180), "bearing": (0, 360), "distance": (1, 5000),
    "p": (0.01, 0.99), "x": (-3, 3), "y": (0, 1),
    "seconds": (0, 2e9), "temperature": (-10, 45), "humidity": (5, 100), "wind": (0, 80),
    "spot": (80, 120), "strike": (80, 120), "years": (1, 3), "rate": (0.01, 0.05), "volatility": (0.1, 0.6),
    "price": (52, 60), "face": (50, 100), "coupon": (0.01, 0.1), "yield_": (0.01, 0.1),
    "principal": (1, 2), "periods": (10, 30), "period": (1, 9),
}  # fmt: skip


def frame(kernel, rows=40):
    random = np.random.default_rng(3)
    names = [p.name for p in kernel.parameters if p.is_column]
    return pl.DataFrame({n: random.uniform(*RANGES[re.sub(r"\d", "", n)], rows) for n in names})


def test_families_are_complete():
    for name in dataflare_vec_kernels.__all__:
        assert name in FAMILIES.values()
    modules = {path.stem for path in Path(dataflare_vec_kernels.__file__).parent.iterdir()}
    assert modules - {"__init__", "__pycache__"} == set(dataflare_vec_kernels.__all__)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_documentation(kernel):
    text = inspect.getdoc(kernel.function)
    assert kernel.info.description == text.splitlines()[0]
    assert all(section in text for section in ("Parameters\n", "Returns\n"))
    for parameter in kernel.parameters:
        assert re.search(rf"^(\w+, )*{parameter.name}(, \w+)* : ", text, re.MULTILINE), parameter.name


@pytest.mark.parametrize("kernel", NUMERIC, ids=lambda kernel: kernel.name)
def test_plain_function_nulls_and_nan(kernel):
    rows = frame(kernel).rows()
    width = len(rows[0])
    for i in range(width):  # one hole in each of the first rows, then one NaN
        rows[i] = (*rows[i][:i], None, *rows[i][i + 1 :])
        rows[width + i] = (*rows[width + i][:i], math.nan, *rows[width + i][i + 1 :])
    df = pl.DataFrame(rows, schema=dict.fromkeys(frame(kernel).columns, pl.Float64), orient="row")
    got = dfv.run(df, kernel, keep=False, on_error="null").frame
    for i, row in enumerate(rows):
        values = got.row(i)
        if i < width:
            assert values == (None,) * got.width
        elif i < 2 * width and kernel.name == "point_in_polygon":
            assert values == (False,)
        elif i < 2 * width:
            assert any(map(math.isnan, values))
        else:
            try:
                expected = kernel(*row)
            except ValueError:
                assert values == (None,) * got.width
            else:
                np.testing.assert_allclose(values, np.atleast_1d(expected), rtol=1e-9, atol=1e-11)


def test_solar_position_and_point_in_polygon_take_integers():
    df = pl.DataFrame({"seconds": [0], "lat": [0], "lon": [0]})
    assert dfv.apply(df, "solar_position")["elevation"].dtype == pl.Float64
    squares = pl.DataFrame({"x": [0, 1], "y": [0, 0]})
    assert dfv.apply(squares, "point_in_polygon")["point_in_polygon"].to_list() == [True, False]
