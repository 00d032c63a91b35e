"""A scan and a reduce, with keys, whose state is stored for the next day."""

import pickle
from typing import NamedTuple

import polars as pl

import dataflare_vec as dfv


class Sum(NamedTuple):
    rows: int
    total: float


def both(a: Sum, b: Sum) -> Sum:
    return Sum(a.rows + b.rows, a.total + b.total)


def mean_of(state: Sum) -> float | None:
    return state.total / state.rows if state.rows else None


@dfv.scan(init=0.0)
def account_balance(state: float, amount: float) -> tuple[float, float]:
    return state + amount, state + amount


@dfv.reduce(init=Sum(0, 0.0), merge=both, finish=mean_of)
def mean_amount(state: Sum, amount: float) -> Sum:
    return Sum(state.rows + 1, state.total + amount)


entries = pl.DataFrame({"account": ["x", "y", "x"], "amount": [5.0, 7.0, -2.0]})
today = dfv.run(entries, account_balance, by="account")
stored: bytes = pickle.dumps(today.state)
tomorrow = dfv.apply(entries, account_balance, by="account", state=pickle.loads(stored))
assert tomorrow["account_balance"].to_list() == [8.0, 14.0, 6.0]

means: pl.DataFrame = entries.pipe(dfv.apply, mean_amount, by="account")
assert dict(means.iter_rows()) == {"x": 1.5, "y": 7.0}
following: tuple[float, float] = account_balance(1.0, 2.0)
assert following == (3.0, 3.0)
