"""A definition that is run again takes the place of the old one; another one of its name doesn't."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import textwrap

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.definition.registry import default_registry

FRAME = pl.DataFrame({"x": [1.0, 2.0]})
SOURCE = """
import dataflare_vec as dfv
import polars as pl

RATE = 2.0

@dfv.plugin
def reloaded(x, k=1.0):
    return x * RATE * k

@dfv.scan(init=0.0)
def reloaded_scan(s, x):
    return s + x, s + x

@dfv.expression
def reloaded_expression(x):
    return x * RATE

net = dfv.register("reloaded_net", pl.col("x") * RATE)
double = dfv.register("reloaded_lambda", lambda x: x * RATE)
"""
NAMES = ("reloaded", "reloaded_scan", "reloaded_expression", "reloaded_net", "reloaded_lambda")


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    default_registry.load_packs()
    monkeypatch.setattr(default_registry, "_plugins", dict(default_registry._plugins))


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that writes a module of the user's, and its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(source, name="reloaded_module"):
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return tmp_path / f"{name}.py"

    yield write
    for name in [name for name in sys.modules if name.startswith("reloaded_")]:
        del sys.modules[name]


def values():
    return [FRAME.pipe(dfv.apply, name, keep=False).to_series().to_list() for name in NAMES]


def expected(rate):
    return [[rate, 2 * rate], [1.0, 3.0], *[[rate, 2 * rate]] * 3]


def test_a_reloaded_module(module):
    module(SOURCE)
    first = importlib.import_module("reloaded_module")
    assert values() == expected(2.0)
    kernels = remembered(first.reloaded).derived.kernels
    importlib.reload(first)
    assert values() == expected(2.0)
    assert list(remembered(first.reloaded).derived.kernels.values()) == list(kernels.values())
    module("# moved down\n\n" + SOURCE.replace("2.0", "3.0"))
    importlib.reload(first)
    assert values() == expected(3.0)
    assert remembered(first.reloaded).derived.kernels is not kernels
    assert default_registry.get("reloaded") is first.reloaded


def test_a_module_that_is_imported_anew(module):
    module(SOURCE)
    importlib.import_module("reloaded_module")
    values()
    del sys.modules["reloaded_module"]
    module(SOURCE.replace("2.0", "3.0"))
    importlib.import_module("reloaded_module")
    assert values() == expected(3.0)


def test_a_script_that_is_run_twice(module):
    for name in (None, "__main__", "some_name"):
        for rate in (2.0, 3.0):
            script = module(SOURCE.replace("2.0", str(rate)), "reloaded_script")
            runpy.run_path(str(script), run_name=name)
            assert values() == expected(rate)


@pytest.mark.parametrize("name", ["__main__", "a_module", None])
def test_source_that_is_executed_twice(name):
    scope = {} if name is None else {"__name__": name}
    code = compile(SOURCE, "<string>", "exec")
    for source in (code, code, SOURCE.replace("2.0", "3.0")):
        exec(source, scope)
    assert values() == expected(3.0)


def test_a_factory_that_is_called_again_replaces_its_plugin():
    def make(rate):
        @dfv.plugin
        def made_by_a_factory(x):
            return x * rate

        return made_by_a_factory

    first, second = make(2.0), make(3.0)
    assert FRAME.pipe(dfv.apply, "made_by_a_factory")["made_by_a_factory"].to_list() == [3.0, 6.0]
    assert FRAME.pipe(dfv.apply, first)["made_by_a_factory"].to_list() == [2.0, 4.0]
    assert FRAME.pipe(dfv.apply, second)["made_by_a_factory"].to_list() == [3.0, 6.0]


def test_definitions_from_other_places_are_refused_and_both_are_named(module):
    path = module(SOURCE)
    importlib.import_module("reloaded_module")
    again = "import dataflare_vec as dfv\n\n@dfv.plugin\ndef reloaded(x):\n    return x\n"
    other = module(again, "reloaded_other")
    with pytest.raises(dfv.DuplicatePluginError) as caught:
        importlib.import_module("reloaded_other")
    text = str(caught.value)
    assert "plugin `reloaded`: it is already registered as <row kernel `reloaded(x, k=1.0)`>" in text
    assert f'registered: File "{path}", line 7, in reloaded' in text
    assert f'to be registered: File "{other}", line 3, in reloaded' in text
    assert "choose another name, or pass `replace=True`" in text


@pytest.mark.parametrize("first", ["def twice(x):\n    return x", "twice = lambda x: x"])
def test_two_definitions_of_a_name_in_one_module_are_refused(module, first):
    register = "dfv.register('reloaded_twice', twice)"
    module(f"import dataflare_vec as dfv\n{first}\n{register}\n{first}\n{register}\n", "reloaded_two")
    with pytest.raises(dfv.DuplicatePluginError, match=r"reloaded_two\.py"):
        importlib.import_module("reloaded_two")


AUTORELOAD = """
import os, sys, time
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell

path = Path("reloaded_module.py")
source = path.read_text()
sys.path.insert(0, ".")
sys.dont_write_bytecode = True
shell = InteractiveShell.instance()

def run(cell):
    shell.run_cell(cell).raise_error()
    shell.events.trigger("post_execute")

def edit(text):
    before = path.stat().st_mtime
    path.write_text(text)
    os.utime(path, (before + 5, before + 5))

run("%load_ext autoreload")
run("%autoreload 2")
run("import polars as pl, dataflare_vec as dfv, reloaded_module")
run("from reloaded_module import reloaded, reloaded_scan, double")
run("f = pl.DataFrame({'x': [1.0, 2.0]})")
ask = (
    "found = [f.pipe(dfv.apply, p)[n].to_list() for p, n in ("
    "(reloaded, 'reloaded'), ('reloaded', 'reloaded'),"
    " (reloaded_module.reloaded, 'reloaded'), (double, 'reloaded_lambda'))]; called = reloaded(1.0)"
)
run(ask)
assert shell.user_ns["found"] == [[2.0, 4.0]] * 4, shell.user_ns["found"]
more = source.replace("x * RATE * k", "x * RATE * k + 1")
edit(more.replace("lambda x: x * RATE", "lambda x: x * RATE + 1"))
run(ask)
assert shell.user_ns["found"] == [[3.0, 5.0]] * 4, shell.user_ns["found"]
assert shell.user_ns["called"] == 3.0
edit(source.replace("RATE = 2.0", "RATE = 5.0"))
run(ask)
assert shell.user_ns["found"] == [[5.0, 10.0]] * 4, shell.user_ns["found"]
run("scanned = f.pipe(dfv.apply, reloaded_scan)['reloaded_scan'].to_list()")
assert shell.user_ns["scanned"] == [1.0, 3.0]
edit(source.replace("RATE = 2.0", "RATE = 5.0").replace("init=0.0", "init=10.0"))
run("scanned = f.pipe(dfv.apply, reloaded_scan)['reloaded_scan'].to_list()")
assert shell.user_ns["scanned"] == [11.0, 13.0]
Path("script.py").write_text(source)
run("%run script.py")
run("%run script.py")
run("found = f.pipe(dfv.apply, 'reloaded')['reloaded'].to_list()")
print("done")
"""


def test_autoreload(tmp_path):
    (tmp_path / "reloaded_module.py").write_text(SOURCE)
    (tmp_path / "shell.py").write_text(AUTORELOAD)
    done = subprocess.run(
        [sys.executable, "shell.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")},
    )
    assert done.stdout.strip().endswith("done"), done.stdout + done.stderr


SPAWN = textwrap.dedent(
    """
    import multiprocessing, sys
    import polars as pl
    import dataflare_vec as dfv

    @dfv.plugin
    def spawned(x):
        return x * 2

    def work(values):
        return pl.DataFrame({"x": values}).pipe(dfv.apply, "spawned")["spawned"].to_list()

    if __name__ == "__main__":
        for method in sys.argv[1:]:
            with multiprocessing.get_context(method).Pool(2) as pool:
                assert pool.map(work, [[1.0], [2.0, 3.0]]) == [[2.0], [4.0, 6.0]], method
        print("done")
    """
)


def test_a_script_whose_processes_import_it_again(tmp_path):
    (tmp_path / "script.py").write_text(SPAWN)
    methods = [one for one in multiprocessing.get_all_start_methods() if one != "fork"]
    done = subprocess.run(
        [sys.executable, "script.py", *methods[:1]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n", done.stderr
