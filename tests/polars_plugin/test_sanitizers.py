"""The C of a library under the address and undefined-behaviour sanitizers: no wrong access, no leak.

Polars calls it: queries that go well, that fail and that are refused, in eight threads. Leaks are looked for
when the process ends; those of Python and Polars themselves aren't ours.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from built_kernels import BUILT
from built_list_kernels import BUILT_LISTS
from built_struct_kernels import BUILT_STRUCTS, STATES
from built_text_kernels import BUILT_TEXT

import dataflare_vec as dfv
from dataflare_vec.polars_plugin.functions import registration

FLAGS = "-g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
#: Name of a plugin to which of its signatures is called.
CALLED = {"first": 1, **dict.fromkeys(("named", "half", "maybe", "both_true", "clock", "tame"), 0)}
CALLED |= dict.fromkeys(("shout", "halves", "read", "scaled", "words", "marked"), 0)
CALLED |= dict.fromkeys(("moved", "kind_of", "joined", "narrow", "furthest", "tagged", "summed", "kinds"), 0)
KNOWN = {
    one.name: (one, of) for one, of in (BUILT | BUILT_TEXT | BUILT_LISTS | BUILT_STRUCTS | STATES).items()
}

PROGRAM = """
import ctypes, pickle, sys
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
    made = values.select(one(name, dtype).alias(name) for name, dtype in (("x", x), ("y", y)))
    return pl.concat([made[:9], made[9:], made[:0]], rechunk=False)


def one(name, dtype):
    dtype = dtype() if isinstance(dtype, type) else dtype
    if isinstance(dtype, pl.Struct):  # of fields that may be null, as it may be
        fields = [one(name, field.dtype).alias(field.name) for field in dtype.fields]
        return pl.when(pl.int_range(pl.len()) % 9 > 0).then(pl.struct(fields))
    if isinstance(dtype, (pl.Enum, pl.Categorical)):
        texts = dtype.categories if isinstance(dtype, pl.Enum) else pl.Series(["a", "é", "b" * 40])
        return pl.lit(texts).gather(pl.int_range(pl.len()) % 3).cast(dtype)
    if dtype.is_nested():  # of items that may be null
        return one(name, dtype.inner).repeat_by(pl.int_range(pl.len()) % 7)
    if dtype == pl.Boolean:
        return pl.col(name) > 60
    if dtype == pl.String and name == "y":  # of lengths that views hold, and that they don't
        return pl.lit("ä b").repeat_by(pl.col(name) % 19).list.join("")
    return pl.col(name).cast(dtype)


def query(name, df, x="x", y="y", **kwargs):
    expr = register_plugin_function(
        plugin_path=library, function_name=name, args=[x, y], kwargs=kwargs, **CASES[name][1]
    )
    try:
        return df.select(expr.alias("it"))
    except pl.exceptions.ComputeError as error:
        return str(error)


built = pickle.loads(bytes.fromhex(sys.argv[4]))
CASES = {name: (frame(*dtypes), about) for name, (dtypes, about) in built.items()}


def turn(number):
    name, (df, _) = list(CASES.items())[number % len(CASES)]
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
    some = {KNOWN[name][0]: [KNOWN[name][1][i]] for name, i in CALLED.items()}
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
    cases = {
        name: ([*KNOWN[name][1][i].values()], registration(KNOWN[name][0])) for name, i in CALLED.items()
    }
    command = [sys.executable, "-c", PROGRAM, library, str(calls), how, pickle.dumps(cases).hex()]
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
