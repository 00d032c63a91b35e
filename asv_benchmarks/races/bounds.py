"""What `memory=` bounds: the peak of a process over files whose rows say little about their bytes.

    cd asv_benchmarks && python -m races.bounds --folder /somewhere/large
    cd asv_benchmarks && python -m races.bounds --folder /somewhere/large --only rle.parquet --command

The files are made where they aren't there: 20 GB. Each run is a process of its own, of which the system tells
the peak, the interpreter and its libraries included.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from races.common import Figure, Size, at_most

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MEMORY = "256MiB"
LIMIT = 512

KERNELS = "import dataflare_vec as dfv\n@dfv.plugin\ndef twice(x):\n    return x * 2.0\n"

CHILD = """
import json, sys, time
import dataflare_vec as dfv
from dataflare_vec.cli.run import peak_memory
from kernels import twice

source, target, memory = sys.argv[1:]
began = time.perf_counter()
rows = dfv.stream(source, twice, memory=memory or None).write(target).output_count
print(json.dumps({"peak": peak_memory(), "seconds": time.perf_counter() - began, "rows": rows}))
"""

COMMAND = """
import json, sys, time
from dataflare_vec.cli import main
from dataflare_vec.cli.run import peak_memory

source, target, memory = sys.argv[1:]
began = time.perf_counter()
code = main(["run", "twice", source, "-o", target, "--memory", memory, "--plugins=kernels.py", "-q"])
print(json.dumps({"peak": peak_memory(), "seconds": time.perf_counter() - began, "rows": -int(code or 0)}))
"""


# -- files --------------------------------------------------------------------------------------------------


def _texts(rows: int, length: int, start: int) -> pl.DataFrame:
    """Rows with one long text each: all different, of few different letters."""
    numbers = np.random.default_rng(start)
    letters = numbers.integers(97, 105, length, dtype=np.uint8).tobytes().decode()
    return pl.DataFrame(
        {
            "x": np.arange(start, start + rows, dtype=float),
            "text": [f"{start + row:08}{letters[8:]}" for row in range(rows)],
        }
    )


def _write(path: Path, pieces: Iterator[pl.DataFrame], **options: Any) -> None:
    """Write frames, of Parquet and IPC each as one row group."""
    kind = path.name.partition(".")[2]
    if kind == "parquet":
        writer = None
        for piece in pieces:
            table = piece.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(path, table.schema, **options)
            writer.write_table(table, row_group_size=1 << 30)
        assert writer is not None
        writer.close()
    elif kind in ("arrow", "arrows"):
        first = next(pieces).to_arrow()
        new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
        with pa.OSFile(str(path), "wb") as sink, new(sink, first.schema) as writer:
            writer.write_table(first.combine_chunks())
            for piece in pieces:
                writer.write_table(piece.to_arrow().combine_chunks())
    else:
        new = gzip.open if kind.endswith(".gz") else open
        with new(path, "wb") as file:
            for index, piece in enumerate(pieces):
                file.write(
                    (
                        piece.write_csv(include_header=not index) if "csv" in kind else piece.write_ndjson()
                    ).encode()
                )


def huge_rows(path: Path, rows: int = 200, length: int = 10_000_000, piece: int = 50) -> None:
    """Rows of 10 MB."""
    options = {"use_dictionary": False, "compression": "snappy", "write_batch_size": 1}
    _write(path, (_texts(piece, length, start) for start in range(0, rows, piece)), **options)


def long_rows(path: Path, rows: int = 100_000, length: int = 20_000, piece: int = 25_000) -> None:
    """Rows of 20 kB."""
    options = {"use_dictionary": False, "compression": "snappy", "write_batch_size": 1}
    _write(path, (_texts(piece, length, start) for start in range(0, rows, piece)), **options)


def wide_rows(path: Path, rows: int = 100_000, columns: int = 3000) -> None:
    """3,000 columns."""

    def pieces() -> Iterator[pl.DataFrame]:
        numbers = np.random.default_rng(0)
        values = [pl.Series(numbers.random(rows).round(4)) for _ in range(100)]  # each in thirty columns
        yield pl.DataFrame({f"c{index}" if index else "x": values[index % 100] for index in range(columns)})

    _write(path, pieces())


def run_lengths(path: Path, rows: int = 20_000_000) -> None:
    """Runs of the same values: few bytes in the file, 40 a row in memory."""
    x = pl.int_range(rows, eager=True) // 1_000_000
    frame = pl.DataFrame(
        {"x": x, "y": x * 2, "z": x.cast(pl.Float64), "text": "the same text in each row, always"}
    )
    _write(path, iter([frame]), compression="zstd")


def lists(path: Path, rows: int = 2_000, length: int = 50_000) -> None:
    """Rows with long lists of one number."""
    row = pl.Series("list", [[7] * length], dtype=pl.List(pl.Int64))
    frame = pl.DataFrame({"x": pl.int_range(rows, eager=True), "list": row.new_from_index(0, rows)})
    _write(path, iter([frame]), compression="zstd")


def numbers(path: Path, rows: int = 10_000_000) -> None:
    """Three columns of numbers, as most files have."""
    random = np.random.default_rng(0)

    def pieces() -> Iterator[pl.DataFrame]:
        for start in range(0, rows, 1_000_000):
            count = min(1_000_000, rows - start)
            yield pl.DataFrame(
                {
                    "id": np.arange(start, start + count),
                    "x": random.random(count).round(6),
                    "y": random.random(count).round(6),
                }
            )

    _write(path, pieces())


def one_group(path: Path, rows: int = 10_000_000) -> None:
    """The same in one row group."""
    random = np.random.default_rng(0)
    columns = {"id": np.arange(rows), "x": random.random(rows).round(6), "y": random.random(rows).round(6)}
    _write(path, iter([pl.DataFrame(columns)]))


FILES: dict[str, Callable[[Path], None]] = {
    "huge.parquet": huge_rows,
    "long.parquet": long_rows,
    "wide.parquet": wide_rows,
    "rle.parquet": run_lengths,
    "long.csv": lambda path: long_rows(path, piece=1000),
    "huge.csv": lambda path: huge_rows(path, piece=10),
    "lists.parquet": lists,
    "wide.csv": lambda path: wide_rows(path, rows=20_000),
    "long.csv.gz": lambda path: long_rows(path, rows=50_000, piece=1000),
    "long.ndjson": lambda path: long_rows(path, rows=50_000, piece=1000),
    "huge.ndjson": lambda path: huge_rows(path, piece=10),
    "long.arrow": long_rows,
    "huge.arrow": huge_rows,
    "wide.arrow": wide_rows,
    "long.arrows": lambda path: long_rows(path, piece=1000),
    "huge.arrows": lambda path: huge_rows(path, piece=1),
    "numbers.parquet": numbers,
    "group.parquet": one_group,
    "numbers.csv": numbers,
}


def peak(
    folder: Path, source: str, target: str, memory: str = MEMORY, child: str = CHILD
) -> dict[str, float]:
    """Pass a file of ``folder`` through a plugin into another one; return peak bytes, seconds and rows."""
    (folder / "kernels.py").write_text(KERNELS)
    command = [sys.executable, "-c", child, source, target, memory]
    environment = {**os.environ, "DATAFLARE_VEC_CACHE": "0"}  # Numba too is imported
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=environment)
    result: dict[str, float] = json.loads(done.stdout)
    (folder / target).unlink()
    return result


def peaks(folder: Path, names: Iterable[str], child: str = CHILD) -> Iterator[Figure]:
    """Make the files that aren't there, and measure the peak over each."""
    for name in names:
        path = folder / name
        if not path.exists():
            FILES[name](path)
        found = peak(folder, name, "out.parquet", child=child)
        note = f"memory={MEMORY}; {found['seconds']:.1f} s, a file of {path.stat().st_size / 2**20:.0f} MiB"
        yield Figure(
            f"{name} → plugin → Parquet: peak memory, MiB", found["peak"] / 2**20, at_most(LIMIT), note
        )


def race_peaks(size: Size) -> Iterator[Figure]:
    """Those that are made in a moment; `main` measures the large ones."""
    with tempfile.TemporaryDirectory() as folder:
        yield from peaks(Path(folder), ("rle.parquet", "lists.parquet"))


RACES: list[Any] = [race_peaks]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="where there is room: 20 GB for all files")
    parser.add_argument("--only", choices=FILES, action="append", help="one file; may be repeated")
    parser.add_argument("--command", action="store_true", help="by the command line")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    child = COMMAND if arguments.command else CHILD
    for figure in peaks(arguments.folder, arguments.only or FILES, child):
        print(figure, flush=True)


if __name__ == "__main__":
    main()
