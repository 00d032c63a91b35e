"""The C of a library under the address and undefined-behaviour sanitizers: no wrong access, no leak.

Polars calls it: queries that go well, that fail and that are refused, in eight threads. Leaks are looked for
when the process ends; those of Python and Polars themselves aren't ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from built_kernels import BUILT
from built_list_kernels import BUILT_LISTS
from built_text_kernels import BUILT_TEXT

import dataflare_vec as dfv

FLAGS = "-g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
#: Name of a plugin to which of its signatures is called.
CALLED = {"first": 1, **dict.fromkeys(("named", "half", "maybe", "both_true", "clock", "tame"), 0)}
CALLED |= dict.fromkeys(("shout", "halves", "read", "scaled", "words", "marked"), 0)

PROGRAM = """
import ctypes, sys
from concurrent.futures import ThreadPoolExecutor

import polars as pl
from polars.plugins import register_plugin_function

library, calls, leak = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "leak"
number = pl.int_range(2000, eager=True)
text = pl.DataFrame({"x": ["a", None], "y": ["b", "c"]})


def frame(x, y):
    values = pl.DataFrame({"x": number % 120, "y": number % 103}).with_columns(
        x=pl.when(pl.col("x") % 7 > 0).then("x")
    )
    made = values.select(one(name, dtype) for name, dtype in (("x", x), ("y", y)))
    return pl.concat([made[:9], made[9:], made[:0]], rechunk=False)


def one(name, dtype):
    if dtype.is_nested():  # of items that may be null
        return one(name, dtype.inner).repeat_by(pl.int_range(pl.len()) % 7).alias(name)
    if dtype == pl.Boolean:
        return pl.col(name) > 60
    if dtype == pl.String and name == "y":  # of lengths that views hold, and that they don't
        return pl.lit("ä b").repeat_by(pl.col(name) % 19).list.join("").alias("y")
    return pl.col(name).cast(dtype)


def query(name, df, x="x", y="y", **kwargs):
    expr = register_plugin_function(
        plugin_path=library, function_name=name, args=[x, y], kwargs=kwargs, is_elementwise=True
    )
    try:
        return df.select(expr.alias("it"))
    except pl.exceptions.ComputeError as error:
        return str(error)


F, I, S = pl.Float64, pl.Int64, pl.String
CASES = {
    "first": frame(pl.Time, pl.UInt8), "named": frame(F, pl.Int32), "half": frame(F, F),
    "maybe": frame(pl.Int16, I), "both_true": frame(pl.Boolean, pl.Boolean),
    "clock": frame(pl.Datetime("ns"), pl.Duration("us")), "tame": frame(I, F),
    "shout": frame(S, S), "halves": frame(S, S), "read": frame(S, pl.UInt8),
    "scaled": frame(pl.List(pl.Int16), pl.Int8), "words": frame(pl.List(S), S),
    "marked": frame(pl.List(pl.Boolean), pl.Int8),
}


def turn(number):
    name, df = list(CASES.items())[number % len(CASES)]
    how = ("null", "raise", "drop", "struct")[number // len(CASES) % 4]
    results = [
        query(name, df, on_error=how),
        query(name, df, y=pl.col("y").last(), on_error="null"),
        query(name, df[number % 50 : number % 2000], x=pl.lit(None, df["x"].dtype), on_error="null"),
        query(name, text),
    ]
    if name == "half":
        results.append(query(name, df, strict=bool(number % 2), on_error="raise"))
        results.append(query(name, df, nothing=number, on_error="null"))
    return [isinstance(result, str) for result in results]


with ThreadPoolExecutor(8) as pool:
    outcomes = list(pool.map(turn, range(calls // 4)))
failed = sum(sum(outcome) for outcome in outcomes)
print(sum(map(len, outcomes)), failed)
if leak:
    schemas = (ctypes.c_int64 * 18)()
    format_, empty = ctypes.c_char_p(b"g"), ctypes.c_char_p(b"x")
    for at in (0, 9):
        schemas[at] = ctypes.cast(format_, ctypes.c_void_p).value
        schemas[at + 1] = ctypes.cast(empty, ctypes.c_void_p).value
    out = (ctypes.c_int64 * 9)()
    ctypes.CDLL(library)._polars_plugin_field_half(schemas, ctypes.c_size_t(2), out, None, ctypes.c_size_t(0))
    assert out[7], "there is no schema"
    ctypes.memset(out, 0, 72)  # nobody knows of it any more
"""


def preloaded():
    """Return the runtime of gcc's address sanitizer, None if there is none."""
    gcc = shutil.which("gcc")
    if gcc is None:
        return None
    done = subprocess.run([gcc, "-print-file-name=libasan.so"], capture_output=True, text=True)
    path = Path(done.stdout.strip())
    return path if path.is_absolute() and path.exists() else None


RUNTIME = preloaded()
pytestmark = pytest.mark.skipif(RUNTIME is None, reason="needs gcc and its address sanitizer")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    known = {plugin.name: (plugin, schemas) for plugin, schemas in (BUILT | BUILT_TEXT | BUILT_LISTS).items()}
    some = {plugin: [schemas[i]] for name, i in CALLED.items() for plugin, schemas in (known[name],)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", f"gcc {FLAGS}")
        return dfv.build(some, output=tmp_path_factory.mktemp("library"), name="sanitized").path


def run(library, calls, how):
    environment = {
        **os.environ,
        "LD_PRELOAD": str(RUNTIME),
        "ASAN_OPTIONS": "detect_leaks=1:exitcode=0:malloc_context_size=12",
        "LSAN_OPTIONS": "exitcode=0:max_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, "-c", PROGRAM, library, str(calls), how]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def leaks(library, said):
    """Return the stacks of what was lost in the library."""
    return [part for part in said.split("\n\n") if "leak of" in part and Path(library).name in part]


def test_ten_thousand_calls(library):
    done = run(library, 10_000, "-")
    assert done.returncode == 0, done.stderr[-4000:]
    calls, failed = map(int, done.stdout.split())
    assert calls >= 10_000
    assert calls / 5 < failed < calls / 2
    assert "ERROR: AddressSanitizer" not in done.stderr
    assert "LeakSanitizer" in done.stderr or not done.stderr  # it has looked
    assert leaks(library, done.stderr) == []


def test_a_leak_is_found(library):
    """That nothing is found says something."""
    done = run(library, 4, "leak")
    assert done.returncode == 0, done.stderr[-4000:]
    (found,) = leaks(library, done.stderr)
    assert "leak of 4 byte(s) in 1 object(s)" in found  # name and format of a column
