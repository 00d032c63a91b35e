"""Work goes to other processes with what it needs, compiled loops among it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import cloudpickle
import polars as pl
import pyarrow as pa
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.cache.folder import open_folder
from dataflare_vec.distributed.calls import plan_of
from dataflare_vec.distributed.compiled import compiled_loops
from dataflare_vec.distributed.work import Call, Rows

PROGRAM = """
    import pickle, sys
    from pathlib import Path

    work = pickle.loads(Path(sys.argv[1]).read_bytes())
    rows = work(pickle.loads(Path(sys.argv[2]).read_bytes()))
    print(rows.to_pydict(), "numba" in sys.modules)
"""


def on_a_worker(work, batch, tmp_path, **variables) -> tuple[str, str]:
    """Return the output and the errors of another process.

    It has a cache of its own, none of the tests' modules, and those that are in its folder.
    """
    (tmp_path / "work").write_bytes(cloudpickle.dumps(work))
    (tmp_path / "batch").write_bytes(cloudpickle.dumps(batch))
    (tmp_path / "cache").mkdir(mode=0o700)
    root = Path(dfv.__file__).parents[1]
    path = os.pathsep.join([str(root), str(tmp_path)])
    own = {"DATAFLARE_VEC_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": path, **variables}
    command = [sys.executable, "-c", dedent(PROGRAM), str(tmp_path / "work"), str(tmp_path / "batch")]
    environment = {**os.environ, **own}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    return done.stdout.strip(), done.stderr.strip()


@pytest.mark.parametrize(
    ("goes_along", "variables"),
    [(True, {}), (False, {}), (True, {"NUMBA_CPU_NAME": "generic"})],  # the last one is another processor
)
def test_a_worker_compiles_only_what_does_not_come_along(goes_along, variables, tmp_path):
    factor = 3

    @dfv.plugin
    def rated(amount: int, parts: int):
        return amount * factor // parts

    batch = pl.DataFrame({"amount": [1, None, 5, 7], "parts": [1, 2, 3, 0]}).to_arrow()
    call = Call(rated, {"on_error": "null"}, "Ray Data")
    loops = compiled_loops(plan_of(call.request(), batch[:0])) if goes_along else {}
    assert bool(loops) is goes_along
    work = Rows(Call(rated, {"on_error": "null"}, "Ray Data", loops), batch[:0])
    expected = {**batch.to_pydict(), "rated": [3, None, 5, None]}
    compiles = bool(variables) or not goes_along
    out, told = on_a_worker(work, batch, tmp_path, **variables)
    assert out == f"{expected} {compiles}", told


def test_what_cannot_be_compiled_on_a_worker_is_told(tmp_path, monkeypatch):
    """As it has another version of a module that a kernel calls: loops that come along aren't of that."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "rates_of_test.py").write_text("def rate(amount):\n    return amount * 2\n")
    (tmp_path / "rates_of_test.py").write_text("def rate(amount):\n    return eval('amount * 2')\n")
    monkeypatch.syspath_prepend(here)
    rates = __import__("rates_of_test")

    @dfv.plugin
    def doubled(amount: int) -> int:
        return rates.rate(amount)

    batch = pl.DataFrame({"amount": [1, 2]}).to_arrow()
    call = Call(doubled, {}, "Ray Data")
    work = Rows(Call(doubled, {}, "Ray Data", compiled_loops(plan_of(call.request(), batch[:0]))), batch[:0])
    out, told = on_a_worker(work, batch, tmp_path)
    assert not out
    assert "KernelCompileError: plugin `doubled` can't be compiled for the columns (amount: Int64)" in told
    assert "the built-in `eval` isn't supported" in told


def test_a_worker_of_another_version_refuses(monkeypatch):
    @dfv.plugin
    def quartered(amount):
        return amount / 4.0

    empty = pa.table({"amount": pa.array([], pa.int64())})
    sent = cloudpickle.dumps(Rows(Call(quartered, {}, "Ray Data"), empty))
    monkeypatch.setattr("dataflare_vec.distributed.work.__version__", "0.0.1")
    with pytest.raises(RuntimeError, match=r"this worker has .* dataflare_vec 0\.0\.1, and what sent"):
        cloudpickle.loads(sent)


def test_a_worker_looks_at_versions_before_it_reads_functions(monkeypatch):
    """Those of another Python can't be read, or do anything."""

    @dfv.plugin
    def fifth(amount):
        return amount / 5.0

    empty = pa.table({"amount": pa.array([], pa.int64())})
    sent = cloudpickle.dumps([Rows(Call(fifth, {}, "Dask"), empty)])
    monkeypatch.setattr("dataflare_vec.definition.pickling._by_value", None)
    with pytest.raises(TypeError):
        cloudpickle.loads(sent)
    monkeypatch.setattr("dataflare_vec.distributed.work._versions", lambda: "Python 3.99")
    with pytest.raises(RuntimeError, match=r"this worker has Python 3\.99, and what sent .* Python 3\.\d+,"):
        cloudpickle.loads(sent)


def test_loops_that_are_too_large_stay_at_home(monkeypatch):
    monkeypatch.setattr("dataflare_vec.distributed.compiled._MOST", 10)

    @dfv.plugin
    def tripled(amount):
        return amount * 3

    empty = pa.table({"amount": pa.array([], pa.int64())})
    assert compiled_loops(plan_of(Call(tripled, {}, "Ray Data").request(), empty)) == {}


def test_the_loops_of_the_kernel_go_first(monkeypatch):
    @dfv.plugin
    def added(amount):
        return amount + 3

    empty = pa.table({"amount": pa.array([], pa.int64())})
    plan = plan_of(Call(added, {}, "Ray Data").request(), empty)
    (stage,) = plan.stages
    compiled_loops(plan)
    mine = {
        f.path.name: f.size for f in open_folder().files() if f.path.name.startswith(stage.kernel.entry.key)
    }
    monkeypatch.setattr("dataflare_vec.distributed.compiled._MOST", sum(mine.values()))
    assert compiled_loops(plan).keys() == mine.keys()
