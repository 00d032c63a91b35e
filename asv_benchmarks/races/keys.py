"""A state for each key: scans and reduces."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal, assert_series_equal

import dataflare_vec as dfv
from races.common import Figure, Size, at_least, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = 10_000


class Sums(NamedTuple):
    count: int
    one: float
    two: float
    three: float


def _skewness(s):
    mean = s.one / s.count
    variance = s.two / s.count - mean * mean
    return (s.three / s.count - 3 * mean * variance - mean * mean * mean) / variance**1.5


@dfv.scan(init=None)
def level_by_key(level, x, alpha=0.1):
    level = x if level is None else level + alpha * (x - level)
    return level, level


@dfv.reduce(init=Sums(0, 0.0, 0.0, 0.0), finish=_skewness)
def skewness_by_key(s, x):
    square = x * x
    return Sums(s.count + 1, s.one + x, s.two + square, s.three + square * x)


class Lot(NamedTuple):
    quantity: float
    price: float


def _sell(stock, quantity, price):
    """Buy, or sell (a negative ``quantity``) what was bought first; tell what that had cost."""
    cost = 0.0
    if quantity > 0:
        stock.append(Lot(quantity, price))
        return stock, cost
    while quantity < 0 and stock:
        lot = stock.popleft()
        sold = min(lot.quantity, -quantity)
        quantity += sold
        cost += sold * lot.price
        if sold < lot.quantity:
            stock.appendleft(Lot(lot.quantity - sold, lot.price))
    return stock, cost


@dfv.scan(init=deque())
def fifo_cost(stock: deque[Lot], quantity, price):
    return _sell(stock, quantity, price)


def _data(rows: int) -> pl.DataFrame:
    random = np.random.default_rng(3)
    keys = pl.Series(random.integers(0, min(KEYS, rows // 10), rows))
    return pl.DataFrame({"id": keys, "name": "device " + keys.cast(pl.String), "x": random.random(rows)})


def smoothing_by_key(size: Size) -> Iterator[Figure]:
    rows = size.rows(10_000_000)
    df = _data(rows)
    level = pl.col("x").ewm_mean(alpha=0.1, adjust=False)
    for key, what, bar in (("id", "int", at_least(3, aim=5)), ("name", "string", at_least(2.6, aim=3))):
        wanted = df.select(level.over(key)).to_series()
        assert_series_equal(dfv.apply(df, level_by_key, by=key)["level_by_key"], wanted, check_names=False)
        ours, theirs = timed(
            [
                lambda key=key: dfv.apply(df, level_by_key, by=key),
                lambda key=key: df.with_columns(e=level.over(key)),
            ],
            size.repeats,
        )
        yield Figure(
            f"EWMA, {rows:,} rows × {KEYS:,} {what} keys: times faster than ewm_mean().over()",
            theirs / ours,
            bar,
            f"{ours / rows * 1e9:.1f} ns a row against {theirs / rows * 1e9:.1f}",
        )


def reducing_by_key(size: Size) -> Iterator[Figure]:
    rows = size.rows(10_000_000)
    df = _data(rows)
    x = pl.col("x")
    count, one, two, three = x.len(), x.sum(), (x * x).sum(), (x * x * x).sum()
    mean = one / count
    variance = two / count - mean * mean
    expression = (three / count - 3 * mean * variance - mean * mean * mean) / variance.pow(1.5)

    def theirs() -> pl.DataFrame:
        return df.group_by("id").agg(skewness_by_key=expression)

    def ours() -> pl.DataFrame:
        return dfv.apply(df, skewness_by_key, by="id")

    assert_frame_equal(ours().sort("id"), theirs().sort("id"), rel_tol=1e-6, abs_tol=1e-6)
    mine, built_in, inside = timed(
        [ours, theirs, lambda: df.group_by("id").agg(dfv.expr(skewness_by_key, "x"))], size.repeats
    )
    what = f"skewness, {rows:,} rows × {KEYS:,} keys"
    yield Figure(
        f"{what}: times faster than built-ins in group_by().agg()",
        built_in / mine,
        at_least(6),
        f"{mine / rows * 1e9:.1f} ns a row against {built_in / rows * 1e9:.1f}",
    )
    yield Figure(
        f"{what}, as dfv.expr in group_by().agg(): times faster than built-ins",
        built_in / inside,
        at_least(1.2),
    )


def fifo_by_key(size: Size) -> Iterator[Figure]:
    rows = size.rows(5_000_000)
    random = np.random.default_rng(4)
    bought = random.random(rows) < 0.55
    quantity = np.where(bought, 1.0, -1.0) * random.integers(1, 10, rows)
    df = pl.DataFrame(
        {
            "sku": random.integers(0, min(KEYS, rows // 10), rows),
            "quantity": quantity,
            "price": random.integers(100, 200, rows) / 4,
        }
    )

    def ours() -> pl.DataFrame:
        return dfv.apply(df, fifo_cost, by="sku")

    def theirs() -> pl.DataFrame:
        parts = []
        for part in df.partition_by("sku", maintain_order=True):
            stock: deque[Lot] = deque()
            rows = zip(part["quantity"].to_list(), part["price"].to_list(), strict=True)
            cost = [_sell(stock, one, price)[1] for one, price in rows]
            parts.append(part.with_columns(fifo_cost=pl.Series(cost)))
        return pl.concat(parts)

    order = ["sku", "quantity", "price", "fifo_cost"]
    assert_frame_equal(
        ours().sort("sku", maintain_order=True).select(order), theirs().sort("sku", maintain_order=True)
    )
    mine, plain = timed([ours, theirs], min(size.repeats, 3))
    yield Figure(
        f"FIFO cost, a deque for each key, {rows:,} rows × {KEYS:,} keys: times faster than Python per group",
        plain / mine,
        at_least(8, aim=100),
        f"{mine / rows * 1e9:.1f} ns a row against {plain / rows * 1e9:.1f}",
    )


RACES = [smoothing_by_key, reducing_by_key, fifo_by_key]
