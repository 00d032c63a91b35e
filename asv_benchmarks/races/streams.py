"""Streams: Parquet through two plugins into Parquet, against Polars alone and a loop by hand; a live feed.

    cd asv_benchmarks && python -m races.streams --rows 100_000_000 --folder /somewhere/large

Each contender runs in a process of its own, whose peak memory is the system's word.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

import dataflare_vec as dfv
from races.common import Figure, Size, at_least, at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 10_000_000
MEMORY = "1GiB"
_PIECE = 1_000_000

CHILD = """
import json, sys, time
import polars as pl, pyarrow as pa, pyarrow.dataset, pyarrow.parquet as pq
import dataflare_vec as dfv
from dataflare_vec.cli.run import peak_memory

contender, source, target, memory = sys.argv[1:]
options = {"compression": "zstd", "compression_level": 1}

@dfv.plugin
def fare(km, price):
    return km * price + 1.0

plugins = [dfv.step("haversine", output="km"), "fare"]
dfv.apply(pl.DataFrame(schema=dict.fromkeys(["lat1", "lon1", "lat2", "lon2", "price"], pl.Float64)), plugins)
began, busy = time.perf_counter(), time.process_time()
if contender == "stream":
    dfv.stream(source, plugins, memory=memory).write(target, **options)
elif contender == "progress":
    from dataflare_vec.cli.progress import describe
    dfv.stream(source, plugins, memory=memory).write(target, progress=describe, **options)
elif contender == "bare":
    from dataflare_vec import PluginManager, PluginManagerConfig
    manager = PluginManager(PluginManagerConfig(enable_metrics=False))
    dfv.stream(source, plugins, memory=memory, manager=manager).write(target, **options)
elif contender == "lazy":
    pl.scan_parquet(source).pipe(dfv.apply, plugins).sink_parquet(target, **options)
elif contender == "polars":
    pl.scan_parquet(source).sink_parquet(target, **options)
elif contender == "loop":
    writer = None
    for batch in pa.dataset.dataset(source).to_batches():
        result = dfv.apply(batch, plugins)
        writer = writer or pq.ParquetWriter(target, result.schema, **options)
        writer.write_batch(result)
    writer.close()
print(json.dumps({
    "seconds": time.perf_counter() - began,
    "busy": time.process_time() - busy,
    "peak": peak_memory(),
}))
"""

KERNELS = "import dataflare_vec as dfv\n@dfv.plugin\ndef share(part, whole):\n    return part // whole\n"


def write_rows(path: Path, rows: int) -> None:
    """Write trips: 6 columns, 48 bytes a row, in row groups of 250,000."""
    numbers = np.random.default_rng(0)
    writer = None
    for start in range(0, rows, _PIECE):
        count = min(_PIECE, rows - start)
        columns = {"id": np.arange(start, start + count)}
        for name, low, high, digits in (
            ("lat1", -90, 90, 4), ("lon1", -180, 180, 4), ("lat2", -90, 90, 4), ("lon2", -180, 180, 4),
            ("price", 1, 100, 2),
        ):  # fmt: skip
            columns[name] = numbers.uniform(low, high, count).round(digits)
        table = pl.DataFrame(columns).to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd", compression_level=1)
        writer.write_table(table, row_group_size=250_000)
    if writer is not None:
        writer.close()


def child(contender: str, source: Path, target: Path) -> dict[str, float]:
    """Run a contender in a process of its own; return its seconds, busy seconds and peak bytes."""
    command = [sys.executable, "-c", CHILD, contender, str(source), str(target), MEMORY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def files(rows: int, repeats: int, folder: Path) -> Iterator[Figure]:
    """Measure memory and time over files of ``rows`` and a tenth as many."""
    large, small = folder / "large.parquet", folder / "small.parquet"
    ready, out = folder / "ready.parquet", folder / "out.parquet"
    write_rows(large, rows)
    write_rows(small, rows // 10)
    less = child("stream", small, out)["peak"]
    child("stream", large, ready)  # what Polars copies has the same columns as what the plugins make
    results: dict[str, list[dict[str, float]]] = {}
    for _ in range(repeats):
        for contender in ("stream", "lazy", "polars", "loop", "progress", "bare"):
            source = ready if contender == "polars" else large
            results.setdefault(contender, []).append(child(contender, source, out))

    def seconds(contender: str, what: str = "seconds") -> float:
        return median(one[what] for one in results[contender])

    peak = max(one["peak"] for one in results["stream"])
    what = f"{rows:,} rows × 6 → 2 plugins → Parquet"
    mine, busy = seconds("stream"), seconds("stream", "busy")
    yield Figure(f"{what}: peak memory, MiB", peak / 2**20, at_most(1024), f"memory={MEMORY}")
    yield Figure(f"{what}: peak memory / that of a tenth of the rows", peak / less, at_most(1.6, aim=1.25))
    yield Figure(
        f"{what}: time / Polars copying the result",
        mine / seconds("polars"),
        at_most(1.9, aim=1.15),
        f"{mine:.1f} s against {seconds('polars'):.1f}; of CPU time {busy / seconds('polars', 'busy'):.2f}",
    )
    yield Figure(
        f"{what}: times faster than a PyArrow loop",
        seconds("loop") / mine,
        at_least(2.5),
        f"{seconds('loop'):.1f} s; of CPU time {seconds('loop', 'busy') / busy:.2f}",
    )
    yield Figure(f"{what}: time / the lazy frame's", mine / seconds("lazy"), at_most(1.6, aim=1.1))
    yield Figure(
        f"{what}: CPU time with progress and metrics / without",
        seconds("progress", "busy") / seconds("bare", "busy"),
        at_most(2.2, aim=1.01),
        f"of time {seconds('progress') / seconds('bare'):.2f}",
    )


def race_files(size: Size) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        yield from files(size.rows(ROWS), min(size.repeats, 3), Path(folder))


def race_live_feed(size: Size) -> Iterator[Figure]:
    """A batch of 1,000 rows each 2 ms: from being there to having passed the plugins."""
    numbers = np.random.default_rng(0)
    columns = {name: numbers.uniform(-90, 90, 1000) for name in ("lat1", "lon1", "lat2", "lon2")}
    batch = pl.DataFrame(columns)
    dfv.apply(batch, "haversine")
    count = max(3000 // size.scale, 50)

    def feed() -> Iterator[pl.DataFrame]:
        for _ in range(count):
            time.sleep(0.002)
            yield batch.with_columns(pl.lit(time.perf_counter()).alias("came"))

    taken: list[float] = []
    for frame in dfv.stream(feed(), "haversine", max_latency=0.020):
        now = time.perf_counter()
        taken += (now - frame["came"].unique()).to_list()
    p50, p99 = np.quantile(taken, [0.5, 0.99]) * 1e3
    yield Figure(
        "live feed of 1,000-row batches, max_latency=20 ms: p99, ms",
        p99,
        at_most(30, aim=20),
        f"p50 {p50:.1f} ms",
    )


def race_kills(size: Size) -> Iterator[Figure]:
    """The command is killed at random moments, then runs to its end."""
    moments = max(50 // size.scale, 3)
    numbers = random.Random(0)
    half = wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "kernels.py").write_text(KERNELS)
        (folder / "in").mkdir()
        for index in range(4):
            part = pl.int_range(index * 250_000, (index + 1) * 250_000, eager=True)
            frame = pl.DataFrame({"part": part, "whole": part % 1000})
            frame.write_parquet(folder / "in" / f"{index}.parquet")
        command = [
            sys.executable,
            "-m",
            "dataflare_vec.cli",
            "run",
            "share",
            "in",
            "-o",
            "out",
            "--resume",
            "-q",
        ]
        command += ["--on-error=drop", "--errors=failed", "--plugins=kernels.py"]
        for _ in range(moments):
            with subprocess.Popen(command, cwd=folder) as process:
                time.sleep(numbers.uniform(0.2, 2.5))
                process.send_signal(signal.SIGKILL)
            half += not all(map(_is_whole, (folder / "out").glob("*.parquet")))
            if numbers.random() < 0.2:
                subprocess.run(command, cwd=folder, check=True)
                wrong += not _is_right(folder)
                shutil.rmtree(folder / "out")
                shutil.rmtree(folder / "failed")
        subprocess.run(command, cwd=folder, check=True)
        wrong += not _is_right(folder)
    yield Figure(f"kill -9 at {moments} random moments: half-written outputs", half, at_most(0))
    yield Figure(
        f"kill -9 at {moments} random moments: wrong or left-over after the next run",
        wrong,
        at_most(0),
    )


def _is_whole(path: Path) -> bool:
    return pl.read_parquet(path).height == 249_750


def _is_right(folder: Path) -> bool:
    rows = [pl.read_parquet(folder / name / "*.parquet")["part"] for name in ("out", "failed")]
    left = [
        path for each in ("out", "failed") for path in (folder / each).iterdir() if path.suffix != ".parquet"
    ]
    return not left and pl.concat(rows).sort().to_list() == list(range(1_000_000))


RACES: list[Any] = [race_files, race_live_feed, race_kills]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where there is room: 2.2 GB for 10 million rows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for figure in files(arguments.rows, arguments.repeats, Path(folder)):
            print(figure, flush=True)
    for race in (race_live_feed, race_kills):
        for figure in race(Size(scale=1, repeats=1)):
            print(figure, flush=True)


if __name__ == "__main__":
    main()
