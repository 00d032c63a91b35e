"""Try an installed package where there is no checkout: a kernel, a ready-made one, a lazy query, a file."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path

import polars as pl

import dataflare_vec as dfv


@dfv.plugin
def fare(distance: float, minutes: float, base: float = 2.5) -> float:
    if distance < 0.0:
        raise ValueError("distance is negative")
    return base + 1.75 * distance + 0.35 * minutes


def main() -> None:
    assert dfv.__version__ == version("dataflare_vec")
    df = pl.DataFrame({"distance": [1.0, None, -1.0], "minutes": [10.0, 5.0, 1.0]})
    wanted = [2.5 + 1.75 + 3.5, None, None]
    assert df.pipe(dfv.apply, "fare", on_error="null")["fare"].to_list() == wanted
    lazy = df.lazy().pipe(dfv.apply, "fare", on_error="null").collect(engine="streaming")
    assert lazy["fare"].to_list() == wanted
    words = pl.DataFrame({"a": ["kitten"], "b": ["sitting"]})
    assert words.pipe(dfv.apply, "levenshtein")["levenshtein"].item() == 3
    with tempfile.TemporaryDirectory() as folder:
        rides, fares = Path(folder) / "rides.parquet", Path(folder) / "fares.parquet"
        df.write_parquet(rides)
        dfv.stream(rides, "fare", on_error="drop").write(fares)
        assert pl.read_parquet(fares)["fare"].to_list() == wanted[:2]
    print(f"dataflare_vec {dfv.__version__} works")


main()
