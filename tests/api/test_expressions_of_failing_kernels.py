"""`dfv.expr` of kernels that fail on the values which Polars would try them with: ``""`` and 1."""

from __future__ import annotations

import polars as pl
import pytest

import dataflare_vec as dfv

FRAME = pl.DataFrame({"s": ["1", "2", "30"], "i": [2, 3, 4], "k": ["a", "b", "a"]})


@pytest.fixture(scope="module")
def number():
    return dfv.plugin(lambda s: int(s), name="number", replace=True)


@pytest.fixture(scope="module")
def summed():
    return dfv.reduce(lambda total, s: total + int(s), init=0, name="summed", replace=True)


@pytest.fixture(scope="module")
def running():
    def next_total(total, s):
        return total + int(s), total + int(s)

    return dfv.scan(next_total, init=0, name="running", replace=True)


def test_a_kernel_in_every_place(number):
    e = dfv.expr(number, "s")
    assert FRAME.select(e).to_series().to_list() == [1, 2, 30]
    assert FRAME.select(e * 2 + dfv.expr(number, pl.col("s") + "0")).to_series().to_list() == [12, 24, 360]
    assert FRAME.select(e.sum().over("k")).to_series().to_list() == [31, 2, 31]
    assert FRAME.filter(e > 1).height == 2
    assert FRAME.group_by("k", maintain_order=True).agg(e.sum()).rows() == [("a", 31), ("b", 2)]
    lazy = FRAME.lazy().with_columns(n=e)
    assert lazy.collect_schema()["n"] == pl.Int64
    assert lazy.filter(pl.col("n") > 1).collect(engine="streaming")["n"].to_list() == [2, 30]
    empty = FRAME[:0].select(e).to_series()
    assert (empty.dtype, len(empty)) == (pl.Int64, 0)
    nulls = (
        FRAME.select(pl.lit(None, dtype=pl.String).alias("s").repeat_by(2).explode()).select(e).to_series()
    )
    assert (nulls.dtype, nulls.to_list()) == (pl.Int64, [None, None])


def test_numbers_and_several_outputs():
    inverse = dfv.plugin(lambda i: (6 // (i - 1), f"{i}"), name="inverse", replace=True)
    out = FRAME.select(dfv.expr(inverse, "i").alias("both")).unnest("both")
    assert out.rows() == [(6, "2"), (3, "3"), (2, "4")]
    assert out.dtypes == [pl.Int64, pl.String]


def test_filter():
    large = dfv.filter(lambda s: int(s) > 1, name="large", replace=True)
    assert FRAME.filter(dfv.expr(large, "s"))["s"].to_list() == ["2", "30"]
    assert FRAME.lazy().select(dfv.expr(large, "s")).collect_schema().dtypes() == [pl.Boolean]


def test_reduce(summed):
    e = dfv.expr(summed, "s")
    assert FRAME.group_by("k", maintain_order=True).agg(e).rows() == [("a", 31), ("b", 2)]
    assert FRAME.select(e).item() == 33
    assert FRAME.select(e.over("k")).to_series().to_list() == [31, 2, 31]
    assert FRAME.lazy().group_by("k").agg(e).collect_schema()["summed"] == pl.Int64
    share = dfv.reduce(
        lambda total, s: total + int(s), init=0, finish=lambda t: ("of", 62 // t), name="share", replace=True
    )
    got = FRAME.group_by("k", maintain_order=True).agg(dfv.expr(share, "s").alias("both")).unnest("both")
    assert got.rows() == [("a", "of", 2), ("b", "of", 31)]


def test_scan(running):
    assert FRAME.select(dfv.expr(running, "s")).to_series().to_list() == [1, 3, 33]
    assert FRAME.select(dfv.expr(running, "s").over("k")).to_series().to_list() == [1, 2, 31]
    assert FRAME.select(dfv.expr(running, "s", by="k")).to_series().to_list() == [1, 2, 31]
    upper = pl.col("k").str.to_uppercase()
    assert FRAME.select(dfv.expr(running, "s", by=upper)).to_series().to_list() == [1, 2, 31]


def test_what_fails_is_told(number):
    with pytest.raises(Exception, match=r"3 of 3 rows failed, .* ValueError: invalid literal") as raised:
        FRAME.select(dfv.expr(number, pl.col("k")))
    assert isinstance(raised.value, dfv.RowError)
    assert FRAME.select(dfv.expr(number, "k", on_error="null")).to_series().to_list() == [None] * 3
    wrong = dfv.plugin(lambda s: s.no_such_method(), name="wrong", replace=True)
    with pytest.raises(Exception, match="strings have no `no_such_method` in compiled code"):
        FRAME.select(dfv.expr(wrong, "s"))


def test_an_interpreted_kernel():
    def odd(s):
        return len({1: 2, "b": s})

    plugin = dfv.plugin(odd, name="odd", fallback="python", replace=True)
    with pytest.raises(Exception, match="needs to know what the kernel returns"):
        FRAME.select(dfv.expr(plugin, "s"))
    plugin = dfv.plugin(odd, name="odd", fallback="python", replace=True, returns=pl.Int64)
    with pytest.warns(dfv.InterpretedWarning):
        values = FRAME.select(dfv.expr(plugin, "s")).to_series()
    assert values.to_list() == [2, 2, 2]
