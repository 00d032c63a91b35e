"""Libraries are built on this kind of machine only."""

import platform
import sys

import pytest


def pytest_collection_modifyitems(items):
    if sys.platform == "linux" and platform.machine() == "x86_64":
        return
    skip = pytest.mark.skip(reason="native libraries are built on Linux on x86_64 only")
    for item in items:
        if "polars_plugin" in item.path.parts:
            item.add_marker(skip)
