"""What holds on each engine when a kernel never works, and when a user presses Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from testing.engine_errors import assert_files_hold, failing
from testing.engine_laws import Cluster, assert_same_rows, on_one_machine, share_of, some

if TYPE_CHECKING:
    from collections.abc import Iterator

# Workers have no such module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

#: Seconds for which a task waits at most.
_LONG = 60


@pytest.mark.filterwarnings("ignore")
class Faults:
    """Tests of an engine; a subclass has a fixture `cluster`."""

    def test_a_kernel_that_fails_on_every_row(self, cluster: Cluster, tmp_path: Path) -> None:
        data = some(30).with_columns(part=pl.col("number"), whole=pl.lit(0, pl.Int64))
        frame = cluster.frame(data, 3)
        result = dfv.run(frame, share_of, errors=tmp_path / "errors")
        assert_files_hold(result, tmp_path / "errors", data)
        assert (result.processed_count, result.error_count) == (30, 30)
        assert_same_rows(cluster.rows(result.frame), on_one_machine(data, share_of, {"on_error": "null"}))
        assert not cluster.rows(dfv.apply(frame, share_of, on_error="drop")).height

    def test_ctrl_c_ends_a_run_and_the_next_one_works(self, cluster: Cluster, tmp_path: Path) -> None:
        data, steps = failing(40), [waits(tmp_path), share_of]
        frame = cluster.frame(data, 4)
        with pytest.raises(KeyboardInterrupt), ctrl_c(tmp_path):
            dfv.run(frame, steps, errors=tmp_path / "errors")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["began", "go"]
        result = dfv.run(frame, steps, errors=tmp_path / "errors")
        assert_files_hold(result, tmp_path / "errors", data, steps)
        assert_same_rows(cluster.rows(result.frame), on_one_machine(data, steps, {"on_error": "null"}))


def waits(folder: Path, least: int = 0) -> dfv.Plugin:
    """Return a plugin that says when it has rows from some number on, and then waits until told to go on."""
    began, go = str(folder / "began"), str(folder / "go")

    @dfv.column(name="waits")
    def waiting(number: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        end = time.monotonic() + (_LONG if len(number) and number.max() >= least else 0)
        while time.monotonic() < end and not os.path.exists(go):
            os.close(os.open(began, os.O_WRONLY | os.O_CREAT))
            time.sleep(0.02)
        return number

    return waiting


def told(folder: Path, kill_at: int = 0) -> dfv.Plugin:
    """Return a plugin that writes down which processes had rows; one of them dies at its so many-th part."""
    path = str(folder)

    @dfv.column(name="told")
    def tells(number: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if not len(number):
            return number
        own = os.open(f"{path}/{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(own, b".")
        parts = os.fstat(own).st_size
        os.close(own)
        time.sleep(0.1)
        if parts == kill_at:
            try:
                os.close(os.open(f"{path}/killed", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return number
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    return tells


def wait_for(path: Path) -> None:
    """Return once a file is there."""
    end = time.monotonic() + _LONG
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.02)


@contextmanager
def ctrl_c(folder: Path) -> Iterator[None]:
    """Press Ctrl-C once a worker is in `waits`, which then goes on."""
    over = threading.Event()

    def press() -> None:
        while not (folder / "began").exists():
            if over.wait(0.02):
                return
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        (folder / "go").touch()
