"""Functions that are linked into kernels are compiled once per machine, and never taken for one another."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
from typing import NamedTuple

import pytest
from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings import search, stored
from dataflare_vec.compiler.jit.lowering.strings.memory import find_bytes, find_last_bytes
from dataflare_vec.compiler.jit.types.strings import StringConstant, ascii_string, utf8_string

PROGRAM = """
import polars as pl
import dataflare_vec as dfv
from dataflare_vec.compiler.jit.lowering.strings import stored

written = []
write = stored.write

def count(key, result):
    written.append(key)
    write(key, result)

stored.write = count

@dfv.plugin
def kernel(s: str, t: str):
    return {}

df = pl.DataFrame({{"s": ["abcabc", "a,b", ""], "t": ["bc", ",", "é"]}})
print(dfv.apply(df, kernel)["kernel"].to_list(), len(written))
"""


def run(folder, expression):
    environment = {**os.environ, "DATAFLARE_VEC_CACHE": "1", "DATAFLARE_VEC_CACHE_DIR": str(folder)}
    command = [sys.executable, "-c", PROGRAM.format(expression)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    values, _, compiled = done.stdout.strip().rpartition(" ")
    return values, int(compiled)


def test_each_is_compiled_once(tmp_path):
    # Two methods whose functions have one name, each compiled as a process's first; then both in one kernel.
    values, compiled = run(tmp_path, "s.find(t)")
    assert (values, compiled > 0) == ("[1, 1, -1]", True)
    values, compiled = run(tmp_path, "s.rfind(t)")
    assert (values, compiled > 0) == ("[4, 1, -1]", True)
    assert run(tmp_path, "s.find(t) * 10 + s.rfind(t)") == ("[14, 11, -11]", 0)


@pytest.fixture
def key_of(monkeypatch, tmp_path):
    monkeypatch.setenv("DATAFLARE_VEC_CACHE", "1")
    monkeypatch.setenv("DATAFLARE_VEC_CACHE_DIR", str(tmp_path / "cache"))

    class Flags:
        def summary(self):
            return ""

    return lambda function, *arguments: stored.key_of(function, arguments, Flags())


def test_what_is_captured_is_in_the_key(key_of):
    first, last = (search._finder(find)(ascii_string, ascii_string) for find in (find_bytes, find_last_bytes))
    again = search._finder(find_bytes)(ascii_string, ascii_string)
    keys = [key_of(function, ascii_string, ascii_string) for function in (first, last, again)]
    assert None not in keys
    assert keys[0] == keys[2] != keys[1]
    assert key_of(first, utf8_string, ascii_string) != keys[0]


def test_globals_of_evaluated_code_are_in_the_key(key_of):
    """`min` and `max` by key are one text, whose comparison is a global of its own."""

    def made(**globals_of_it):
        return eval("lambda a, b: compared(a, b)", globals_of_it)

    keys = [key_of(made(compared=one)) for one in (operator.lt, operator.gt, find_bytes, find_last_bytes)]
    assert len({*keys, None}) == 5
    assert key_of(made(compared=operator.lt)) == keys[0]


def test_constants_are_in_the_key(key_of):
    function = search._finder(find_bytes)(ascii_string, ascii_string)
    kinds = [types.Literal.ctor_map[StringConstant](StringConstant(text)) for text in ("a", "b")]
    assert key_of(function, kinds[0]) != key_of(function, kinds[1])


class Pair(NamedTuple):
    text: str
    number: int


def test_what_has_no_description_has_no_key(key_of):
    captured = object()

    def function():
        return captured

    function.__module__ = search.__name__
    assert key_of(function) is None
    assert key_of(run) is None  # not of this library
    function = search._finder(find_bytes)(ascii_string, ascii_string)
    assert key_of(function, types.NamedTuple([ascii_string, types.int64], Pair)) is None
    assert key_of(function, types.Tuple([ascii_string, types.int64])) is not None
