"""Hypothesis profiles: a fast one for each run, a deep one by name (``--hypothesis-profile=deep``)."""

from __future__ import annotations

import platform

import pytest
from hypothesis import HealthCheck, settings

from dataflare_vec.engine import fast_path
from dataflare_vec.registry import default_registry

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # kernels compile
# The same examples on each run: a change is judged by what it changes. The deep profile searches.
settings.register_profile("fast", max_examples=20, derandomize=True, **_COMMON)
settings.register_profile("deep", max_examples=5_000, **_COMMON)
settings.load_profile("fast")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Keep compiled kernels for this session only: neither the user's cache nor one run's bugs are seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAFLARE_VEC_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _both_roads():
    """Let frames of some rows take the short road, and those of a few more the one with chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_path, "FEW_ROWS", 10)
        yield


@pytest.fixture(autouse=True, scope="module")
def _own_plugins():
    """Forget by which names a file's tests registered plugins: those of the next may use them too."""
    before = dict(default_registry._plugins)
    yield
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
        machine = llvm.Target.from_default_triple().create_target_machine(cpu=name, opt=3, jit=True)
        monkeypatch.setattr(cpu_target.target_context.codegen(), "_tm", machine)

    return choose


@pytest.fixture
def usual_processor(compile_for):
    """Compile for a usual processor of this architecture."""
    compile_for()
