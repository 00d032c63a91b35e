"""Environment variables of Numba, Python and Polars: what they say is done, or refused in words."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import dataflare_vec as dfv, polars as pl
@dfv.plugin
def inc(x): return x + 1
print(pl.DataFrame({"x": [1, 2]}).pipe(dfv.apply, "inc")["inc"].to_list())
"""


def run(variable: str, code: str = CODE):
    name, _, value = variable.partition("=")
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DATAFLARE_VEC_CACHE": "0", name: value},
        timeout=300,
    )


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("NUMBA_DISABLE_JIT=1", "KernelCompileError: Numba is told not to compile, by `NUMBA_DISABLE_JIT`"),
        ("NUMBA_NUM_THREADS=0", "KernelCompileError: Numba can't be imported: Number of threads"),
    ],
    ids=["no compiler", "no threads"],
)
def test_refused_in_words(variable, text):
    done = run(variable)
    assert done.returncode == 1
    assert text in done.stderr.splitlines()[-1]
    assert done.stdout == ""


@pytest.mark.parametrize("variable", ["NUMBA_CPU_NAME=generic", "PYTHONOPTIMIZE=2", "PYTHONWARNINGS=error"])
def test_taken(variable):
    done = run(variable)
    assert (done.returncode, done.stdout) == (0, "[2, 3]\n"), done.stderr
