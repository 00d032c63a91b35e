"""Hypothesis profiles: a fast one for each run, and by name one of few examples, and a deep one.

Examples are those of the day, and ``--hypothesis-seed`` repeats a day's. The deep profile takes each property
through round after round of examples, each of the next seed, until its share of ``--deep-minutes`` is spent.
"""

from __future__ import annotations

import datetime
import gc
import os
import platform
import sys
from contextlib import nullcontext
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, seed, settings

from dataflare_vec.definition.registry import default_registry

# `testing` is found in the checkout. Appended: where the library is installed, that is what is tested.
sys.path.append(str(Path(__file__).parent.parent))

from testing.oracle import in_chunks, shared_out

# Each kernel is compiled in the time of an example.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("fast", max_examples=20, **_COMMON)
settings.register_profile("few", max_examples=6, **_COMMON)  # with bounds checks, once more than "fast"
settings.register_profile("deep", max_examples=100, **_COMMON)  # of one round
settings.load_profile("fast")

#: Rounds of the deep profile, at most: 5,000 examples of each property.
_ROUNDS = 50
_SHARE = pytest.StashKey[float]()


def pytest_addoption(parser):
    parser.addoption(
        "--deep-minutes", type=float, default=60, help="what all properties of the deep profile take together"
    )


@pytest.hookimpl(tryfirst=True)  # Hypothesis reads the option in its own hook; workers of xdist are given it
def pytest_configure(config):
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = f"{datetime.date.today():%Y%m%d}"
    config.option.loadscopereorder = False  # files go to the workers as they are ordered below


#: Files of few tests that take a minute or more: at the end, one worker would wait for the other.
_FIRST = ("test_kills.py", "test_notebooks.py", "test_sources.py", "test_docs.py", "test_readme.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: _FIRST.index(item.path.name) if item.path.name in _FIRST else len(_FIRST))


def _seed_in_words(config):
    return f"hypothesis: the same examples again with --hypothesis-seed={config.option.hypothesis_seed}"


def pytest_report_header(config):
    return _seed_in_words(config)


def pytest_terminal_summary(terminalreporter, config):
    if terminalreporter.stats.get("failed"):
        terminalreporter.write_line(_seed_in_words(config))


def pytest_collection_finish(session):
    """Share out the time of the deep profile among the properties, which the workers run side by side."""
    if settings.get_current_profile_name() == "deep":
        properties = sum(is_hypothesis_test(getattr(item, "obj", None)) for item in session.items)
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        seconds = 60 * session.config.option.deep_minutes
        session.config.stash[_SHARE] = seconds * workers / max(1, properties)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Under the deep profile, run a property with seed after seed until its share of the time is spent."""
    config, test = pyfuncitem.config, pyfuncitem.obj
    if _SHARE not in config.stash or not is_hypothesis_test(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    first, stop = int(config.option.hypothesis_seed), monotonic() + config.stash[_SHARE]
    for number in range(first, first + _ROUNDS):
        try:
            seed(number)(getattr(test, "__func__", test))  # a method can't be given one
            test(**arguments)
        except BaseException:
            again = f"--hypothesis-profile=deep --hypothesis-seed={number}"
            pyfuncitem.add_report_section("call", "hypothesis", f"the same examples again with {again}")
            raise
        if monotonic() > stop:
            break
    return True


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Keep compiled kernels for this session only: neither the user's cache nor one run's bugs are seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAFLARE_VEC_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="module")
def _frozen_heap():
    """Let the collector look at what this file's tests make, not at what is there for good.

    What has been imported and compiled stays until the end, and grows: looking at all of it again and again
    took a twentieth of the time. Collections are as frequent as before.
    """
    gc.collect()  # of the file before: what is frozen is never collected
    gc.freeze()


_ROADS = {"fast path": nullcontext, "helpers": shared_out, "chunks": in_chunks}


@pytest.fixture(scope="module", params=_ROADS)
def all_roads(request):
    """Take tests through the fast path, where frames are small enough; through it with helpers; in chunks."""
    with _ROADS[request.param]():
        yield request.param


@pytest.fixture(autouse=True, scope="module")
def _own_plugins():
    """Forget by which names a file's tests registered plugins: those of the next may use them too."""
    before = dict(default_registry._plugins)
    yield
    default_registry.load_packs()  # a pack that a test has imported by hand isn't known as one before
    names = default_registry._from_packs & default_registry._plugins.keys()
    packs = {name: default_registry._plugins[name] for name in names}
    default_registry._plugins.clear()
    default_registry._plugins.update({**packs, **before})


#: What loops are compiled for where a test says what becomes of them. Not the processor at hand: that may
#: have instructions that others lack: one that reads a table with a vector of indexes, a fused multiply-add.
_USUAL = {"x86_64": "haswell", "AMD64": "haswell", "arm64": "apple-m1", "aarch64": "neoverse-n1"}


@pytest.fixture
def compile_for(monkeypatch):
    """Return what makes Numba compile for the named processor, by default a usual one of this architecture.

    What is compiled then is to be looked at: it may run on the processor at hand or not.
    """

    def choose(name=None):
        import llvmlite.binding as llvm
        from numba.core.registry import cpu_target

        name = name or _USUAL.get(platform.machine())
        if name is None:
            pytest.skip("what a usual processor of this architecture vectorises isn't known")
        codegen = cpu_target.target_context.codegen()  # LLVM knows of targets from now on
        machine = llvm.Target.from_default_triple().create_target_machine(cpu=name, opt=3, jit=True)
        monkeypatch.setattr(codegen, "_tm", machine)

    return choose


@pytest.fixture
def usual_processor(compile_for):
    """Compile for a usual processor of this architecture."""
    compile_for()
