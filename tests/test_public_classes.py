"""What holds of every public class: where it is found, and what its pickles name."""

from __future__ import annotations

import copy
import copyreg
import inspect
import io
import pickle
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from dataflare_vec_kernels.geo import haversine

import dataflare_vec as dfv
from dataflare_vec._util import public_pickles

CLASSES = {name: kind for name in dfv.__all__ if isinstance(kind := getattr(dfv, name), type)}
#: What can't go to another process: it holds memory, locks or what is being read.
BOUND = {
    "ChunkTuner",
    "DistributedResult",
    "MemoryPool",
    "PluginManager",
    "PooledBuffer",
    "RuleTuner",
    "Stream",
}


@pytest.fixture(autouse=True)
def our_pickles(monkeypatch):
    """Have errors pickled as by themselves: where Dask is imported, it pickles exceptions its own way."""
    for kind in CLASSES.values():
        if issubclass(kind, BaseException):
            monkeypatch.setitem(copyreg.dispatch_table, kind, public_pickles._reduce)


def inverse(x):
    if x == 0:
        raise ValueError("it has none")
    return 1 / x


def instances() -> dict[str, object]:
    """Return an object of each class that can be pickled, with what it may hold."""
    frame = pl.DataFrame({"x": [1.0, 0.0, 2.0], "k": ["a", "b", "a"]})
    total = dfv.scan(lambda state, x: (state + x, state + x), init=0.0, name="total_of_keys")
    log = dfv.ErrorLog()
    manager = dfv.PluginManager()
    manager.register_plugin(inverse)
    failing = manager.process_batch("inverse", frame, on_error="null")
    health = manager.health_check()
    made = {
        "BatchResult": failing,
        "BufferSize": dfv.BufferSize.SMALL,
        "ErrorLog": log,
        "Explanation": dfv.explain(haversine),
        "ExpressionsExplanation": dfv.explain([pl.col("x") * 2 + 1, pl.col("k")], frame, always=True),
        "QueryExplanation": dfv.explain(
            pl.LazyFrame({"x": [1.0]}).pipe(dfv.apply, haversine, lat1="x", lon1="x", lat2="x", lon2="x")
        ),
        "HealthReport": health,
        "KeyedState": dfv.run(frame, total, by="k").state,
        "Plugin": haversine,
        "PluginInfo": dfv.PluginInfo(name="a"),
        "PluginLibrary": dfv.PluginLibrary(Path("a.so"), {"haversine": haversine}, {"haversine": ()}),
        "PluginMetrics": manager.get_metrics("inverse"),
        "PluginResult": manager.process_record("inverse", {"x": 0.0}),
        "PluginState": dfv.PluginState.FAILED,
        "PluginType": dfv.PluginType.FILTER,
        "PoolStats": manager.get_memory_pool_stats(),
        "StreamResult": dfv.stream(frame, total).result,
        "SystemStatus": manager.get_system_status(),
        "Table": dfv.table(frame[:2], key="k", value="x"),
    }
    for name, kind in CLASSES.items():
        if issubclass(kind, (Exception, Warning)):
            made[name] = kind("it can't be")
        elif name.endswith("Config"):
            made[name] = kind()
    return made


@pytest.fixture(scope="module")
def made():
    return instances()


class Reader(pickle.Unpickler):
    """Reads a pickle, and notes the modules that it names."""

    def __init__(self, pickled: bytes) -> None:
        super().__init__(io.BytesIO(pickled))
        self.modules: set[str] = set()

    def find_class(self, module, name):
        self.modules.add(module)
        return super().find_class(module, name)


def test_all_are_looked_at(made):
    assert made.keys() | BOUND == CLASSES.keys()
    assert all(type(value) is CLASSES[name] for name, value in made.items())


@pytest.mark.parametrize("name", sorted(CLASSES.keys() - BOUND))
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_names_no_module_of_the_package(name, protocol, made):
    value = made[name]
    reader = Reader(pickle.dumps(value, protocol))
    again = reader.load()
    assert [module for module in reader.modules if module.startswith("dataflare_vec.")] == []
    assert type(again) is CLASSES[name]
    for other in (again, copy.copy(value)):
        assert repr(other) == repr(value)


def test_a_process_that_has_imported_nothing_reads_them(made, tmp_path):
    names = sorted(made)
    (tmp_path / "all").write_bytes(pickle.dumps([made[name] for name in names]))
    code = "import pickle, sys; print(*(type(one).__name__ for one in pickle.load(open(sys.argv[1], 'rb'))))"
    command = [sys.executable, "-c", code, str(tmp_path / "all")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == names


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_its_source_is_found(name):
    kind = CLASSES[name]
    assert f"class {name}" in inspect.getsource(kind)
    assert getattr(sys.modules[kind.__module__], name) is kind


def test_a_class_of_a_user_is_pickled_as_python_does_it():
    again = pickle.loads(pickle.dumps(Refusal("no", plugin="p")))
    assert type(again) is Refusal
    assert (str(again), again.plugin) == ("plugin `p`: no", "p")


class Refusal(dfv.PluginError):
    """A user's own."""
