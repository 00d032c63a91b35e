"""Arrow files and streams: what is strange is read as Polars reads it, and no batch goes missing."""

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


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
@pytest.mark.parametrize("what", ["values", "metadata", "body", "buffer"])
def test_a_length_that_asks_for_more_memory_than_there_is(what, compression, tmp_path):
    """PyArrow would ask for it first, and then see that the file has ended."""
    sink = io.BytesIO()
    table = pa.table({"x": [1] * 1000})
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    content = bytearray(sink.getvalue())
    batch = content.index(b"\xff\xff\xff\xff", 4)
    (size,) = struct.unpack_from("<i", content, batch + 4)
    body = batch + 8 + size
    length = len(content) - 8 - body
    if what == "metadata":
        struct.pack_into("<i", content, batch + 4, 1 << 30)
    elif what == "values" and compression:
        content[body : body + 8] = (1 << 40).to_bytes(8, "little")
    elif what == "body":
        at = content.index(length.to_bytes(8, "little"), batch)
        content[at : at + 8] = (1 << 40).to_bytes(8, "little")
    else:
        sizes = [(length - padding).to_bytes(8, "little") for padding in range(64)]
        at = max(content.rfind(size, batch + 8, body) for size in sizes)
        content[at : at + 8] = (1 << 40).to_bytes(8, "little")
    (tmp_path / "a.arrows").write_bytes(content)
    for memory in (None, "128MiB"):
        with pytest.raises(dfv.SourceError, match=r"can't read `.*a.arrows` as ipc_stream: .*\d+ bytes"):
            list(dfv.stream(tmp_path / "a.arrows", "here", memory=memory))


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
@pytest.mark.parametrize("where", ["values", "dictionary"])
def test_a_file_that_asks_for_more_memory_than_there_is(where, codec, tmp_path):
    """Polars ends the process over it."""
    numbers = pa.array(range(1000))
    table = pa.table({"x": numbers if where == "values" else numbers.cast(pa.string()).dictionary_encode()})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    content = bytearray(sink.getvalue())
    path = tmp_path / "a.arrow"
    path.write_bytes(content)
    assert sum(frame.height for frame in dfv.stream(path, "here")) == 1000
    at = content.index((8000 if where == "values" else 4004).to_bytes(8, "little"))
    content[at : at + 8] = (1 << 50).to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(
        dfv.SourceError, match=r"compressed bytes of a column can't decompress to 1125899906842624 bytes"
    ):
        list(dfv.stream(path, "here"))


@pytest.mark.parametrize("memory", [None, "128MiB"])
def test_rows_without_columns(memory, tmp_path):
    """As of a file whose schema is damaged: Polars keeps their number, and so does a stream."""
    path = tmp_path / "a.arrow"
    pl.DataFrame({"x": [1, 2, 3]}).drop("x").write_ipc(path)
    (found,) = dfv.stream(path, "here", memory=memory)
    assert pl.read_ipc(path).height == found.height == 3


def messages(content: bytes) -> list[int]:
    """Where messages begin, and the marker of the end."""
    return [at for at in range(0, len(content) - 7, 8) if content[at : at + 4] == b"\xff" * 4]


def in_batches(new, legacy: bool = False) -> bytes:
    sink = io.BytesIO()
    table = pa.table({"x": list(range(100))})
    options = pa.ipc.IpcWriteOptions(use_legacy_format=legacy)
    with new(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=10)
    return sink.getvalue()


def run_piped(content: bytes, target, monkeypatch) -> int:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    return main(["run", "here", "-", "-o", str(target), "-q"])


def test_a_stream_that_ends_between_two_batches(tmp_path, monkeypatch, capsys):
    """As of a producer that was killed: PyArrow and Polars take that for the end."""
    whole = in_batches(pa.ipc.new_stream)
    path, target = tmp_path / "a.arrows", tmp_path / "o.parquet"
    for at in messages(whole)[1:]:
        path.write_bytes(whole[:at])
        assert pl.read_ipc_stream(io.BytesIO(whole[:at])).height < 101
        with pytest.raises(
            dfv.SourceError, match=r"no end-of-stream marker.* append the bytes ff ff ff ff 00 "
        ):
            list(dfv.stream(path, "here"))
        assert run_piped(whole[:at], target, monkeypatch) == 3
        assert (
            "standard input is truncated or damaged: the stream has no end-of-stream marker"
            in capsys.readouterr().err
        )
        assert not target.exists()
    assert run_piped(whole, target, monkeypatch) == 0
    assert pl.read_parquet(target).height == 100


def test_two_streams_one_after_the_other(tmp_path, monkeypatch, capsys):
    """As `cat` makes them: PyArrow reads the first one, and says nothing of what follows."""
    target = tmp_path / "o.parquet"
    assert run_piped(2 * in_batches(pa.ipc.new_stream), target, monkeypatch) == 3
    assert "standard input goes on after the end of its Arrow IPC stream" in capsys.readouterr().err
    assert not target.exists()


def test_a_stream_of_the_first_versions_of_the_format(tmp_path, monkeypatch):
    """Its end marker is a zero of 32 bits."""
    whole = in_batches(pa.ipc.new_stream, legacy=True)
    assert not whole.startswith(b"\xff")
    path = tmp_path / "a.arrows"
    path.write_bytes(whole)
    assert sum(frame.height for frame in dfv.stream(path, "here")) == 100
    assert run_piped(whole, tmp_path / "o.parquet", monkeypatch) == 0


def test_a_stream_behind_a_stream(tmp_path):
    """Of ``cat a.arrows b.arrows`` the second one would be lost."""
    whole = in_batches(pa.ipc.new_stream)
    path = tmp_path / "a.arrows"
    path.write_bytes(whole + whole)
    assert pl.read_ipc_stream(path).height == 100
    with pytest.raises(dfv.SourceError, match=f"{len(whole)} bytes follow its end"):
        list(dfv.stream(path, "here"))
    middle = messages(whole)[5]  # a length of zero is an end
    path.write_bytes(whole[: middle + 4] + bytes(4) + whole[middle + 8 :])
    with pytest.raises(dfv.SourceError, match=f"{len(whole) - middle - 8} bytes follow its end"):
        list(dfv.stream(path, "here"))


@pytest.mark.parametrize("writer", ["pyarrow", "pyarrow, first versions", "polars"])
def test_a_footer_that_leaves_out_a_batch(writer, tmp_path):
    path = tmp_path / "a.arrow"
    whole = in_batches(pa.ipc.new_file, legacy="first" in writer)
    if writer == "polars":
        pl.DataFrame({"x": range(100)}).write_ipc(path, record_batch_size=10)
        whole = path.read_bytes()
    path.write_bytes(whole)
    assert sum(frame.height for frame in dfv.stream(path, "here")) == 100
    ten = (10).to_bytes(4, "little")  # how many blocks of 24 bytes there are, before the first of them
    first = next(at + 4 for at in range(len(whole) - 250, 0, -1) if whole[at : at + 4] == ten)
    without_last = whole[: first - 4] + (9).to_bytes(4, "little") + whole[first:]
    without_first = without_last[:first] + whole[first + 24 : first + 240] + whole[first + 216 :]
    one_twice = whole[:first] + whole[first + 24 : first + 48] + whole[first + 24 :]
    for content, height in ((without_last, 90), (without_first, 90), (one_twice, 100)):
        path.write_bytes(content)
        assert pl.read_ipc(path).height == height
        with pytest.raises(
            dfv.SourceError, match="the record batches in its footer don't match those in the file"
        ):
            list(dfv.stream(path, "here"))
