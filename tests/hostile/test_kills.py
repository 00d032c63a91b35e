"""A few kills by `kills.py` and a few seconds of `load.py`; the scripts take as many as asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def run(script: str, *arguments: str) -> str:
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("scenario", ["file", "partitions", "folder"])
def test_some_steps(scenario):
    assert "'kills'" in run(
        "kills.py", "steps", "--rows=200", "--files=1", "--stride=9", f"--scenarios={scenario}"
    )


def test_some_moments():
    assert "'kills': 6" in run("kills.py", "random", "--rows=2000", "--files=2", "--count=6")


def test_some_seconds_of_everything():
    assert "0 wrong" in run("load.py", "--seconds=4", "--threads=6", "--pause=0.5")
