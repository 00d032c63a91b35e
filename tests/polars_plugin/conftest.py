"""Libraries are built on this kind of machine only; unless a test is about levels of processors, for one."""

import platform
import sys

import pytest


def pytest_collection_modifyitems(items):
    if _can_build():
        return
    skip = pytest.mark.skip(reason="native libraries are built on Linux on x86_64 only")
    for item in items:
        if "polars_plugin" in item.path.parts:
            item.add_marker(skip)


def _can_build():
    return sys.platform == "linux" and platform.machine() == "x86_64"


@pytest.fixture(autouse=True, scope="module")
def _lowest_level():
    if not _can_build():
        yield
        return
    from builds import lowest_level

    with lowest_level():
        yield


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Return the library of `built_kernels.BUILT`."""
    from builds import shared_library
    from built_kernels import BUILT

    return shared_library(tmp_path_factory, BUILT, "all")
