"""Native queries: what a user waits for when a kernel is built on a machine, and when it is there."""

from __future__ import annotations

import subprocess
import tempfile
from typing import TYPE_CHECKING

from races.common import Figure, Size, at_most
from races.start import environment, python

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_RESULT = """
import time
import dataflare_vec as dfv
import polars as pl

df = pl.DataFrame({{name: [1.0] * 1000 for name in ("lat1", "lon1", "lat2", "lon2")}})
df.select(pl.col(df.columns).sum())
began = time.perf_counter()
df.select(dfv.expr("{kernel}", *df.columns[:{columns}], native={native}))
print(time.perf_counter() - began)
"""


def first_results(size: Size) -> Iterator[Figure]:
    """Of a process that has imported Polars and the package: Numba's import is part of building."""
    with tempfile.TemporaryDirectory() as folder:

        def seconds(kernel: str, columns: int, *, native: bool) -> float:
            code = FIRST_RESULT.format(kernel=kernel, columns=columns, native=native)
            done = subprocess.run(
                python(code), check=True, env=environment(folder), capture_output=True, text=True
            )
            return float(done.stdout)

        seconds("normal_pdf", 1, native=True)  # what can be kept has been
        built = seconds("haversine", 4, native=True)
        yield Figure("native=True, second kernel that is built on a machine: s", built, at_most(6, aim=4))
        times = {native: [seconds("haversine", 4, native=native)] for native in (True, False)}
        for _ in range(size.repeats):
            for native, taken in times.items():
                taken.append(seconds("haversine", 4, native=native))
    native, ours = min(times[True]), min(times[False][1:])
    note = f"{native * 1000:.0f} ms against {ours * 1000:.0f}"
    what = "native=True, first result of a process from the cache: time / by Python"
    yield Figure(what, native / ours, at_most(1.5, aim=1.0), note)


RACES = [first_results]
