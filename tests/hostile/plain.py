"""How Polars and PyArrow alone read a file: what the library's roads are held against."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

#: Rows that the library infers the types of a CSV file from.
INFERRED = 10_000


def read(path: Path, format: str) -> pl.DataFrame:
    """Return a file as Polars reads it, as it is read by default by the library."""
    if format == "parquet":
        return pl.read_parquet(path, glob=False, hive_partitioning=False)
    if format == "ipc":
        return pl.read_ipc(path)
    if format == "ipc_stream":
        return pl.read_ipc_stream(path)
    if format == "csv":
        return pl.read_csv(path, glob=False, **_said_of_csv(path))
    return pl.read_ndjson(path, infer_schema_length=None)


def scan(path: Path, format: str) -> pl.LazyFrame:
    """Return a query for a file."""
    if format == "parquet":
        return pl.scan_parquet(path, glob=False)
    if format == "ipc":
        return pl.scan_ipc(path, glob=False)
    if format == "csv":
        return pl.scan_csv(path, glob=False, **_said_of_csv(path))
    return pl.scan_ndjson(path, infer_schema_length=None)


def _said_of_csv(path: Path) -> dict[str, Any]:
    separator = "\t" if ".tsv" in path.name else ","
    return {"separator": separator, "try_parse_dates": True, "infer_schema_length": INFERRED}


def footer_rows(path: Path, format: str) -> int | None:
    """Return how many rows a Parquet file's row groups say that it has, None if they don't."""
    if format != "parquet":
        return None
    try:
        metadata = pq.read_metadata(path)
        return sum(metadata.row_group(index).num_rows for index in range(metadata.num_row_groups))
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return None


def arrow_table(path: Path, format: str) -> pa.Table:
    """Return an Arrow file or stream as PyArrow reads it, which looks at neither offsets nor text."""
    with pa.OSFile(str(path)) as file:
        opened = pa.ipc.open_file(file) if format == "ipc" else pa.ipc.open_stream(file)
        return opened.read_all()


def schema_of(path: Path, format: str) -> pl.Schema:
    """Return the columns of a file, none if Polars can't tell."""
    try:
        if format == "ipc_stream":
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
                return pl.from_arrow(reader.schema.empty_table()).schema
        return scan(path, format).collect_schema()
    except BaseException:
        return pl.Schema()


def alone(path: Path, format: str, road: str) -> None:
    """Do what a road does, without the library: if that ends the process too, it isn't to blame."""
    if road == "arrow":
        arrow_table(path, format).validate(full=True)
    elif format == "ipc_stream" and road != "eager":
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                batch.validate(full=True)
                pl.from_arrow(batch)
    elif road == "eager":
        _touch(read(path, format))
    elif road != "reference":
        scan(path, format).sink_batches(lambda frame: _touch(frame) or False, chunk_size=10_000)
    else:
        frame = read(path, format)
        frame.equals(frame)


def _touch(frame: pl.DataFrame) -> None:
    frame.write_ipc(io.BytesIO(), compression="uncompressed")
