"""Polars expressions, compiled together, and as plugins."""

import polars as pl

import dataflare_vec as dfv


@dfv.expression
def net_of_tax(gross: pl.Expr, tax: pl.Expr, discount: float = 0.0) -> pl.Expr:
    return (gross - tax) * (1.0 - discount)


sales = pl.DataFrame({"gross": [119.0, 238.0], "tax": [19.0, 38.0]})
net = pl.col("gross") - pl.col("tax")
fused = dfv.fuse(net=net, share=net / pl.col("gross"), always=True)
assert sales.with_columns(fused).columns == ["gross", "tax", "net", "share"]
assert sales.filter(dfv.fuse(net > 150.0, always=True)).height == 1

shown: dfv.ExpressionsExplanation = dfv.explain([net.alias("net")], sales, always=True)
loops: int = shown.loops
assert loops == 1
asked: pl.Expr = net_of_tax(pl.col("gross"), pl.col("tax"), discount=0.5)
assert sales.select(asked.alias("half"))["half"].to_list() == [50.0, 100.0]
assert sales.pipe(dfv.apply, net_of_tax, discount=0.5)["net_of_tax"].to_list() == [50.0, 100.0]
