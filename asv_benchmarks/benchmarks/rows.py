"""Row kernels: light and heavy, with nulls, on few rows and on many."""

from __future__ import annotations

import numpy as np
import polars as pl

import dataflare_vec as dfv


def light(a, b):
    return a * b + 1.0


class Haversine:
    params = ([1_000, 1_000_000], [0.0, 0.1])
    param_names = ("rows", "nulls")

    def setup(self, rows, nulls):
        random = np.random.default_rng(7)
        columns = {name: random.uniform(-90, 90, rows) for name in ("lat1", "lon1", "lat2", "lon2")}
        frame = pl.DataFrame(columns)
        missing = pl.Series(random.random(rows) < nulls)
        self.frame = frame.with_columns(lat1=pl.when(~missing).then(pl.col("lat1")))
        dfv.apply(self.frame, "haversine")

    def time_apply(self, rows, nulls):
        dfv.apply(self.frame, "haversine")

    def time_lazy(self, rows, nulls):
        self.frame.lazy().pipe(dfv.apply, "haversine").collect(engine="streaming")


class Light:
    params = ([1, 1_000, 1_000_000],)
    param_names = ("rows",)

    def setup(self, rows):
        random = np.random.default_rng(1)
        self.frame = pl.DataFrame({"a": random.random(rows), "b": random.random(rows)})
        self.plugin = dfv.register("light", light, replace=True)
        dfv.apply(self.frame, self.plugin)

    def time_apply(self, rows):
        dfv.apply(self.frame, self.plugin)

    def peakmem_apply(self, rows):
        dfv.apply(self.frame, self.plugin)


def timeraw_import():
    return "import polars, dataflare_vec"
