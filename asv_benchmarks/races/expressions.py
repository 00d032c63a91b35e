"""Polars expressions, compiled together by `dfv.fuse`, against Polars itself: all threads on both sides."""

from __future__ import annotations

import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

import dataflare_vec as dfv

from .common import Figure, at_least, at_most, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .common import Bar, Size

gross, tax, cost, pieces = map(pl.col, ("gross", "tax", "cost", "pieces"))
net = gross - tax

#: Feature engineering as it is written every day.
FOUR = {
    "net": net,
    "margin": (net - cost) / gross,
    "rate": pl.when(pieces > 10).then((cost / gross).clip(0, 1)).otherwise(0.5),
    "score": (gross + 1).log() * cost.sqrt(),
}
CHAIN = ((((gross * 1.5 + 2) * tax - 3) / 7 + cost) * 0.25 - 1) * gross
CONDITIONS = (gross > 20) & (tax < 9) & (cost > 5) & (pieces > 0) & (gross + tax < 100)


def _bought(rows: int) -> pl.DataFrame:
    random = np.random.default_rng(4)
    return pl.DataFrame(
        {
            "gross": random.random(rows) * 100,
            "tax": random.random(rows) * 10,
            "cost": random.random(rows) * 50,
            "pieces": random.integers(-5, 50, rows),
        }
    )


def _race(
    what: str,
    run: Callable[[list[pl.Expr]], pl.DataFrame],
    expressions: list[pl.Expr],
    bar: Bar,
    size: Size,
    *,
    always: bool = False,
) -> Figure:
    """Race a query with some expressions with the same query, where these are compiled."""
    fused: Any = dfv.fuse(*expressions, always=always)
    fused = fused if isinstance(fused, list) else [fused]
    assert_frame_equal(run(fused), run(expressions), rel_tol=1e-12)
    ours, theirs = timed([partial(run, fused), partial(run, expressions)], size.repeats)
    return Figure(what, theirs / ours, bar, f"{ours * 1e3:.1f} ms against {theirs * 1e3:.1f}")


def four_columns(size: Size) -> Iterator[Figure]:
    df = _bought(size.rows(10_000_000))
    expressions = [one.alias(name) for name, one in FOUR.items()]
    runs: dict[str, Any] = {
        "eager": (lambda some: df.with_columns(some), at_least(1.5, aim=5)),
        "lazy": (lambda some: df.lazy().with_columns(some).collect(engine="in-memory"), at_least(1.3, aim=4)),
        "streaming": (
            lambda some: df.lazy().with_columns(some).collect(engine="streaming"),
            at_least(1.2, aim=4),
        ),
    }
    for engine, (run, bar) in runs.items():
        what = (
            f"four columns of expressions, {df.height:,} rows: `dfv.fuse`, times faster than Polars, {engine}"
        )
        yield _race(what, run, expressions, bar, size)


def a_chain(size: Size) -> Iterator[Figure]:
    df = _bought(size.rows(20_000_000))
    chain = [CHAIN.alias("x")]

    def streaming(some: list[pl.Expr]) -> pl.DataFrame:
        return df.lazy().select(some).collect(engine="streaming")

    what = f"eight steps of arithmetic, {df.height:,} rows: `dfv.fuse`, times faster than Polars, "
    yield _race(what + "eager", lambda some: df.select(some), chain, at_least(1.2, aim=3), size, always=True)
    yield _race(what + "streaming", streaming, chain, at_least(1, aim=3), size, always=True)


def five_conditions(size: Size) -> Iterator[Figure]:
    df = _bought(size.rows(10_000_000))
    what = f"a filter of five conditions, {df.height:,} rows: `dfv.fuse`, times faster than Polars"
    yield _race(what, lambda some: df.filter(*some), [CONDITIONS], at_least(0.5, aim=2), size, always=True)


def black_scholes(size: Size) -> Iterator[Figure]:
    """Price calls; the normal distribution by Abramowitz and Stegun, 26.2.17, as Polars has no `erf`."""
    rows = size.rows(10_000_000)
    random = np.random.default_rng(5)
    df = pl.DataFrame(
        {
            "spot": random.uniform(50, 150, rows),
            "strike": random.uniform(50, 150, rows),
            "years": random.uniform(0.1, 2, rows),
            "volatility": random.uniform(0.1, 0.6, rows),
        }
    )
    spot, strike, years, volatility = map(pl.col, df.columns)
    rate = 0.03

    def normal(x: pl.Expr) -> pl.Expr:
        t = 1 / (1 + 0.2316419 * x.abs())
        terms = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
        tail: Any = 0.0
        for factor in reversed(terms):
            tail = (tail + factor) * t
        tail = tail * (x * x / -2).exp() * 0.3989422804014327
        return pl.when(x < 0).then(tail).otherwise(1 - tail)

    spread = volatility * years.sqrt()
    d1 = ((spot / strike).log() + (rate + volatility * volatility / 2) * years) / spread
    call = spot * normal(d1) - strike * (-rate * years).exp() * normal(d1 - spread)
    what = f"Black–Scholes as an expression, {rows:,} rows: `dfv.fuse`, times faster than Polars"
    yield _race(what, lambda some: df.select(some), [call.alias("call")], at_least(2, aim=8), size)


def _line_items(rows: int) -> pl.DataFrame:
    """Return the columns of TPC-H's lineitem that queries 1 and 6 read, drawn as its specification says."""
    random = np.random.default_rng(6)
    quantity = random.integers(1, 51, rows).astype(float)
    shipped = np.datetime64("1992-01-02") + random.integers(0, 2526, rows).astype("timedelta64[D]")
    return pl.DataFrame(
        {
            "quantity": quantity,
            "extendedprice": quantity * random.integers(90_000, 110_001, rows) / 100,
            "discount": random.integers(0, 11, rows) / 100,
            "tax": random.integers(0, 9, rows) / 100,
            "returnflag": random.choice(["A", "N", "R"], rows),
            "linestatus": random.choice(["O", "F"], rows),
            "shipdate": pl.Series(shipped).cast(pl.Date),
        }
    )


def tpch(size: Size) -> Iterator[Figure]:
    """Race queries 1 and 6 of TPC-H, at its scale 1."""
    df = _line_items(size.rows(6_000_000))
    price, discount, quantity = map(pl.col, ("extendedprice", "discount", "quantity"))
    discounted = price * (1 - discount)
    prices = [discounted.alias("disc_price"), (discounted * (1 + pl.col("tax"))).alias("charge")]

    def first(some: list[pl.Expr]) -> pl.DataFrame:
        kept = df.lazy().filter(pl.col("shipdate") <= datetime.date(1998, 9, 2)).with_columns(some)
        groups = kept.group_by("returnflag", "linestatus").agg(
            pl.col("quantity", "extendedprice", "disc_price", "charge").sum().name.prefix("sum_"),
            pl.col("quantity", "extendedprice", "discount").mean().name.prefix("avg_"),
            count_order=pl.len(),
        )
        return groups.sort("returnflag", "linestatus").collect()

    what = "query {} of TPC-H, scale 1: `dfv.fuse`, times faster than Polars"
    yield _race(what.format(1), first, prices, at_least(0.3, aim=1.3), size)
    year = pl.col("shipdate").is_between(datetime.date(1994, 1, 1), datetime.date(1995, 1, 1), closed="left")
    where = year & discount.is_between(0.05, 0.07) & (quantity < 24)
    revenue = (price * discount).sum().alias("revenue")

    def sixth(some: list[pl.Expr]) -> pl.DataFrame:
        return df.lazy().filter(some[0]).select(some[1]).collect()

    yield _race(what.format(6), sixth, [where, revenue], at_least(0.3, aim=2), size)


def other_literals(size: Size) -> Iterator[Figure]:
    """Time the first use of an expression that differs from another in its literals."""
    df = _bought(10_000)
    limits = iter(range(1, 1 << 20))

    def once() -> pl.DataFrame:
        limit = next(limits)
        return df.select(
            dfv.fuse(x=pl.when(pieces > limit).then(net * limit).otherwise((cost / (limit + 0.5)).log()))
        )

    (taken,) = timed([once], 20)
    what = "an expression with other literals, 10,000 rows: milliseconds until its result"
    yield Figure(what, taken * 1e3, at_most(20, aim=2))


RACES = (four_columns, a_chain, five_conditions, black_scholes, tpch, other_literals)
