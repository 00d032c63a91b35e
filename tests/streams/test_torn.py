"""A run that fails into an open file leaves nothing there that could be taken for whole."""

from __future__ import annotations

import gzip
import io
import os
import threading
import zlib

import polars as pl
import pyarrow as pa
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def inverse(x):
    return 10 // x


INVERSE = define(inverse, name="inverse", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
FRAME = pl.DataFrame({"x": [1] * 300_000 + [0]})

READERS = {
    "parquet": (lambda data: pl.read_parquet(data), {}),
    "ipc": (lambda data: pl.read_ipc(data), {}),
    "ipc_stream": (lambda data: pa.ipc.open_stream(data).read_all(), {}),
    "csv": (lambda data: gzip.decompress(data.getvalue()), {"compression": "gzip"}),
    "ndjson": (lambda data: gzip.decompress(data.getvalue()), {"compression": "gzip"}),
}


@pytest.mark.parametrize("format", READERS)
@pytest.mark.parametrize("rows", [10, 300_000])
def test_open_file(format, rows):
    read, options = READERS[format]
    file = io.BytesIO()
    dfv.stream(FRAME[:rows], INVERSE).write(file, format=format, **options)
    assert len(read(io.BytesIO(file.getvalue()))) > 0
    for _ in range(3):  # Polars' threads may be early or late
        torn = io.BytesIO()
        with pytest.raises(dfv.RowError):
            dfv.stream(FRAME[-rows:], INVERSE).write(torn, format=format, **options)
        with pytest.raises((pl.exceptions.PolarsError, pa.ArrowException, OSError, EOFError, zlib.error)):
            read(io.BytesIO(torn.getvalue()))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_named_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    with pytest.raises(dfv.RowError):
        dfv.stream(FRAME, INVERSE).write(pipe, format="parquet")
    reader.join(10)
    assert not found[0].endswith(b"PAR1")


def test_a_file_that_is_full():
    class Full(io.BytesIO):
        name = "full"

        def write(self, _):
            raise OSError("no space left")

    with pytest.raises(dfv.SinkError, match="can't write `full`"):
        dfv.stream(FRAME[:10], INVERSE).write(Full(), format="parquet")
