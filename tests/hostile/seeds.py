"""Small files of all types, encodings and compressions, in several row groups or batches: what is damaged."""

from __future__ import annotations

import io
import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator


class Seed(NamedTuple):
    """A file that is whole."""

    name: str
    format: str
    end: str
    content: bytes
    rows: int


ROWS = 40
GROUP = 11


def plain(rows: int = ROWS) -> pl.DataFrame:
    """Return a frame of the types that any format holds."""
    every = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {
            "i": [None if i % 7 == 3 else i * 1001 - 9 for i in range(rows)],
            "f": [None if i % 5 == 1 else i / 3 for i in range(rows)],
            "s": [None if i % 6 == 2 else "größe"[: i % 6] + str(i) * (i % 4) for i in range(rows)],
            "b": [None if i % 9 == 0 else i % 3 == 0 for i in range(rows)],
            "d": [date(2020, 1, 1) + timedelta(days=i) for i in range(rows)],
            "key": (every % 4).cast(pl.String),
        }
    )


def rich(rows: int = ROWS) -> pl.DataFrame:
    """Return a frame of the other types of Polars."""
    numbers = range(rows)
    moments = [datetime(2021, 1, 1) + timedelta(seconds=i) for i in numbers]
    return pl.DataFrame(
        {
            "i8": pl.Series([i % 100 for i in numbers], dtype=pl.Int8),
            "u64": pl.Series([(1 << 63) + i for i in numbers], dtype=pl.UInt64),
            "f32": pl.Series([i / 7 for i in numbers], dtype=pl.Float32),
            "at": pl.Series(moments, dtype=pl.Datetime("us", "UTC")),
            "took": pl.Series([timedelta(milliseconds=i) for i in numbers], dtype=pl.Duration("ms")),
            "t": [time(i % 24, i % 60) for i in numbers],
            "dec": pl.Series([Decimal(i) / 4 for i in numbers], dtype=pl.Decimal(12, 2)),
            "bin": [None if i % 8 == 1 else bytes(range(i % 20)) for i in numbers],
            "cat": pl.Series([f"c{i % 3}" for i in numbers], dtype=pl.Categorical),
            "l": [None if i % 9 == 4 else list(range(i % 4)) for i in numbers],
            "ls": [[None, "a" * (i % 15)] for i in numbers],
            "st": [{"a": i, "b": None if i % 2 else "long enough for a view"} for i in numbers],
            "arr": pl.Series([[i, i + 1] for i in numbers], dtype=pl.Array(pl.Int32, 2)),
            "long": ["a text that is longer than twelve bytes " * (i % 3) for i in numbers],
        }
    )


def of_arrow(frame: pl.DataFrame) -> pa.Table:
    """Return a frame with the layouts that PyArrow writes: offsets in 32 bits, no views."""
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    columns = [column.cast(_small(column.type)) for column in table.columns]
    return pa.table(columns, names=table.schema.names)


def _small(kind: Any) -> Any:
    if kind == pa.large_string():
        return pa.string()
    if kind == pa.large_binary():
        return pa.binary()
    if pa.types.is_large_list(kind):
        return pa.list_(_small(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _small(f.type)) for f in kind])
    return kind


def _parquet() -> Iterator[tuple[str, bytes]]:
    for name, frame in (("plain", plain()), ("rich", rich())):
        for codec in ("uncompressed", "zstd", "snappy", "lz4"):
            file = io.BytesIO()
            frame.write_parquet(file, compression=codec, row_group_size=GROUP)
            yield f"polars {name} {codec}", file.getvalue()
    numbers = plain().drop("key")
    encodings = {
        "i": "DELTA_BINARY_PACKED",
        "f": "BYTE_STREAM_SPLIT",
        "s": "DELTA_BYTE_ARRAY",
        "d": "PLAIN",
        "b": "RLE",
    }
    for name, frame, said in (
        ("plain v2", plain(), {"data_page_version": "2.0", "compression": "gzip"}),
        (
            "encodings",
            numbers,
            {"use_dictionary": False, "column_encoding": encodings, "compression": "none"},
        ),
        (
            "lengths",
            numbers.select("s", "i"),
            {"use_dictionary": False, "column_encoding": {"s": "DELTA_LENGTH_BYTE_ARRAY"}},
        ),
        ("int96", rich().select("at", "i8", "l", "st"), {"use_deprecated_int96_timestamps": True}),
        ("small pages", plain(), {"data_page_size": 64, "write_page_index": True, "compression": "none"}),
        ("checked", plain(), {"write_page_checksum": True, "compression": "brotli"}),
    ):
        sink = io.BytesIO()
        pq.write_table(of_arrow(frame), sink, row_group_size=GROUP, **said)
        yield f"pyarrow {name}", sink.getvalue()


def _arrow(new: Any, of_polars: str, **said: Any) -> Iterator[tuple[str, bytes]]:
    for name, frame in (("plain", plain()), ("rich", rich())):
        for codec in (None, "lz4", "zstd"):
            sink = io.BytesIO()
            table = of_arrow(frame)
            options = pa.ipc.IpcWriteOptions(compression=codec)
            with new(sink, table.schema, options=options) as writer:
                for batch in table.to_batches(max_chunksize=GROUP):
                    writer.write_batch(batch)
            yield f"pyarrow {name} {codec}", sink.getvalue()
        for codec in ("uncompressed", "zstd"):
            sink = io.BytesIO()
            getattr(frame, of_polars)(sink, compression=codec, **said)
            yield f"polars {name} {codec}", sink.getvalue()


def _csv() -> Iterator[tuple[str, bytes]]:
    frame = plain()
    yield "plain", frame.write_csv().encode()
    yield "quoted", frame.write_csv(quote_style="always", line_terminator="\r\n").encode()
    lines = frame.with_columns(s=pl.col("s") + '\n"x", ')
    yield "lines in values", lines.write_csv().encode()
    yield "numbers", frame.select("i", "f").write_csv().encode()


def _ndjson() -> Iterator[tuple[str, bytes]]:
    yield "plain", plain().write_ndjson().encode()
    yield "nested", rich().select("i8", "l", "ls", "st", "long", "f32").write_ndjson().encode()
    lines = [{"i": i, "s": "a" * i} if i % 3 else {"i": i, "more": [i, {"x": None}]} for i in range(ROWS)]
    yield "keys that come later", "".join(json.dumps(line) + "\n" for line in lines).encode()


def seeds(format: str) -> list[Seed]:
    """Return the seeds of a format."""
    made, end = {
        "parquet": (_parquet, ".parquet"),
        "ipc": (lambda: _arrow(pa.ipc.new_file, "write_ipc", record_batch_size=GROUP), ".arrow"),
        "ipc_stream": (lambda: _arrow(pa.ipc.new_stream, "write_ipc_stream"), ".arrows"),
        "csv": (_csv, ".csv"),
        "ndjson": (_ndjson, ".ndjson"),
    }[format]
    return [Seed(name, format, end, content, ROWS) for name, content in made()]
