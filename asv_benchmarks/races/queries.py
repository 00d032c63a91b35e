"""Row kernels in lazy queries: against Polars' own expressions, eager frames, and a plugin in Rust."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import polars_ds as pds
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from races.common import Figure, Size, at_most, numbers, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEPS = 5


@dfv.plugin
def scaled(x, gain=1.0, offset=0.0):
    return x * gain + offset


def light_kernels(size: Size) -> Iterator[Figure]:
    """Five light kernels, whose last column alone is used."""
    rows = size.rows(10_000_000)
    df = numbers(rows, "x")
    names = ["x", *(f"x{i}" for i in range(1, _STEPS + 1))]
    steps = [
        dfv.step(scaled, x=source, output=name, gain=1.5, offset=float(i))
        for i, (source, name) in enumerate(pairwise(names))
    ]
    expression = pl.col("x")
    for i in range(_STEPS):
        expression = expression * 1.5 + float(i)

    def lazy() -> pl.DataFrame:
        query = df.lazy()
        for step in steps:
            query = query.pipe(dfv.apply, step)
        return query.select(pl.col(names[-1]).sum()).collect(engine="streaming")

    def polars() -> pl.DataFrame:
        return df.lazy().select(expression.sum().alias(names[-1])).collect(engine="streaming")

    def eager() -> pl.DataFrame:
        return dfv.apply(df, steps).select(pl.col(names[-1]).sum())

    assert_frame_equal(lazy(), polars(), rel_tol=1e-9)
    ours, theirs, whole = timed([lazy, polars, eager], size.repeats)
    what = f"{_STEPS} light kernels, lazy, {rows:,} rows → sum: time"
    note = f"{ours * 1e3:.0f} ms"
    yield Figure(f"{what} / the same as one Polars expression", ours / theirs, at_most(1.4, aim=0.9), note)
    yield Figure(f"{what} / the same over a frame", ours / whole, at_most(1.5, aim=1.0), note)


def after_a_scan(size: Size) -> Iterator[Figure]:
    """What haversine adds to a query that reads a file and sums a column."""
    rows = size.rows(20_000_000)
    columns = ["lat1", "lon1", "lat2", "lon2"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.parquet"
        random = np.random.default_rng(0)
        bounds = [90 if name.startswith("lat") else 180 for name in columns]
        points = {name: random.uniform(-most, most, rows) for name, most in zip(columns, bounds, strict=True)}
        pl.DataFrame(points).write_parquet(path, compression="lz4")

        def bare() -> pl.DataFrame:
            return pl.scan_parquet(path).select(pl.sum_horizontal(columns).sum()).collect(engine="streaming")

        def ours() -> pl.DataFrame:
            query = pl.scan_parquet(path).pipe(dfv.apply, "haversine", radius=6371.0)
            return query.select(pl.col("haversine").sum()).collect(engine="streaming")

        def theirs() -> pl.DataFrame:
            query = pl.scan_parquet(path).select(pds.haversine("lat1", "lon1", "lat2", "lon2").sum())
            return query.collect(engine="streaming")

        assert abs(ours().item() / theirs().item() - 1) < 1e-6
        without, mine, rust = timed([bare, ours, theirs], size.repeats)
    yield Figure(
        f"haversine after a scan of {rows:,} rows → sum: time added / polars_ds's (Rust)",
        max(mine - without, 0.0) / (rust - without),
        at_most(0.3, aim=0.15),
        f"{(mine - without) * 1e3:.0f} ms against {(rust - without) * 1e3:.0f}",
    )


RACES = [light_kernels, after_a_scan]
