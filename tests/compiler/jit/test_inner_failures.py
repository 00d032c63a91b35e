"""What goes wrong within Numba or LLVM is an error of ours, and `fallback="python"` works for it."""

from __future__ import annotations

import datetime

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.jit.codegen import loops

FRAME = pl.DataFrame({"x": [1, 2, 3]})


def lists_of_unlike_numbers(x):
    return [1] if x > 1 else [1.5]


def set_of_dates(x):
    return datetime.date(2020, 1, x) in {datetime.date(2020, 1, 1)}


def dict_of_dates(x):
    return {datetime.date(2020, 1, 1): 1}.get(datetime.date(2020, 1, x), 0)


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        (lists_of_unlike_numbers, pl.List(pl.Float64)),
        (set_of_dates, pl.Boolean),
        (dict_of_dates, pl.Int64),
    ],
)
def test_within_numba(function, dtype):
    with pytest.raises(dfv.KernelCompileError, match="the compiler itself failed on it") as caught:
        dfv.apply(FRAME, dfv.plugin(function, replace=True))
    assert f"plugin `{function.__name__}` can't be compiled for the columns (x: Int64)" in str(caught.value)
    assert 'fallback="python"' in str(caught.value)
    assert isinstance(caught.value.__cause__, (AssertionError, TypeError))
    plugin = dfv.plugin(function, replace=True, fallback="python", returns=dtype)
    with pytest.warns(dfv.InterpretedWarning):
        out = dfv.apply(FRAME, plugin)[function.__name__]
    assert out.to_list() == [function(x) for x in (1, 2, 3)]


class Stumbling(loops.LoopBuilder):
    def build(self, module, name):
        raise AssertionError


@pytest.mark.parametrize("form", ["row", "filter", "scan", "finish", "merge"])
def test_where_a_loop_is_written(form, monkeypatch):
    from dataflare_vec.compiler.jit.codegen import driver

    monkeypatch.setenv("DATAFLARE_VEC_CACHE", "0")
    fold = {"init": 0, "name": "stumbles", "replace": True}
    if form == "row":
        plugin = dfv.plugin(lambda x: x + 1, name="stumbles", replace=True)
    elif form == "filter":
        plugin = dfv.filter(lambda x: x > 1, name="stumbles", replace=True)
    elif form == "scan":
        plugin = dfv.scan(lambda total, x: (total + x, x), **fold)
    elif form == "finish":
        plugin = dfv.reduce(lambda total, x: total + x, finish=lambda total: total, **fold)
    else:
        plugin = dfv.reduce(lambda total, x: total + x, merge=lambda a, b: a + b, **fold)
    if form in ("finish", "merge"):
        dfv.run(FRAME, dfv.reduce(lambda total, x: total + x, **fold))
    monkeypatch.setattr(driver, "LoopBuilder", Stumbling)
    with pytest.raises(dfv.KernelCompileError, match=r"plugin `stumbles`.*can't be compiled") as caught:
        dfv.run(FRAME, plugin)
    assert isinstance(caught.value.__cause__, AssertionError)


def test_a_loop_that_is_needed_later(monkeypatch):
    from dataflare_vec.compiler.jit.codegen import driver

    monkeypatch.setenv("DATAFLARE_VEC_CACHE", "0")
    plugin = dfv.plugin(lambda x: 6 // x, name="later", replace=True)
    dfv.apply(FRAME, plugin)
    monkeypatch.setattr(driver, "LoopBuilder", Stumbling)
    with pytest.raises(dfv.KernelCompileError, match="plugin `later` can't be compiled for the columns"):
        dfv.apply(pl.DataFrame({"x": [1, None]}), plugin)
