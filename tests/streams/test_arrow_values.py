"""Arrow streams whose values are strange but hurt nobody are read as Polars reads them; others are errors."""

from __future__ import annotations

import io
import struct
import sys

import polars as pl
import pyarrow as pa
import pytest

import dataflare_vec as dfv
from dataflare_vec.cli import main

dfv.register("here", pl.lit(1))


def stream_of(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


STRANGE = {
    "a date in milliseconds amid a day": pa.array([86_400_001, None], pa.int64()).view(pa.date64()),
    "a decimal of more digits than it says": pa.Array.from_buffers(
        pa.decimal128(3, 2), 2, [None, pa.py_buffer(struct.pack("qqqq", 123_456, 0, -123_456, -1))]
    ),
}


@pytest.mark.parametrize("column", STRANGE.values(), ids=STRANGE)
def test_values_that_hurt_nobody(column, tmp_path, monkeypatch):
    """PyArrow's full validation refuses them."""
    content = stream_of(pa.table({"x": column}))
    (tmp_path / "a.arrows").write_bytes(content)
    wanted = pl.read_ipc_stream(io.BytesIO(content))
    (found,) = dfv.stream(tmp_path / "a.arrows", "here")
    assert found.drop("here").equals(wanted)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert main(["run", "here", "-", "-o", str(tmp_path / "o.parquet"), "-q"]) == 0
    assert pl.read_parquet(tmp_path / "o.parquet", columns=["x"]).equals(wanted)


def test_a_length_that_asks_for_more_memory_than_there_is(tmp_path):
    """PyArrow's error is a MemoryError; it is the file that is to blame."""
    sink = io.BytesIO()
    table = pa.table({"x": [1] * 1000})
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    content = bytearray(sink.getvalue())
    at = content.index((8000).to_bytes(8, "little"))  # the size of what is compressed
    content[at : at + 8] = (1 << 50).to_bytes(8, "little")
    (tmp_path / "a.arrows").write_bytes(content)
    with pytest.raises(dfv.SourceError, match=r"can't read `.*a.arrows`, after row 0: malloc of size"):
        list(dfv.stream(tmp_path / "a.arrows", "here"))
