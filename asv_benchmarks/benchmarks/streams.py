"""Files through a plugin into files, and live batches."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl

import dataflare_vec as dfv

ROWS, FILES = 100_000, 5


def picky(x):
    if x < 0.001:
        raise ValueError("x is too small")
    return x * 2.0


class Files:
    params = (["parquet", "csv"],)
    param_names = ("format",)

    def setup(self, format):
        self.plugin = dfv.register("picky", picky, replace=True)
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        (self.folder / "in").mkdir()
        random = np.random.default_rng(5)
        for i in range(FILES):
            frame = pl.DataFrame({"x": random.random(ROWS)})
            getattr(frame, f"write_{format}")(self.folder / f"in/{i}.{format}")
        self.time_to_one_file(format)

    def teardown(self, format):
        self.temporary.cleanup()

    def stream(self, memory=None):
        return dfv.stream(self.folder / "in", self.plugin, on_error="drop", memory=memory)

    def time_to_one_file(self, format):
        self.stream().write(self.folder / f"out.{format}", errors=self.folder / f"failed.{format}")

    def time_to_folder(self, format):
        self.stream().write(self.folder / "out")

    def peakmem_bounded(self, format):
        self.stream("512MiB").write(self.folder / f"out.{format}")


class Live:
    def setup(self):
        self.plugin = dfv.register("picky", picky, replace=True)
        random = np.random.default_rng(5)
        self.batches = [pl.DataFrame({"x": random.random(1_000)}) for _ in range(200)]
        self.time_batches()

    def time_batches(self):
        for _ in dfv.stream(iter(self.batches), self.plugin, on_error="null"):
            pass
