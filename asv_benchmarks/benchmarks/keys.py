"""Scans and reduces: one state, and one for each key."""

from __future__ import annotations

import numpy as np
import polars as pl

import dataflare_vec as dfv

ROWS = 500_000


def smoothed(average, x, weight=0.1):
    average += weight * (x - average)
    return average, average


def total(state, x):
    return state + x


def plus(a, b):
    return a + b


def data(keys: str) -> pl.DataFrame:
    random = np.random.default_rng(3)
    codes = pl.Series("key", random.integers(0, 10_000, ROWS))
    return pl.DataFrame({"x": random.random(ROWS)}).with_columns(
        codes.cast(pl.String) if keys == "String" else codes
    )


class Scan:
    params = (["none", "Int64", "String"],)
    param_names = ("keys",)

    def setup(self, keys):
        self.frame, self.by = data(keys), None if keys == "none" else "key"
        self.plugin = dfv.scan(smoothed, init=0.0, replace=True)
        self.time_apply(keys)

    def time_apply(self, keys):
        dfv.apply(self.frame, self.plugin, by=self.by)

    def peakmem_apply(self, keys):
        dfv.apply(self.frame, self.plugin, by=self.by)


class Reduce:
    params = (["none", "Int64", "String"],)
    param_names = ("keys",)

    def setup(self, keys):
        self.frame, self.by = data(keys), None if keys == "none" else "key"
        self.plugin = dfv.reduce(total, init=0.0, merge=plus, replace=True)
        self.time_apply(keys)

    def time_apply(self, keys):
        dfv.apply(self.frame, self.plugin, by=self.by)


class Aggregation:
    def setup(self):
        self.frame = data("Int64")
        self.total = dfv.expr(dfv.reduce(total, init=0.0, merge=plus, replace=True), "x").alias("total")
        self.time_group_by()

    def time_group_by(self):
        self.frame.group_by("key").agg(self.total)
