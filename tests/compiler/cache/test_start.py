"""New processes: warm ones without Numba, sixteen at once, damaged entries, kernels that change meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler import prepare as room
from dataflare_vec.compiler.cache.cached import CachedKernel
from dataflare_vec.compiler.cache.entry import kept_kernels
from dataflare_vec.compiler.cache.folder import Folder, open_folder
from dataflare_vec.compiler.remembered import remembered

#: A program that applies a plain function, and prints what it got and what it has imported.
PROGRAM = """
import json, math, sys
import polars as pl
import dataflare_vec as dfv

FACTOR = 2.5

@dfv.plugin
def kernel(a, b, c, d, offset=1.0):
    if a > 1e6:
        raise ValueError("too large")
    return math.sin(a) * b + c / d * FACTOR + offset, a > b

@dfv.filter
def wanted(a, b):
    return a < b + 500.0

rows = {rows}
columns = {{name: [float(i * k % 97 - 40) for i in range(rows)] for k, name in enumerate("abcd", 3)}}
frame = pl.DataFrame(columns)
if {nulls}:
    frame = frame.with_columns(pl.when(pl.col("b") > 3).then("b").alias("b"))
result = frame.pipe(dfv.apply, {plugins}, on_error="null")
heavy = [name for name in ("numba", "llvmlite", "numpy", "pyarrow") if name in sys.modules]
print(json.dumps([str(result.hash_rows(seed=1).sum()), heavy]))
"""


def start(cache, *, rows=100, nulls=False, plugins='"kernel"', program=PROGRAM):
    code = program.format(rows=rows, nulls=nulls, plugins=plugins)
    environ = {**os.environ, "DATAFLARE_VEC_CACHE_DIR": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes):
    """Return what each process printed, when all have ended: a failure leaves no pipe open."""
    outputs = [process.communicate() for process in processes]
    for process, (_, err) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, err
    results = [json.loads(out) for out, _ in outputs]
    return results[0] if len(results) == 1 else results


@pytest.fixture
def cache(tmp_path):
    path = tmp_path / "cache"
    path.mkdir(mode=0o700)
    return path


@pytest.mark.parametrize(
    ("rows", "nulls", "plugins", "heavy"),
    [
        (100, False, '"kernel"', []),  # few rows need nothing else either
        (100, True, '"kernel"', []),
        (100_000, True, '["wanted", "kernel"]', ["numpy", "pyarrow"]),
    ],
)
def test_a_warm_process_gives_the_same_without_numba(cache, rows, nulls, plugins, heavy):
    cold, imported = finish(start(cache, rows=rows, nulls=nulls, plugins=plugins))
    assert "numba" in imported
    warm, imported = finish(start(cache, rows=rows, nulls=nulls, plugins=plugins))
    assert warm == cold
    assert imported == heavy


TEXTS = """
import json, sys
import polars as pl
import dataflare_vec as dfv
from dataflare_vec.compiler.cache import elf

if {nulls}:
    elf.can_load = lambda: False  # as on other systems: then LLVM does

@dfv.plugin
def shown(s: str, width=9):
    text = s.strip().upper() + "!"
    while len(text) < width:
        text += "."
    return text

rows = {rows}
frame = pl.DataFrame({{"s": [" number " + "x" * (i % 40) for i in range(rows)]}})
result = frame.pipe(dfv.apply, {plugins})
heavy = [name for name in ("numba", "numpy", "pyarrow") if name in sys.modules]
print(json.dumps([str(result.hash_rows(seed=1).sum()), heavy]))
"""


@pytest.mark.parametrize("by_llvm", [False, True])
def test_a_warm_process_makes_texts_without_numba(cache, by_llvm):
    cold, imported = finish(start(cache, nulls=by_llvm, plugins='"shown"', program=TEXTS))
    assert "numba" in imported
    warm, imported = finish(start(cache, nulls=by_llvm, plugins='"shown"', program=TEXTS))
    assert warm == cold
    assert imported == []


STATES = """
import json, sys
import polars as pl
import dataflare_vec as dfv

@dfv.scan(init=(0.0, 0))
def smooth(state, x, alpha=0.5):
    level, n = state
    level = x if n == 0 else alpha * x + (1.0 - alpha) * level
    return (level, n + 1), level

@dfv.reduce(init=(0.0, 0), merge=lambda a, b: (a[0] + b[0], a[1] + b[1]), finish=lambda s: s[0] / s[1])
def average(state, x):
    return state[0] + x, state[1] + 1

names = ["a", "b", "a name that is too long for a view", None]
frame = pl.DataFrame({{"k": [names[i % 4] for i in range(70_000)], "i": [i % 3000 for i in range(70_000)]}})
frame = frame.with_columns(x=pl.col("i") * 0.5, f=-pl.col("i").cast(pl.Float64))
if {nulls}:
    frame = frame.with_columns(x=pl.when(pl.col("i") > 7).then("x"))
result = [
    frame.pipe(dfv.apply, smooth), frame.pipe(dfv.apply, smooth, by="k"), frame.pipe(dfv.apply, average),
    frame.pipe(dfv.apply, smooth, by=["k", "i", "f"]), frame.pipe(dfv.apply, average, by="k"),
]
heavy = [name for name in ("numba", "llvmlite") if name in sys.modules]
print(json.dumps([[str(one.hash_rows(seed=1).sum()) for one in result], heavy]))
"""

READY_MADE = """
import json, sys
import polars as pl
import dataflare_vec as dfv

columns = ("spot", "strike", "years", "rate", "volatility")
frame = pl.DataFrame({{name: [1.0, 0.5, {rows}.0] for name in columns}})
result = frame.pipe(dfv.apply, "black_scholes_call")["black_scholes_call"].to_list()
print(json.dumps([result, [name for name in ("numba", "llvmlite") if name in sys.modules]]))
"""


@pytest.mark.parametrize(("program", "nulls"), [(STATES, False), (STATES, True), (READY_MADE, False)])
def test_states_keys_and_ready_made_kernels_start_without_numba_too(cache, program, nulls):
    cold, imported = finish(start(cache, program=program, nulls=nulls))
    assert "numba" in imported
    assert finish(start(cache, program=program, nulls=nulls)) == [cold, []]


def test_sixteen_processes_at_once_on_an_empty_cache(cache):
    processes = [start(cache, nulls=i % 2 == 1) for i in range(16)]
    results = [result for result, _ in finish(*processes)]
    assert len(set(results[::2])) == len(set(results[1::2])) == 1
    folder = Folder(cache)
    for file in folder.files():
        assert not file.path.name.startswith("."), "something was left over"
        assert folder.read(file.path.name) is not None, "a damaged entry"
    assert finish(start(cache)) == [results[0], []]


def test_damaged_entries_are_compiled_again(cache):
    before, _ = finish(start(cache))
    for file in list(Folder(cache).files()):
        data = bytearray(file.path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        file.path.write_bytes(data)
    again, imported = finish(start(cache))
    assert again == before
    assert "numba" in imported
    assert finish(start(cache)) == [before, []]


def test_without_a_cache_it_is_compiled(cache, monkeypatch):
    monkeypatch.setenv("DATAFLARE_VEC_CACHE", "0")
    for _ in range(2):
        assert "numba" in finish(start(cache))[1]
    assert not list(cache.iterdir())


def test_kernels_of_numbas_runtime_are_kept_too(cache):
    program = """
import json, math, sys
import polars as pl
import dataflare_vec as dfv
from dataflare_vec.compiler.remembered import remembered

@dfv.plugin
def kernel(x):
    return math.frexp(x)[0]

result = pl.DataFrame({{"x": [1.5, 4.0, {rows}.0]}}).pipe(dfv.apply, {plugins}, on_error="null")
(prepared,) = remembered(kernel).derived.kernels.values()
print(json.dumps([result["kernel"].to_list(), prepared.kernel.from_cache, bool({nulls})]))
"""
    cold, from_cache, _ = finish(start(cache, program=program))
    assert not from_cache
    assert finish(start(cache, program=program)) == [cold, True, False]


# -- in one process -----------------------------------------------------------------------------------------


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    path = tmp_path / "cache"
    monkeypatch.setenv("DATAFLARE_VEC_CACHE_DIR", str(path))
    return path


def fresh(function, **about):
    """Return a plugin as a new process would make it."""
    return dfv.register("fresh", function, replace=True, **about)


def kernel_of(plugin):
    (prepared,) = remembered(plugin).derived.kernels.values()
    return prepared.kernel


DATA = pl.DataFrame({"x": [1.0, 2.0, None, 4.0]})


def test_a_loop_that_is_missing_is_compiled_and_kept(own_cache):
    some = DATA.drop_nulls()
    some.pipe(dfv.apply, fresh(lambda x: x * 3.0))
    plugin = fresh(lambda x: x * 3.0)
    assert DATA.pipe(dfv.apply, plugin)["fresh"].to_list() == [3.0, 6.0, None, 12.0]
    assert kernel_of(plugin).from_cache
    plugin = fresh(lambda x: x * 3.0)
    assert DATA.pipe(dfv.apply, plugin)["fresh"].to_list() == [3.0, 6.0, None, 12.0]
    assert kernel_of(plugin)._compiled is None


def make(factor):
    def kernel(x):
        return x * factor

    def change(value):
        nonlocal factor
        factor = value

    return kernel, change


def test_a_global_that_changes_between_loops_leaves_no_wrong_entry(own_cache):
    some = DATA.drop_nulls()
    some.pipe(dfv.apply, fresh(make(2.0)[0]))
    kernel, change = make(2.0)
    plugin = fresh(kernel)
    some.pipe(dfv.apply, plugin)
    change(5.0)
    # The loop for nulls isn't in the cache; what is compiled now isn't what the key says.
    assert DATA.pipe(dfv.apply, plugin)["fresh"].to_list() == [5.0, 10.0, None, 20.0]
    assert some.pipe(dfv.apply, plugin)["fresh"].to_list() == [5.0, 10.0, 20.0], "all loops are of one time"
    plugin = fresh(make(2.0)[0])
    assert DATA.pipe(dfv.apply, plugin)["fresh"].to_list() == [2.0, 4.0, None, 8.0]
    plugin = fresh(make(5.0)[0])
    assert DATA.pipe(dfv.apply, plugin)["fresh"].to_list() == [5.0, 10.0, None, 20.0]


def test_a_global_that_changes_its_type_is_used_as_it_is(own_cache):
    def make(value):
        def kernel(x):
            return value if x > 0 else -value

        def change(new):
            nonlocal value
            value = new

        return kernel, change

    DATA.drop_nulls().pipe(dfv.apply, fresh(make(2.0)[0]))
    kernel, change = make(2.0)
    plugin = fresh(kernel)
    DATA.drop_nulls().pipe(dfv.apply, plugin)
    change(3)
    found = DATA.pipe(dfv.apply, plugin)["fresh"]
    assert found.dtype == pl.Int64
    assert found.to_list() == [3, 3, None, 3]


def test_a_class_that_cannot_be_pickled_is_no_reason_to_fail(own_cache):
    from typing import NamedTuple

    class Local(NamedTuple):
        a: float

    def kernel(x: Local):
        return x.a * 2.0

    frame = pl.DataFrame({"x": [{"a": 1.0}, {"a": 2.0}]})
    for _ in range(2):
        assert frame.pipe(dfv.apply, fresh(kernel))["fresh"].to_list() == [2.0, 4.0]


def test_an_overload_of_the_users_is_not_kept(own_cache, caplog):
    from numba.extending import overload

    def twice(x):
        return 2.0 * x

    caplog.set_level("DEBUG", "dataflare_vec")

    @overload(twice)
    def _twice(x):
        return lambda x: 2.0 * x

    plugin = fresh(lambda x: twice(x))
    assert DATA.pipe(dfv.apply, plugin)["fresh"].to_list() == [2.0, 4.0, None, 8.0]
    assert not isinstance(kernel_of(plugin), CachedKernel)
    assert "isn't kept in the cache: it calls `" in caplog.text
    assert not kept_kernels(open_folder())


def test_it_says_where_a_kernel_comes_from(own_cache, caplog):
    caplog.set_level("DEBUG", "dataflare_vec")
    DATA.pipe(dfv.apply, fresh(lambda x: x * 7.0))
    assert "`fresh`: compiled for (Float64) -> (Float64)" in caplog.text
    plugin = fresh(lambda x: x * 7.0)
    DATA.pipe(dfv.apply, plugin)
    assert "`fresh`: from the cache for (Float64) -> (Float64)" in caplog.text
    assert "code      loaded from the cache" in str(dfv.explain(plugin, DATA))
    other = fresh(lambda x: x * 8.0)
    assert "code      compiled in this process" in str(dfv.explain(other, DATA))


def test_many_threads_at_once_compile_once(own_cache, monkeypatch):
    compiled = []
    compile_ = room.specialise

    def count(binding, dtypes):
        compiled.append(dtypes)
        return compile_(binding, dtypes)

    monkeypatch.setattr(room, "specialise", count)
    plugin = fresh(lambda x: x * 11.0)
    barrier = threading.Barrier(8)

    def work(_):
        barrier.wait()
        return DATA.pipe(dfv.apply, plugin)["fresh"].to_list()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert results == [[11.0, 22.0, None, 44.0]] * 8
    assert len(compiled) == 1


def test_other_plugins_run_while_one_is_compiled(own_cache, monkeypatch):
    running = dfv.register("running", lambda x: x + 1.0, replace=True)
    DATA.pipe(dfv.apply, running)
    compile_ = room.specialise
    begun, go_on = threading.Event(), threading.Event()

    def slow(binding, dtypes):
        begun.set()
        assert go_on.wait(60)
        return compile_(binding, dtypes)

    monkeypatch.setattr(room, "specialise", slow)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: DATA.pipe(dfv.apply, fresh(lambda x: x * 13.0)))
        assert begun.wait(60)
        assert DATA.pipe(dfv.apply, running)["running"].to_list() == [2.0, 3.0, None, 5.0]
        go_on.set()
        assert waiting.result()["fresh"].to_list() == [13.0, 26.0, None, 52.0]
