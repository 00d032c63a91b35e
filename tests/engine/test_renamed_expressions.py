"""Expression plugins whose columns are bound to others: literals stay what they are."""

from __future__ import annotations

import math

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

import dataflare_vec as dfv


@given(st.floats())
@example(math.inf)
@example(-math.inf)
@example(math.nan)
@example(0.9117889219263857)
def test_floats_are_kept(value):
    df = pl.DataFrame({"other": [1.0, -3.0, 0.0, None]})
    expression = pl.col("x") * pl.lit(value) + value
    plugin = dfv.register("scaled by a literal", expression, replace=True)
    wanted = df.select(pl.col("other") * pl.lit(value) + value).to_series()
    for ours in (
        df.pipe(dfv.apply, plugin, x="other")["scaled by a literal"],
        df.select(dfv.expr(plugin, x="other")).to_series(),
        df.lazy().pipe(dfv.apply, plugin, x="other").collect()["scaled by a literal"],
        df.select(dfv.expr(plugin, x=pl.col("other") * 1)).to_series(),
    ):
        assert ours.equals(wanted, check_names=False)


def test_of_all_rows_at_once():
    value = 0.9117889219263857
    plugin = dfv.register("sum by a literal", (pl.col("x") * value).sum(), replace=True)
    df = pl.DataFrame({"other": [1.0, 2.0], "x": [5.0, 6.0]})
    assert df.select(dfv.expr(plugin, x="other")).item() == df.select((pl.col("other") * value).sum()).item()
