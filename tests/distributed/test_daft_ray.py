"""Plugins over data frames of Daft on its Ray runner, which a process chooses once and for all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("daft", reason="Daft isn't installed: `dataflare_vec[daft]`")
pytest.importorskip("ray", reason="Ray isn't installed: `dataflare_vec[ray]`")

#: Laws of which each takes the engine another way.
_LAWS = "any_rows or failed_rows_are_a_frame or gone_on_with or without_rows or is_told"


def test_laws_hold_on_the_ray_runner():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    options = ["-q", "-n0", "--show-capture=no", "-p", "no:cacheprovider", "-k", _LAWS]
    laws = Path(__file__).with_name("test_daft.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(laws)],
        env={**environment, "DAFT_RUNNER": "ray"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]
