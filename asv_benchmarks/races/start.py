"""From a cold start to the first row: new processes, with compiled kernels in the cache and without."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec.cli import COMMANDS
from races.common import Figure, at_most

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from races.common import Size

COLUMNS = "abcd"
KERNEL = """
import math
import dataflare_vec as dfv

@dfv.plugin
def score(a, b, c, d, weight=2.0):
    return math.sin(a) * b + c / d * weight
"""
FRAME = """
import polars as pl
df = pl.DataFrame({name: range(1, 1001) for name in "abcd"}, schema={name: pl.Float64 for name in "abcd"})
"""
EXPRESSION = 'pl.col("a").sin() * pl.col("b") + pl.col("c") / pl.col("d") * 2.0'
# Numba is imported before, so that only compiling is measured.
FIRST = {
    "ours": KERNEL
    + FRAME
    + """
import numba, time
from dataflare_vec.compiler.jit.codegen import driver
began = time.perf_counter()
df.pipe(dfv.apply, "score")
print(time.perf_counter() - began)
""",
    "numba": FRAME
    + """
import math, numba, time
import numpy as np

@numba.njit(error_model="numpy")
def score(a, b, c, d, weight):
    return math.sin(a) * b + c / d * weight

@numba.njit(error_model="numpy")
def loop(a, b, c, d, weight, out):
    for i in range(a.size):
        out[i] = score(a[i], b[i], c[i], d[i], weight)

columns = [df[name].to_numpy() for name in "abcd"]
out = np.empty(1000)
began = time.perf_counter()
loop(*columns, 2.0, out)
print(time.perf_counter() - began)
""",
}

# The same methods in two kernels, of which the first leaves what they are made of in the cache.
STRINGS = """
import dataflare_vec as dfv
import numba, time
import polars as pl
from dataflare_vec.compiler.jit.codegen import driver

@dfv.plugin
def label(s: str):
    if s.startswith("de "):
        return s
    return s.strip().replace("a", "bc").title()[: s.find("{}")]

df = pl.DataFrame({{"s": ["de la Cruz", " mary smith "]}})
began = time.perf_counter()
df.pipe(dfv.apply, label)
print(time.perf_counter() - began)
"""


def environment(folder: str, **more: str) -> dict[str, str]:
    """Return variables for a child: caches of its own, of bytecode too, as an installed package has them."""
    variables = {**os.environ, "DATAFLARE_VEC_CACHE_DIR": f"{folder}/kernels"}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**variables, "PYTHONPYCACHEPREFIX": f"{folder}/bytecode", **more}


def processes(commands: Sequence[Sequence[str]], folder: str, repeats: int) -> list[float]:
    """Return the least seconds that each command takes, run in turn, after one run that isn't counted."""
    best = [float("inf")] * len(commands)
    for turn in range(repeats + 1):
        for i, command in enumerate(commands):
            began = time.perf_counter()
            subprocess.run(command, check=True, env=environment(folder), capture_output=True)
            if turn:
                best[i] = min(best[i], time.perf_counter() - began)
    return best


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def warm_start(size: Size) -> Iterator[Figure]:
    commands = [
        python(KERNEL + FRAME + 'df.pipe(dfv.apply, "score")'),
        python(FRAME + f"df.with_columns(score={EXPRESSION})"),
        python("import numba"),
        python("pass"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        ours, expression, numba, nothing = processes(commands, folder, 3 * size.repeats)
    yield Figure(
        "new process, a cached kernel on 1,000 rows: time above an expression's / import numba",
        (ours - expression) / (numba - nothing),
        at_most(0.45, aim=0.2),
        f"{(ours - expression) * 1e3:.0f} ms against {(numba - nothing) * 1e3:.0f}",
    )


def command_line(size: Size) -> Iterator[Figure]:
    if "run" not in {command.__name__.rpartition(".")[2] for command in COMMANDS}:
        return
    with tempfile.TemporaryDirectory() as folder:
        data, kernel = Path(folder, "data.parquet"), Path(folder, "kernel.py")
        columns = {name: pl.Series(range(1, 1001), dtype=pl.Float64) for name in COLUMNS}
        pl.DataFrame(columns).write_parquet(data)
        kernel.write_text(KERNEL)
        commands = [
            [
                *(sys.executable, "-m", "dataflare_vec.cli", "run", "score", str(data)),
                *("-o", f"{folder}/ours.parquet", "--plugins", str(kernel)),
            ],
            python(
                f"import polars as pl; pl.read_parquet({str(data)!r})"
                f".with_columns(score={EXPRESSION}).write_parquet('{folder}/theirs.parquet')"
            ),
        ]
        ours, theirs = processes(commands, folder, 3 * size.repeats)
    yield Figure(
        "dataflare-vec run on a small Parquet file, whole process: time / Polars by expression",
        ours / theirs,
        at_most(2.0, aim=1.4),
        f"{ours * 1e3:.0f} ms against {theirs * 1e3:.0f}",
    )


def first_compile(size: Size) -> Iterator[Figure]:
    best = dict.fromkeys(FIRST, float("inf"))
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(size.repeats + 1):
            for name, code in FIRST.items():
                # An own cache each time: nothing is found in it.
                variables = environment(folder, DATAFLARE_VEC_CACHE_DIR=f"{folder}/{turn}")
                done = subprocess.run(python(code), check=True, env=variables, capture_output=True)
                if turn:
                    best[name] = min(best[name], float(done.stdout))
    yield Figure("first compile of a 4-column row kernel, s", best["ours"], at_most(2, aim=1.2))
    yield Figure(
        "first compile of a 4-column row kernel: time / numba.njit of the same loop",
        best["ours"] / best["numba"],
        at_most(2, aim=1.5),
        f"{best['ours'] * 1e3:.0f} ms against {best['numba'] * 1e3:.0f}",
    )


def first_compile_of_strings(size: Size) -> Iterator[Figure]:
    ours, numba = [], []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(size.repeats + 1):
            variables = environment(folder, DATAFLARE_VEC_CACHE_DIR=f"{folder}/{turn}")
            for code, times in (
                (STRINGS.format("x"), []),
                (STRINGS.format("y"), ours),
                (FIRST["numba"], numba),
            ):
                done = subprocess.run(python(code), check=True, env=variables, capture_output=True)
                times.append(float(done.stdout))
    what = "first compile of a kernel with five string methods that another kernel has called before"
    best, theirs = min(ours[1:]), min(numba[1:])
    yield Figure(f"{what}, s", best, at_most(1.6, aim=0.8))
    yield Figure(
        f"{what}: time / numba.njit of a loop over numbers",
        best / theirs,
        at_most(4, aim=2),
        f"{best * 1e3:.0f} ms against {theirs * 1e3:.0f}",
    )


RACES = (warm_start, command_line, first_compile, first_compile_of_strings)
