"""The command as a process: streams that are closed or full, Ctrl-C at any moment, no environment."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import polars as pl
import pytest

from dataflare_vec.cli import common

COMMAND = [sys.executable, "-m", "dataflare_vec.cli"]
RUN = [*COMMAND, "run", "inc", "in.parquet", "--plugins", "k.py", "-q", "-o"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k.py").write_text(
        "import dataflare_vec as dfv\n@dfv.plugin\ndef inc(x: int): return x + 1\n"
    )
    pl.DataFrame({"x": [1, 2, 3]}).write_parquet("in.parquet")


def shell(line: str, *arguments: str, **environment: str):
    environment = {**os.environ, "PYTHONUNBUFFERED": "", **environment}
    return subprocess.run(
        ["sh", "-c", f'"$@" {line}', "sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )


def test_closed_streams(tmp_path):
    """Nothing that is meant for a closed stream lands in a file that was opened in its place."""
    done = shell(">&- 2>&- <&-", *RUN, "out.parquet", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert pl.read_parquet("out.parquet")["inc"].to_list() == [2, 3, 4]
    assert shell(">&-", *COMMAND, "list").returncode == 0
    done = shell(">&-", *RUN, "-")
    assert done.returncode == 4
    assert done.stderr == "dataflare-vec: -o - writes to the standard output, which is closed\n"
    done = shell("<&-", *COMMAND, "run", "inc", "-", "-o", "o.parquet", "--plugins", "k.py")
    assert done.returncode == 3
    assert done.stderr == "dataflare-vec: the standard input is closed\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is full")
@pytest.mark.parametrize("arguments", [["show", "haversine"], ["--help"], ["list"]], ids=lambda a: a[0])
def test_a_full_standard_output(arguments):
    done = shell(">/dev/full", *COMMAND, *arguments)
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].startswith("dataflare-vec: can't write the standard output: No space")
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize(
    "name", ["none/r.json", "in.parquet/r.json", "n" * 260 + ".json", "d.json", "link.json"]
)
def test_a_report_that_cannot_be_is_found_before_any_work(name):
    os.mkdir("d.json")
    os.symlink("none/r.json", "link.json")
    done = shell("", *RUN, "out.parquet", "--report", name)
    assert done.returncode == 4
    assert done.stderr.startswith(f"dataflare-vec: --report: can't write `{name}`")
    assert done.stderr.count("\n") == 1
    assert not os.path.exists("out.parquet")


def test_help_that_nobody_reads():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_terminal_that_knows_few_signs():
    done = shell("", *COMMAND, "compile", "inc", "--plugins", "k.py", PYTHONIOENCODING="ascii", COLUMNS="1")
    assert done.returncode == 0
    assert done.stdout.startswith("inc(x: Int64) \\u2192 inc: Int64\n")


def test_an_input_whose_name_is_no_text():
    name = os.fsdecode(b"\xff.parquet")
    os.rename("in.parquet", name)
    for more in ("", "x"):  # Polars opens no such file
        done = shell("", *COMMAND, "run", "inc", name + more, "-o", "out", "--plugins", "k.py", LC_ALL="C")
        assert (done.returncode, done.stderr.count("\n")) == (3, 1)
        assert "\\udcff.parquet" in done.stderr
    assert shell("", *COMMAND, "new", os.fsdecode(b"\xff")).returncode == 2


#: What Polars says first, where the signal comes while it calls Python.
POLARS_PANICS = re.compile(
    r"\A\nthread '[^']*' \(\d+\) panicked at crates/polars.*?^(?=dataflare-vec: )", re.DOTALL | re.MULTILINE
)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize(
    "module", ["polars", "pyarrow", "numba", "numba.core.typing", "dataflare_vec.streams", "wave"]
)
@pytest.mark.parametrize("how", ["raised", "in other words", "in a destructor", "in a slow destructor"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_stopped_amid_an_import(module, how, number, code, tmp_path):
    """Whatever the module that is being imported, or the file of plugins, makes of it."""
    (tmp_path / "sitecustomize.py").write_text(AT_IMPORT)
    with open("k.py", "a") as file:
        file.write("import wave\n")
    environment = {**os.environ, "AT": module, "HOW": how, "SIGNAL": str(int(number))}
    environment["DATAFLARE_VEC_CACHE"] = "0"
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment.get('PYTHONPATH', '')}"
    done = subprocess.run(
        [*RUN, "out.parquet"], capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    if done.returncode == -signal.SIGTERM:  # before the command has begun: a shell says 143 as well
        assert module in ("polars", "pyarrow")
    else:
        assert done.returncode == code, done.stderr
        said = POLARS_PANICS.sub("", done.stderr)
        assert said.startswith(f"dataflare-vec: {common.STOPPED[code]}"), done.stderr
        assert said.count("\n") == 1
    assert {*os.listdir()} - {"__pycache__"} == {"in.parquet", "k.py", "sitecustomize.py"}


#: Sends the signal when a module is about to be imported. A slow destructor: what is to happen once it has
#: returned happens before.
AT_IMPORT = """
import os, signal, sys, threading

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != os.environ["AT"]:
            return
        sys.meta_path.remove(self)
        if os.environ["HOW"] == "in a slow destructor":
            later = threading.Timer
            threading.Timer = lambda seconds, *what: later(0, *what)
        if os.environ["HOW"].endswith("destructor"):
            Dropped()
            return
        try:
            signal.raise_signal(int(os.environ["SIGNAL"]))
        except KeyboardInterrupt:
            if os.environ["HOW"] == "raised":
                raise
            raise RuntimeError("initialisation failed") from None

class Dropped:
    def __del__(self):
        signal.raise_signal(int(os.environ["SIGNAL"]))

sys.meta_path.insert(0, Finder())
"""


def test_without_a_home(tmp_path):
    """Kernels are compiled anew where there is no folder to keep them in; nothing else changes."""
    plain = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    for more in (
        {},
        {"HOME": "/nonexistent"},
        {"HOME": "/dev/null"},
        {"HOME": "", "LANG": "C", "COLUMNS": "1"},
    ):
        done = subprocess.run(
            [*RUN, "out.csv"], capture_output=True, text=True, check=False, env={**plain, **more}, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert pl.read_csv("out.csv")["inc"].to_list() == [2, 3, 4]
