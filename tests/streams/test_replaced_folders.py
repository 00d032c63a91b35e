"""A folder of partitions that is replaced: there at any time, of one run, and nothing is left over."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import polars as pl
import pytest
from samples import SHARE, rows

import dataflare_vec as dfv
from dataflare_vec.files import file_systems
from dataflare_vec.files.atomic_write import atomic_folder


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(folder, content: str) -> None:
    for index in range(8):
        (folder / f"p={index}").mkdir()
        (folder / f"p={index}" / "x").write_text(content)


def read(folder) -> set[str]:
    return {path.read_text() for path in folder.glob("*/x")}


@pytest.fixture
def can_exchange(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    can = file_systems.exchange(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a").rmdir()
    (tmp_path / "b").rmdir()
    if not can:
        pytest.skip("the file system of temporary folders can't exchange names")


@pytest.mark.usefixtures("can_exchange")
def test_a_reader_always_sees_the_folder(monkeypatch, tmp_path):
    target = tmp_path / "out"
    with atomic_folder(target) as temporary:
        fill(temporary, "old")
    rename, seen = os.rename, []

    def looking(source, to):
        try:
            rename(source, to)
        finally:
            seen.append(target.is_dir())

    monkeypatch.setattr(os, "rename", looking)
    with atomic_folder(target) as temporary:
        fill(temporary, "new")
    assert set(seen) == {True}
    assert read(target) == {"new"}
    assert names(tmp_path) == ["out"]


def test_another_writer_comes_between_two_steps(monkeypatch, tmp_path):
    """Where names can't be exchanged: the old folder has been moved away, the new one isn't there yet."""
    target = tmp_path / "out"
    with atomic_folder(target) as temporary:
        fill(temporary, "old")
    monkeypatch.setattr(file_systems, "_exchange", lambda: None)
    rename = os.rename

    def first_another(source, to):
        rename(source, to)
        if source == target:
            monkeypatch.setattr(os, "rename", rename)
            with atomic_folder(target) as temporary:
                fill(temporary, "another")

    monkeypatch.setattr(os, "rename", first_another)
    with atomic_folder(target) as temporary:
        fill(temporary, "new")
    assert read(target) == {"new"}
    assert names(tmp_path) == ["out"]


def write_some(target, mark, exchanges, barrier, turns, problems) -> None:
    if not exchanges:
        file_systems._exchange = lambda: None
    barrier.wait()
    try:
        for _ in range(turns):
            with atomic_folder(target) as temporary:
                fill(temporary, mark)
    except BaseException as error:
        problems.put(repr(error))


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchanging", "renaming"])
def test_three_writers_at_once(exchanges, tmp_path):
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    barrier, problems = context.Barrier(3), context.SimpleQueue()
    arguments = (exchanges, barrier, 10, problems)
    writers = [context.Process(target=write_some, args=(tmp_path / "out", m, *arguments)) for m in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert problems.empty()
    assert len(read(tmp_path / "out")) == 1  # all of one of them
    assert len(names(tmp_path / "out")) == 8
    assert names(tmp_path) == ["out"]


def test_of_two_that_begin_where_nothing_is_one_is_told(tmp_path):
    """Neither asked for what is there to be replaced."""
    rows(1, 50).write_parquet(tmp_path / "in.parquet")
    target = tmp_path / "out"
    first = pl.DataFrame({"s": ["first"], "x": [1]})

    def feed():
        yield rows(1, 50)
        dfv.stream(first, SHARE).write(target, partition_by="s")  # the other one is faster

    with pytest.raises(
        dfv.SinkError, match=r"out`: the folder isn't empty; remove it, or pass `overwrite=True`"
    ):
        dfv.stream(feed(), SHARE).write(target, partition_by="s")
    assert names(target) == ["s=first"]
    assert names(tmp_path) == ["in.parquet", "out"]


def test_what_came_meanwhile_and_is_no_partition_stays(tmp_path):
    target = tmp_path / "out"

    def feed():
        yield rows(1, 50)
        (target / "precious.txt").write_text("mine")

    dfv.stream(rows(1, 50), SHARE).write(target, partition_by="s")
    with pytest.raises(dfv.SinkError, match=r"won't replace .*`precious.txt` in it is not a partition"):
        dfv.stream(feed(), SHARE).write(target, partition_by="s", overwrite=True)
    assert len(names(target)) == 8
    assert names(tmp_path) == ["out"]


KILLED = """
import os, sys
from pathlib import Path
from dataflare_vec.files import atomic_write, file_systems
if sys.argv[2] == "renaming":
    file_systems._exchange = lambda: None
    rename = os.rename
    def once(source, to):
        rename(source, to)
        if source == Path(sys.argv[1]):
            print("ready", flush=True)
            sys.stdin.read()
    os.rename = once
else:
    exchange = file_systems.exchange
    def swap(one, other):
        exchange(one, other)
        print("ready", flush=True)
        sys.stdin.read()
    file_systems.exchange = swap
with atomic_write.atomic_folder(Path(sys.argv[1])) as temporary:
    for index in range(8):
        (temporary / f"p={index}").mkdir()
        (temporary / f"p={index}" / "x").write_text("new")
"""


@pytest.mark.parametrize("how", ["exchanging", "renaming"])
def test_killed_between_two_steps(how, tmp_path):
    target = tmp_path / "out"
    with atomic_folder(target) as temporary:
        fill(temporary, "old")
    command = [sys.executable, "-c", KILLED, str(target), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    assert len(names(tmp_path)) == 2
    with pytest.raises(ZeroDivisionError), atomic_folder(target) as temporary:
        (temporary / "x").write_text(str(1 // 0))
    assert read(target) == ({"old"} if how == "renaming" else {"new"})
    assert len(names(target)) == 8
    assert names(tmp_path) == ["out"]


def test_of_three_that_make_a_delta_table_two_are_told(tmp_path):
    target = tmp_path / "table"
    told, barrier = [], threading.Barrier(3)

    def write():
        stream = dfv.stream(rows(1, 50), SHARE)
        barrier.wait()
        try:
            stream.write(target, format="delta", partition_by="s")
        except dfv.SinkError as error:
            told.append(str(error))

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(told) == 2
    assert all("another run created it in the meantime; pass `mode=" in message for message in told)
    assert pl.read_delta(str(target)).height == 49
    dfv.stream(rows(1, 50), SHARE).write(target, mode="append")
    assert pl.read_delta(str(target)).height == 98
    assert names(tmp_path) == ["table"]


def test_files_of_a_folder_written_by_two_at_once(folder, tmp_path):
    """With `resume`: each file is whole, and of one of them."""
    barrier = threading.Barrier(2)

    def write():
        stream = dfv.stream(folder, SHARE, on_error="null")
        barrier.wait()
        stream.write(tmp_path / "out", errors=tmp_path / "failed", resume=True)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert pl.read_parquet(tmp_path / "out/**/*.parquet").height == 9000
    assert pl.read_parquet(tmp_path / "failed/**/*.parquet").height == 90
    assert [path for path in tmp_path.rglob("*.partial")] == []
