"""A kernel's library is built once per machine: it lies in the cache, whole, and is what its key says."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.cli import main
from dataflare_vec.compiler.cache.entry import kept_kernels
from dataflare_vec.compiler.cache.folder import Folder, open_folder
from dataflare_vec.polars_plugin import linker, per_machine
from testing.oracle import plugin

PROGRAM = Path(__file__).parent / "cached_kernels.py"
EXPECTED = (6.0, None)
LINE = 1 + PROGRAM.read_text().splitlines().index('        raise ValueError("km is negative")')


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """Return a cache in which the library is, and what the process said that has built it."""
    folder = tmp_path_factory.mktemp("cache")
    return folder, ask(folder)


def start(folder, program=PROGRAM, *arguments, **variables):
    environ = {**os.environ, "DATAFLARE_VEC_CACHE_DIR": str(folder), **variables}
    command = [sys.executable, program, *arguments]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)


def answer(process, expected=EXPECTED):
    out, _ = process.communicate()
    assert process.returncode == 0
    value, error, file, imported = json.loads(out)
    assert tuple(value) == expected
    return error[1], file, imported


def ask(folder, *arguments, **variables):
    return answer(start(folder, *arguments, **variables))


def libraries(folder):
    return sorted(str(path) for path in folder.glob("*.so"))


def copied(cached, tmp_path):
    folder = tmp_path / "cache"
    shutil.copytree(cached[0], folder)
    return folder


def test_the_next_process_takes_it_from_the_cache(cached):
    """Without Numba."""
    folder, (error, file, _) = cached
    assert error == f"ValueError: km is negative (cached_kernels.py, line {LINE})"
    assert libraries(folder) == [file]
    assert ask(folder) == (error, file, False)
    assert libraries(folder) == [file]


def elevenfold(km):
    return km * 11


def test_where_there_is_no_linker_it_is_taken_from_the_cache(monkeypatch):
    dfv.expr(plugin(elevenfold), native=True)
    monkeypatch.setattr(linker.shutil, "which", lambda name: None)
    monkeypatch.setattr(linker, "find_spec", lambda name: None)
    frame = pl.DataFrame({"km": [1.0]})
    assert frame.select(dfv.expr(plugin(elevenfold), native=True)).item() == 11.0
    with pytest.raises(dfv.MissingDependencyError):
        dfv.expr(plugin(elevenfold), native=True, schema={"km": pl.Int8})


def test_what_a_kernel_captures_is_part_of_the_key(cached, tmp_path):
    folder = copied(cached, tmp_path)
    _, file, imported = answer(start(folder, PROGRAM, "3.0"), (9.0, None))
    assert imported
    assert len(libraries(folder)) == 2
    assert file in libraries(folder)


def test_errors_name_the_line_where_the_kernel_stands_now(cached, tmp_path):
    folder, moved = copied(cached, tmp_path), tmp_path / PROGRAM.name
    moved.write_text("# one more line\n" + PROGRAM.read_text())
    error, file, _ = ask(folder, moved)
    assert error.endswith(f"(cached_kernels.py, line {LINE + 1})")
    assert len(libraries(folder)) == 2
    assert file in libraries(folder)


@pytest.mark.parametrize("harm", ["damaged", "gone", "linked by another"])
def test_what_is_not_whole_is_built_again(cached, tmp_path, harm):
    folder, environ = copied(cached, tmp_path), {}
    (path,) = map(Path, libraries(folder))
    if harm == "damaged":
        content = path.read_bytes()
        path.write_bytes(content[:-100] + b"\0" * 100)
    elif harm == "gone":
        path.unlink()
    else:
        environ = {"CC": "cc -O1"}
    error, file, imported = ask(folder, **environ)
    assert imported
    assert libraries(folder) == [file]
    assert error == cached[1][0]


def test_processes_that_build_it_at_once(tmp_path):
    """None disturbs another, and nothing is left over."""
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    answers = [answer(one) for one in [start(folder) for _ in range(3)]]
    assert len({file for _, file, _ in answers}) == 1
    assert libraries(folder) == [answers[0][1]]
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_without_a_cache_it_goes_with_the_process(cached, tmp_path):
    error, file, imported = ask(tmp_path, DATAFLARE_VEC_CACHE="0")
    assert (error, imported) == (cached[1][0], True)
    assert not Path(file).exists()
    assert not Path(file).parent.exists()
    folder = tmp_path / "small"
    folder.mkdir(mode=0o700)
    _, file, _ = ask(folder, DATAFLARE_VEC_CACHE_MAX_BYTES="1000")  # not even this one fits
    assert not Path(file).exists()


def test_it_is_listed_counted_and_cleared(cached, tmp_path, monkeypatch, capsys):
    folder = copied(cached, tmp_path)
    monkeypatch.setenv("DATAFLARE_VEC_CACHE_DIR", str(folder))
    assert main(["cache", "list"]) == 0
    *kernels, _ = capsys.readouterr().out.splitlines()
    (listed,) = [line for line in kernels if "native" in line]
    assert listed.startswith("kept_toll(km: Float64, lanes: Float64), native library  1 loop, ")
    assert sum(file.size for file in open_folder().files()) >= Path(libraries(folder)[0]).stat().st_size
    assert main(["cache", "clear"]) == 0
    assert not list(folder.iterdir())


def test_those_that_were_not_used_for_longest_go_first(cached, tmp_path):
    folder = copied(cached, tmp_path)
    (path,) = map(Path, libraries(folder))
    os.utime(path, (0, 0))
    kept = Folder(folder, max_bytes=sum(one.stat().st_size for one in folder.iterdir()))
    assert kept.plain(path.name) == path  # which marks it as used
    assert path.stat().st_mtime > 0
    os.utime(path, (0, 0))
    assert kept.write_plain("f" * 64, ".so", b"another").read_bytes() == b"another"
    assert not path.exists()


def test_threads_that_ask_at_once_get_one_library(monkeypatch):
    built = []
    build = per_machine._build

    def counting(*arguments):
        built.append(arguments)
        return build(*arguments)

    monkeypatch.setattr(per_machine, "_build", counting)
    shared = plugin(lambda km: km * 7, name="sevenfold")
    frame = pl.DataFrame({"km": [1.0, None]})
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: frame.select(dfv.expr(shared, native=True)), range(8)))
    assert all(result.to_series().to_list() == [7.0, None] for result in results)
    assert len(built) == 1


def test_one_that_is_cleared_meanwhile_is_built_again():
    again = plugin(lambda km: km * 8, name="eightfold")
    frame = pl.DataFrame({"km": [1.0, None]})
    first = dfv.expr(again, native=True)
    open_folder().clear()
    assert frame.select(dfv.expr(again, native=True)).to_series().to_list() == [8.0, None]
    assert frame.select(first).to_series().to_list() == [8.0, None]


def test_what_is_captured_is_looked_at_again():
    frame = pl.DataFrame({"km": [1.0]})
    for factor in (2.0, 3.0):
        globals()["FACTOR"] = factor
        assert frame.select(dfv.expr(BY_FACTOR, native=True)).item() == factor


FACTOR = 1.0
BY_FACTOR = plugin(lambda km: km * FACTOR, name="by_factor")


def test_an_overload_of_the_users_is_not_kept(caplog):
    """Of what its code is made nobody knows: its library goes with the process."""
    from numba.extending import overload

    def thrice(x):
        raise NotImplementedError

    @overload(thrice)
    def _thrice(x):
        return lambda x: 3 * x

    caplog.set_level(logging.DEBUG, "dataflare_vec.polars_plugin")
    calling = plugin(lambda km: thrice(km), name="calling")
    frame = pl.DataFrame({"km": [1.5]})
    assert frame.select(dfv.expr(calling, native=True)).item() == 4.5
    assert "native library: isn't kept in the cache: it calls" in caplog.text
    assert not [one for one in kept_kernels(open_folder()) if "calling" in one.label]
