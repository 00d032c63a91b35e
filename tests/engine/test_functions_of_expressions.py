"""Functions in compiled expressions: within units in the last place of Polars', and alike at the edges."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.engine.execution.fused_expressions import Loop
from dataflare_vec.engine.planning.fusion import Fusing

EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-300, 5e-324, 1e300, 1e15, -1e15, math.inf, -math.inf, math.nan, None]
FUNCTIONS = {
    "exp": pl.Expr.exp, "log": pl.Expr.log, "log10": pl.Expr.log10, "log1p": pl.Expr.log1p,
    "log 3": lambda x: x.log(3), "sqrt": pl.Expr.sqrt, "cbrt": pl.Expr.cbrt,
    "sin": pl.Expr.sin, "cos": pl.Expr.cos, "tan": pl.Expr.tan,
    "asin": pl.Expr.arcsin, "acos": pl.Expr.arccos, "atan": pl.Expr.arctan,
    "sinh": pl.Expr.sinh, "cosh": pl.Expr.cosh, "tanh": pl.Expr.tanh,
    "asinh": pl.Expr.arcsinh, "acosh": pl.Expr.arccosh, "atanh": pl.Expr.arctanh,
    "degrees": pl.Expr.degrees, "radians": pl.Expr.radians,
    "pow 1.5": lambda x: x**1.5, "pow -2": lambda x: x**-2.0,
    "pow": lambda x: x.abs() ** pl.col("y"), "atan2": lambda x: pl.arctan2(x, "y"),
}  # fmt: skip
#: Neither Polars' functions nor ours are exact; so many units in the last place they may be apart. Near zero
#: Polars' `arcsinh` and `arctanh` lose digits.
APART = {"asinh": 1e6, "atanh": 1e6, "acosh": 64, "degrees": 4, "radians": 4, "log 3": 6, "log10": 6}
USUAL = 6


@pytest.fixture(scope="module", params=[pl.Float64, pl.Float32], ids=str)
def results(request):
    random = np.random.default_rng(11)
    values = [
        *EDGES,
        *random.uniform(-3, 3, 300),
        *random.uniform(-1, 1, 300),
        *10 ** random.uniform(-30, 30, 300),
    ]
    df = pl.DataFrame({"x": values, "y": values[::-1]}).cast(request.param)
    expressions = {name: function(pl.col("x")) for name, function in FUNCTIONS.items()}
    fusion = Fusing(expressions, always=True).over(df.schema)
    loop = Loop(fusion, list(expressions), dfv.default_manager().runtime.unseen())
    found = loop({one.name: one for one in df}, len(df))
    return fusion, {one.name: one for one in found}, df.select(**expressions), df


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_as_polars(results, name):
    fusion, found, theirs, df = results
    ours, wanted = found[name], theirs[name]
    assert name in fusion.fused
    assert ours.dtype == wanted.dtype
    assert ours.is_null().equals(wanted.is_null(), check_names=False)
    a, b = (one.fill_null(0).to_numpy() for one in (ours, wanted))
    same = (np.isnan(a) & np.isnan(b)) | (a == b)
    with np.errstate(all="ignore"):
        apart = np.abs(a - b) / np.spacing(np.maximum(np.abs(a), np.finfo(a.dtype).tiny))
    wrong = ~same & ~(apart <= APART.get(name, USUAL))
    rows = np.flatnonzero(wrong)[:5]
    assert not wrong.any(), [(df["x"][int(i)], a[i], b[i], apart[i]) for i in rows]
