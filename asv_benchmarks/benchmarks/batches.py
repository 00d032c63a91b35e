"""Pipelines, failed rows and pooled memory."""

from __future__ import annotations

import numpy as np
import polars as pl

import dataflare_vec as dfv


def affine(x, gain=1.5, offset=1.0):
    return x * gain + offset


def picky(x):
    if x < 0.01:
        raise ValueError("x is too small")
    return x * 2.0


def near_one(x):
    return x > 0.5


class Pipeline:
    params = (["kept", "last only", "with a filter"],)
    param_names = ("columns",)

    def setup(self, columns):
        self.frame = pl.DataFrame({"x": np.random.default_rng(1).random(1_000_000)})
        plugin = dfv.register("affine", affine, replace=True)
        keep_all = columns != "last only"
        self.steps, source = [], "x"
        for i in range(5):
            self.steps.append(dfv.step(plugin, x=source, output=f"x{i}", keep=keep_all or i == 4))
            source = f"x{i}"
        if columns == "with a filter":
            keep = dfv.register("near_one", near_one, plugin_type="filter", replace=True)
            self.steps.insert(2, dfv.step(keep))
        dfv.apply(self.frame, self.steps)

    def time_apply(self, columns):
        dfv.apply(self.frame, self.steps)


class FailedRows:
    params = (["null", "drop"],)
    param_names = ("on_error",)

    def setup(self, on_error):
        self.frame = pl.DataFrame({"x": np.random.default_rng(1).random(1_000_000)})
        self.plugin = dfv.register("picky", picky, replace=True)
        self.time_run(on_error)

    def time_run(self, on_error):
        dfv.run(self.frame, self.plugin, on_error=on_error)

    def time_details(self, on_error):
        return dfv.run(self.frame, self.plugin, on_error=on_error).errors


class Memory:
    params = ([1_000, 8_000_000],)
    param_names = ("nbytes",)

    def setup(self, nbytes):
        self.pool = dfv.MemoryPool()
        self.pool.warmup([nbytes])

    def time_get_and_return(self, nbytes):
        self.pool.return_buffer(self.pool.get_buffer(nbytes))
