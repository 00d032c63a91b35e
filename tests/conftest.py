"""Hypothesis profiles: a fast one for each run, a deep one by name (``--hypothesis-profile=deep``)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from dataflare_vec.engine import small

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # kernels compile
# The same examples on each run: a change is judged by what it changes. The deep profile searches.
settings.register_profile("fast", max_examples=25, derandomize=True, **_COMMON)
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
        patch.setattr(small, "SMALL", 10)
        yield
