"""Inside of a lazy query, as an expression, and with a log of failed rows."""

import polars as pl

import dataflare_vec as dfv


@dfv.plugin(returns=pl.Float32, math="fast")
def loudness(pressure: float, reference: float = 2e-5) -> float:
    if pressure < 0.0:
        raise ValueError("no pressure")
    return 20.0 * (pressure / reference)


log = dfv.ErrorLog(limit=10)
query: pl.LazyFrame = (
    pl.LazyFrame({"pressure": [2e-5, -1.0], "place": ["a", "b"]})
    .pipe(dfv.apply, loudness, on_error="null", errors=log)
    .filter(pl.col("place") != "c")
)
assert query.collect()["loudness"].null_count() == log.count == 1

louder: pl.Expr = dfv.expr("loudness", pl.col("pressure").abs(), reference=1.0).alias("louder")
grouped = query.group_by("place", maintain_order=True).agg(louder.max()).collect()
assert grouped.columns == ["place", "louder"]

gives: list[tuple[str, ...]] = [node.gives for node in dfv.explain(query).nodes]
assert gives == [("loudness",)]
