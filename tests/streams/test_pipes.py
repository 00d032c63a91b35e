"""Pipes, devices and links as targets; and that nothing that fails looks complete."""

from __future__ import annotations

import io
import os
import stat
import threading
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from samples import SHARE, rows

import dataflare_vec as dfv


def good_then(error: BaseException | None = None):
    for start in range(1, 90, 20):
        yield rows(start, start + 9)
    if error is not None:
        raise error


def incomplete(content: bytes) -> None:
    """Each reader of an Arrow stream finds that something is missing."""
    with pytest.raises((pa.ArrowInvalid, OSError)):
        pa.ipc.open_stream(content).read_all()
    with pytest.raises((pl.exceptions.ComputeError, OSError)):
        pl.read_ipc_stream(io.BytesIO(content))


@pytest.mark.parametrize("where", ["source", "row", "nobody"])
def test_a_stream_that_fails_is_no_whole_one(where):
    target = io.BytesIO()
    error = ConnectionError("the feed broke") if where == "source" else None
    feed = rows(1, 101) if where == "row" else good_then(error)
    stream = dfv.stream(feed, SHARE, max_latency=0.001)
    if where == "nobody":
        stream.write(target)
        assert pl.read_ipc_stream(io.BytesIO(target.getvalue())).height == 45
        return
    with pytest.raises(dfv.RowError if where == "row" else ConnectionError):
        stream.write(target)
    incomplete(target.getvalue())


@pytest.mark.parametrize("how", ["interrupt", "close"])
def test_a_stream_that_is_stopped_is_no_whole_one(how, tmp_path):
    """Ctrl-C, or `close` from elsewhere, while the source waits."""
    stuck = threading.Event()

    def feed():
        yield rows(1, 50)
        stuck.wait(20)
        yield rows(1, 50)

    def stop(result):
        if result.processed_count:
            if how == "interrupt":
                raise KeyboardInterrupt
            stream.close()

    target = io.BytesIO()
    stream = dfv.stream(feed(), SHARE, max_latency=0.01)
    with pytest.raises(KeyboardInterrupt if how == "interrupt" else dfv.SinkError):
        stream.write(target, progress=stop)
    stuck.set()
    incomplete(target.getvalue())
    slow = (time.sleep(0.01) or rows(1, 50) for _ in range(1000))
    stream = dfv.stream(slow, SHARE, max_latency=0.01)
    with pytest.raises(KeyboardInterrupt if how == "interrupt" else dfv.SinkError):
        stream.write(tmp_path / "o.parquet", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_who_takes_the_arrow_stream_gets_the_error():
    def stream():
        return dfv.stream(good_then(ConnectionError("the feed broke")), SHARE, max_latency=0.001)

    with pytest.raises(ConnectionError, match="the feed broke"):
        stream().to_reader().read_all()
    with pytest.raises(Exception, match="the feed broke"):
        pa.table(stream())
    with pytest.raises(Exception, match="the feed broke"):
        pl.DataFrame(stream())
    import duckdb

    relation = stream()  # noqa: F841  # DuckDB finds it by its name
    with pytest.raises(Exception, match="the feed broke"):
        duckdb.sql("select sum(share) from relation").fetchall()
    assert pa.table(dfv.stream(good_then(), SHARE)).num_rows == 45


def test_links_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/old.parquet").write_text("old")
    os.symlink("real/old.parquet", tmp_path / "link.parquet")
    os.symlink("real/new.parquet", tmp_path / "dangling.parquet")
    os.symlink("real", tmp_path / "folder")
    for name in ("link.parquet", "dangling.parquet", "folder/third.parquet"):
        dfv.stream(rows(1, 50), SHARE).write(tmp_path / name)
        assert pl.read_parquet(tmp_path / name).height == 49
    assert (tmp_path / "link.parquet").is_symlink()
    assert (tmp_path / "dangling.parquet").is_symlink()
    names = sorted(path.name for path in (tmp_path / "real").iterdir())
    assert names == ["new.parquet", "old.parquet", "third.parquet"]
    (tmp_path / "parts").mkdir()
    os.symlink("parts", tmp_path / "linked parts")
    dfv.stream(rows(1, 50), SHARE).write(tmp_path / "linked parts", partition_by="s")
    assert (tmp_path / "linked parts").is_symlink()
    assert pl.read_parquet(tmp_path / "parts").height == 49
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_pipes_with_names(tmp_path):
    fifo = tmp_path / "fifo.csv"
    os.mkfifo(fifo)
    for options, read in (
        ({}, pl.read_csv),
        ({"format": "parquet"}, pl.read_parquet),
        ({"format": "ipc_stream"}, pl.read_ipc_stream),
    ):
        content: list[bytes] = []
        reader = threading.Thread(target=lambda content=content: content.append(fifo.read_bytes()))
        reader.start()
        dfv.stream(rows(1, 50), SHARE).write(fifo, **options)
        reader.join()
        assert read(io.BytesIO(content[0])).height == 49
        assert stat.S_ISFIFO(fifo.stat().st_mode)
    with pytest.raises(dfv.SourceError, match="it is not a file but a pipe"):
        dfv.stream(fifo, SHARE)
    bare = tmp_path / "fifo"
    os.mkfifo(bare)  # a name without an end: as a standard output
    reader = threading.Thread(target=lambda: content.append(bare.read_bytes()))
    reader.start()
    dfv.stream(rows(1, 101), SHARE, on_error="drop").write(bare, errors=os.devnull)
    reader.join()
    assert pl.read_ipc_stream(io.BytesIO(content[1])).height == 99


def test_a_device_stays_one():
    before = Path(os.devnull).stat()
    dfv.stream(rows(0, 50), SHARE, on_error="drop").write(os.devnull, errors=os.devnull)
    dfv.stream(rows(0, 50), SHARE, on_error="drop").write(os.devnull, format="csv")
    after = Path(os.devnull).stat()
    assert (before.st_mode, before.st_rdev) == (after.st_mode, after.st_rdev)


def test_a_pipe_that_nobody_reads():
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb", buffering=0) as target, pytest.raises(BrokenPipeError):
        dfv.stream(rows(1, 50), SHARE).write(target)
