"""What takes the rows of a lazy query in order: scans and reduces against a row kernel there, and a stream.

    cd asv_benchmarks && python -m races.ordered --rows 100_000_000 --folder /somewhere/large

Each contender runs in a process of its own, whose peak memory is the system's word.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from polars.io.plugins import register_io_source

import dataflare_vec as dfv
from races.common import Figure, Size, at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 30_000_000
#: Bytes of a row of the files.
_WIDTH = 24
_PIECE, _MORSEL = 1_000_000, 100_000

CHILD = """
import json, sys, time
import polars as pl
import dataflare_vec as dfv
from dataflare_vec.cli.run import peak_memory

contender, source, target = sys.argv[1:]
way, name = contender.split()

@dfv.plugin
def row(x, y):
    return x * y + 1.0

@dfv.scan(init=0.0)
def scan(state, x, y):
    return state * 0.999 + x * y, state

@dfv.reduce(init=0.0)
def reduce(state, x, y):
    return state * 0.999 + x * y

plugin = {"row": row, "scan": scan, "keys": scan, "reduce": reduce}[name]
by = "key" if name == "keys" else None
pl.DataFrame({"key": [1], "x": [1.0], "y": [1.0]}).pipe(dfv.apply, plugin, by=by)
began = time.perf_counter()
if way == "lazy":
    pl.scan_parquet(source).pipe(dfv.apply, plugin, by=by).sink_parquet(target)
else:
    dfv.stream(source, plugin, by=by).write(target)
print(json.dumps({"seconds": time.perf_counter() - began, "peak": peak_memory()}))
"""

NAMES = {"scan": "scan", "keys": "scan by 1,000 keys", "reduce": "reduce"}


def write_rows(path: Path, rows: int) -> None:
    """Write 3 columns of 8 bytes, in row groups of 250,000."""
    numbers = np.random.default_rng(0)
    writer = None
    for start in range(0, rows, _PIECE):
        count = min(_PIECE, rows - start)
        columns = {"key": numbers.integers(0, 1000, count), "x": numbers.random(count)}
        table = pl.DataFrame({**columns, "y": numbers.random(count)}).to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd", compression_level=1)
        writer.write_table(table, row_group_size=250_000)
    if writer is not None:
        writer.close()


def child(contender: str, source: Path, target: Path) -> dict[str, float]:
    """Run a contender in a process of its own; return its seconds and peak bytes."""
    command = [sys.executable, "-c", CHILD, contender, str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def files(rows: int, repeats: int, folder: Path) -> Iterator[Figure]:
    """Measure memory and time over files of ``rows`` and a third as many."""
    large, small, out = folder / "large.parquet", folder / "small.parquet", folder / "out.parquet"
    write_rows(large, rows)
    write_rows(small, rows // 3)
    runs = [("lazy row", large)]
    for name in NAMES:
        runs += [(f"lazy {name}", large), (f"stream {name}", large), (f"lazy {name}", small)]
    results: dict[tuple[str, Path], list[dict[str, float]]] = {}
    for _ in range(repeats):
        for contender, source in runs:
            results.setdefault((contender, source), []).append(child(contender, source, out))

    def found(what: str, contender: str, source: Path = large) -> float:
        return median(one[what] for one in results[contender, source])

    row = found("peak", "lazy row")
    for name, called in NAMES.items():
        what = f"{rows:,} rows × 3 → lazy {called} → Parquet"
        peak, taken = found("peak", f"lazy {name}"), found("seconds", f"lazy {name}")
        note = f"{peak / 2**20:.0f} MiB against {row / 2**20:.0f}"
        yield Figure(f"{what}: peak memory / a row kernel's", peak / row, at_most(1.6, aim=1.2), note)
        more = peak - found("peak", f"lazy {name}", small)
        grown = max(0.0, more / ((rows - rows // 3) * _WIDTH))
        note = f"{more / 2**20:.0f} MiB more"
        yield Figure(
            f"{what}: peak memory more than for a third / bytes of the rows more",
            grown,
            at_most(0.5, aim=0.2),
            note,
        )
        theirs = found("seconds", f"stream {name}")
        note = f"{taken:.1f} s against {theirs:.1f}"
        yield Figure(f"{what}: time / `dfv.stream`'s", taken / theirs, at_most(1.5, aim=1), note)


def race_files(size: Size) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        yield from files(size.rows(ROWS), min(size.repeats, 3), Path(folder))


def race_head(size: Size) -> Iterator[Figure]:
    """How many morsels are read for the first rows of a scan."""
    rows = size.rows(ROWS)
    read = 0

    def source(columns: list[str] | None, *_: Any) -> Iterator[pl.DataFrame]:
        nonlocal read
        frame = pl.DataFrame({"x": pl.int_range(_MORSEL, eager=True)})
        for _ in range(0, rows, _MORSEL):
            read += 1
            yield frame

    def total(state: int, x: int) -> tuple[int, int]:
        return state + x, state

    scan = dfv.scan(total, init=0)
    query = register_io_source(source, schema={"x": pl.Int64}).pipe(dfv.apply, scan, on_error="drop")
    assert query.head(1000).collect(engine="streaming").height == 1000
    what = f"{rows:,} rows → lazy scan that may drop some → head(1000): morsels read"
    yield Figure(what, read, at_most(10))


RACES: list[Any] = [race_files, race_head]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where there is room: 2 GB for 30 million rows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for figure in files(arguments.rows, arguments.repeats, Path(folder)):
            print(figure, flush=True)
    for figure in race_head(Size(scale=1, repeats=1)):
        print(figure, flush=True)


if __name__ == "__main__":
    main()
