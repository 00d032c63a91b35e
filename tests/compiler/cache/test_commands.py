"""``dataflare-vec compile``, ``dataflare-vec cache``, and compiling ahead by hand."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.cli import main
from dataflare_vec.compiler.cache.entry import kept_kernels
from dataflare_vec.compiler.cache.folder import open_folder
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.polars_plugin import linker


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLARE_VEC_CACHE_DIR", str(tmp_path / "cache"))
    return open_folder()


@pytest.fixture
def margin():
    return dfv.register("margin", lambda price, cost: (price - cost) / price, replace=True)


def test_compile_fills_the_cache_with_all_loops(margin, folder, capsys):
    assert main(["compile", "margin", "--for", "f64, i32"]) == 0
    out = capsys.readouterr().out
    assert out == f"margin(price: Float64, cost: Int32) → margin: Float64\nin {folder.path}\n"
    (kept,) = kept_kernels(folder)
    assert (kept.label, kept.loops) == ("margin(price: Float64, cost: Int32)", 3)
    again = dfv.register("margin", lambda price, cost: (price - cost) / price, replace=True)
    frame = pl.DataFrame({"price": [2.0, None], "cost": [1, 1]}, schema_overrides={"cost": pl.Int32})
    assert frame.pipe(dfv.apply, again)["margin"].to_list() == [0.5, None]
    (prepared,) = remembered(again).derived.kernels.values()
    assert prepared.kernel.from_cache
    assert prepared.kernel._compiled is None


def _margin(price, cost):
    return (price - cost) / price


def test_compile_fills_it_with_native_libraries(folder, monkeypatch, capsys):
    """What a call takes from there needs no linker."""
    dfv.register("margin", _margin, replace=True)
    monkeypatch.setattr(linker, "find_spec", lambda name: None)
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("there is no C compiler")
    assert main(["compile", "margin", "--for", "f64, i32", "--native"]) == 0
    assert "native library" in " ".join(kept.label for kept in kept_kernels(folder))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    again = dfv.register("margin", _margin, replace=True)
    frame = pl.DataFrame({"price": [2.0, None], "cost": [1, 1]}, schema_overrides={"cost": pl.Int32})
    query = frame.lazy().pipe(dfv.apply, again, native=True)
    assert query.collect()["margin"].to_list() == [0.5, None]
    assert main(["compile", "margin", "--native"]) == 2
    assert "a native library needs a linker" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("types", "shown"),
    [
        ("f32,u8", "price: Float32, cost: UInt8"),
        ("Float64,int64", "price: Float64, cost: Int64"),
        ("date,datetime[ms]", "price: Date, cost: Datetime(time_unit='ms', time_zone=None)"),
        ("duration[us],time", "price: Duration(time_unit='us'), cost: Time"),
    ],
)
def test_types_are_read(types, shown, capsys):
    dfv.register("both", lambda price, cost: price > cost, replace=True)
    assert main(["compile", "both", "--for", types]) == 0
    assert f"both({shown})" in capsys.readouterr().out


def test_types_are_assumed(capsys):
    def counted(n: int, x):
        return n * x

    dfv.register("counted", counted, replace=True)
    assert main(["compile", "counted"]) == 0
    assert "counted(n: Int64, x: Float64) → counted: Float64" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["margin", "--for", "f64"], "`margin` reads 2 columns (price, cost), got 1 types"),
        (["margin", "--for", "f64,complex"], "--for: `complex` is not a dtype; use i8"),
        (["margins"], "plugin `margins` not found; did you mean `margin`"),
        (
            ["total"],
            "plugin `total`: it is an expression; only row kernels, filters and explodes are",
        ),
    ],
)
def test_mistakes_are_said(margin, arguments, message, capsys):
    dfv.register("total", pl.col("a") + 1, replace=True)
    assert main(["compile", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_a_cache_there_is_nothing_to_compile_into(margin, monkeypatch, capsys):
    monkeypatch.setenv("DATAFLARE_VEC_CACHE", "0")
    assert main(["compile", "margin"]) == 1
    assert main(["cache"]) == 1
    assert "no cache available" in capsys.readouterr().err


def test_cache_shows_and_clears(margin, folder, capsys):
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"0 kernels, 0 B of at most 256 MiB, in {folder.path}\n"
    margin.compile({"price": pl.Float64, "cost": pl.Float64})
    assert main(["cache", "list"]) == 0
    line, total = capsys.readouterr().out.splitlines()
    assert line.startswith("margin(price: Float64, cost: Float64)  3 loops, ")
    assert line.endswith(" ago")
    assert total.startswith("1 kernel, ")
    assert main(["cache", "clear"]) == 0
    assert "KiB freed in" in capsys.readouterr().out
    assert not list(folder.files())


def test_compile_takes_a_schema(margin):
    frame = pl.DataFrame({"other": ["a"], "cost": [1], "price": [2.0]})
    assert margin.compile(frame.schema) == {"margin": pl.Float64()}
    split = dfv.register("split", lambda x: (x // 2, x % 2), replace=True)
    assert split.compile({"x": pl.Int64}) == {"split_0": pl.Int64(), "split_1": pl.Int64()}


def test_compile_needs_all_types(margin):
    with pytest.raises(dfv.BindingError, match=r"no type for parameter `cost`; it needs `price`, `cost`"):
        margin.compile({"price": pl.Float64})
    with pytest.raises(dfv.ColumnTypeError, match="column `price` must be"):
        margin.compile({"price": pl.Null, "cost": pl.Float64})
