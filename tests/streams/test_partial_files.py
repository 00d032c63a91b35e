"""What is half-written: its name, what others have put under such a name, and what messages call it."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from contextlib import suppress

import polars as pl
import pytest
from samples import SHARE, rows

import dataflare_vec as dfv
from dataflare_vec.files.atomic_write import atomic_file, atomic_folder
from dataflare_vec.streams.sinks.targets import write_frames


def plant(path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        os.symlink("/dev/zero", path)
    elif kind == "link to a folder":
        os.symlink(path.parent, path)
    else:
        path.touch(mode=0o000)


def begun(path):
    """Begin to write a file, and fail; return its temporary name."""
    with suppress(InterruptedError), atomic_file(path) as temporary:
        assert temporary.exists()
        raise InterruptedError
    return temporary


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
@pytest.mark.parametrize("kind", ["pipe", "link", "link to a folder", "file"])
@pytest.mark.parametrize("end", ["", "-old"])
def test_what_is_planted_under_a_partial_name_stops_nobody(kind, end, tmp_path):
    """Opening a pipe to look whether it is locked would wait for whoever writes into it."""
    plant(tmp_path / f".a.parquet.1-abcd{end}.partial", kind)
    (tmp_path / ".a.parquet.2-abcd.partial").write_text("of a dead run")
    done = threading.Thread(target=dfv.stream(rows(1, 50), SHARE).write, args=(tmp_path / "a.parquet",))
    done.daemon = True
    done.start()
    done.join(20)
    assert not done.is_alive()
    assert pl.read_parquet(tmp_path / "a.parquet").height == 49
    assert not (tmp_path / ".a.parquet.2-abcd.partial").exists()
    assert stat.S_ISCHR(os.stat("/dev/zero").st_mode)


def test_a_name_may_have_as_many_bytes_as_the_system_takes(tmp_path):
    for name in ("n" * 247 + ".parquet", "ä" * 123 + ".parquet", "n" * 200 + ".parquet"):
        path = tmp_path / name
        dfv.stream(rows(1, 50), SHARE).write(path)
        left = begun(path)
        assert not left.exists()
        # What a dead run left is found by a name of that length, too.
        left.touch()
        dfv.stream(rows(1, 50), SHARE, on_error="drop").write(path, errors=tmp_path / ("e" * 251 + ".csv"))
        assert not left.exists()
        assert pl.read_parquet(path).height == 49
    folder = tmp_path / ("p" * 255)
    for _ in range(2):
        with atomic_folder(folder) as temporary:
            (temporary / "x").touch()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_another_long_name_is_another_file(tmp_path):
    with atomic_file(tmp_path / ("n" * 254 + "a")) as first:
        first.touch()
        with atomic_file(tmp_path / ("n" * 254 + "b")) as second:
            assert second.exists()
        assert first.exists()


@pytest.mark.parametrize("format", ["parquet", "ipc", "csv", "ndjson"])
def test_messages_name_the_file_that_was_asked_for(format, tmp_path):
    """Of these columns a format can't be; what Polars says may have the name that it was given."""
    frame = rows(1, 50).with_columns(o=pl.Series([object()] * 49, dtype=pl.Object))
    with pytest.raises(dfv.SinkError) as error:
        dfv.stream(frame, SHARE).write(tmp_path / f"a.{format}", format=format)
    assert "partial" not in str(error.value)
    assert f"`{tmp_path}/a.{format}`" in str(error.value)


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    """Also where it is PyArrow that writes."""
    monkeypatch.setenv("DATAFLARE_VEC_CACHE", "0")  # which may be on that disk, and warns
    resource = pytest.importorskip("resource")
    import signal

    before, limit = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limit[1]))
        for name in ("a.arrows", "a.parquet", "a.csv", "a.arrow"):
            target = tmp_path / name
            with pytest.raises(dfv.SinkError) as error:
                dfv.stream(rows(1, 5000).filter(pl.col("x") > 0), SHARE).write(target)
            assert "partial" not in str(error.value)
            assert f"can't write `{target}`" in str(error.value)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "why"), [("n" * 260, "File name too long"), ("a\0b", ".*embedded null")])
def test_paths_that_no_system_takes(name, why, tmp_path):
    with pytest.raises(dfv.SourceError, match=rf"can't read `.*`: {why}"):
        dfv.stream(f"{name}.parquet", SHARE)
    for arguments in (
        {"target": f"{name}.parquet"},
        {"target": tmp_path / "a.parquet", "errors": f"{name}.csv"},
    ):
        with pytest.raises(dfv.SinkError, match=rf"can't write `.*`: {why}"):
            dfv.stream(rows(1, 50), SHARE, on_error="drop").write(**arguments)


@pytest.mark.parametrize("keys", [(), ("key",)], ids=["file", "partitions"])
def test_what_is_removed_after_an_error_stays_removed(keys, tmp_path):
    """When a query of Polars fails, its threads may open files after it has returned: one time in thirty."""
    frame = pl.DataFrame({"key": range(5), "x": range(5)})

    def feed(first):
        yield from first
        raise ConnectionError("the feed broke")

    for round in range(60 if keys else 300):
        path = tmp_path / str(round)
        path.mkdir() if keys else path.touch()
        with pytest.raises(ConnectionError, match="the feed broke"):
            write_frames(
                feed([frame] if keys else []), frame.schema, path, "parquet", partition_by=keys, name="out"
            )
        shutil.rmtree(path) if keys else path.unlink()
    assert list(tmp_path.iterdir()) == []
