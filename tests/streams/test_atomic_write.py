"""Files that are whole or not there: what dead runs leave goes, what live ones write stays."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import polars as pl
import pyarrow as pa
import pytest
from samples import rows

from dataflare_vec.files.atomic_write import atomic_file, atomic_folder


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with atomic_file(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.parent == tmp_path
    assert target.read_text() == "new"
    with pytest.raises(ZeroDivisionError), atomic_file(target) as temporary:
        temporary.write_text(str(1 // 0))
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "a"
    for content in ("old", "new"):
        with atomic_folder(target) as temporary:
            (temporary / "x").write_text(content)
    assert (target / "x").read_text() == "new"
    with pytest.raises(FileNotFoundError), atomic_folder(target) as temporary:
        (temporary / "no" / "such").write_text("")
    assert names(tmp_path) == ["a"]


HOLD = """
import sys, time
from pathlib import Path
from dataflare_vec.files.atomic_write import atomic_file
with atomic_file(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_what_a_dead_run_left_goes_and_what_a_live_one_writes_stays(tmp_path):
    target = tmp_path / "a.parquet"
    command = [sys.executable, "-c", HOLD, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"ready\n"
        (left,) = names(tmp_path)
        with atomic_file(target) as temporary:
            temporary.write_text("mine")
        assert names(tmp_path) == [left, "a.parquet"]
        holder.kill()
    assert names(tmp_path) == [left, "a.parquet"]
    other = tmp_path / "b.parquet"
    with atomic_file(other) as temporary:
        temporary.write_text("of another name")
    assert left in names(tmp_path)
    with atomic_file(target) as temporary:
        temporary.write_text("mine again")
    assert names(tmp_path) == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize("mark", ["", "-unlocked"], ids=["locked", "unlocked"])
def test_a_folder_that_was_about_to_be_replaced_comes_back(mark, tmp_path):
    old = tmp_path / f".a.123-abcd{mark}-old.partial"
    old.mkdir()
    (old / "x").write_text("old")
    new = tmp_path / ".a.123-abcd.partial"
    new.mkdir()
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "a") as temporary:
        (temporary / "no" / "such").write_text("")
    assert (tmp_path / "a" / "x").read_text() == "old"
    assert names(tmp_path) == ["a"]


# -- the command, ended at any moment ----------------------------------------------------------------------


@pytest.fixture
def command(tmp_path):
    (tmp_path / "in").mkdir()
    for index in range(4):
        rows(index * 100_000, (index + 1) * 100_000).write_parquet(tmp_path / "in" / f"{index}.parquet")
    (tmp_path / "kernels.py").write_text(
        "import dataflare_vec as dfv\n@dfv.plugin\ndef share(x):\n    return 100 // x\n"
    )
    arguments = (
        f"run share {tmp_path}/in -o {tmp_path}/out --errors {tmp_path}/failed --on-error null --resume"
    )
    options = ["--on-error=null", "--resume", f"--plugins={tmp_path}/kernels.py"]
    return [sys.executable, "-m", "dataflare_vec.cli", *arguments.split(), *options]


def check(folder) -> None:
    """Every file there is is whole and right."""
    for index in range(4):
        for name, height in (("out", 100_000), ("failed", 1000)):
            path = folder / name / f"{index}.parquet"
            if path.exists():
                frame = pl.read_parquet(path)
                assert frame.height == height
                assert frame["id"][0] == index * 100_000


def test_killed_at_random_moments(command, tmp_path):
    numbers = random.Random(1)
    for _ in range(4):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            time.sleep(numbers.uniform(0.5, 2.5))
            process.send_signal(signal.SIGKILL)
        check(tmp_path)
    subprocess.run(command, check=True, capture_output=True)
    assert names(tmp_path / "out") == names(tmp_path / "failed") == [f"{i}.parquet" for i in range(4)]
    check(tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(number, code, tmp_path):
    """While it waits for a pipe that gives nothing more."""
    target = tmp_path / "out.parquet"
    (tmp_path / "kernels.py").write_text(
        "import dataflare_vec as dfv\n@dfv.plugin\ndef share(x):\n    return 100 // x\n"
    )
    command = [sys.executable, "-B", "-m", "dataflare_vec.cli", "run", "share", "-", "-o", str(target)]
    command.append(f"--plugins={tmp_path}/kernels.py")
    reading, writing = os.pipe()
    with subprocess.Popen(command, stdin=reading, stderr=subprocess.PIPE) as process:
        table = rows(1, 50).to_arrow()
        sink = pa.BufferOutputStream()
        pa.ipc.new_stream(sink, table.schema).write_table(table)
        os.write(writing, sink.getvalue())
        deadline = time.monotonic() + 30
        while not any(name.endswith(".partial") for name in names(tmp_path)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(10) == code
    os.close(reading)
    os.close(writing)
    assert names(tmp_path) == ["kernels.py"]
