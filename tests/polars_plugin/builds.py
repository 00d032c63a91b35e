"""Libraries that several test files use: each is built once in a session, whichever worker asks first."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import replace

import pytest

import dataflare_vec as dfv
from dataflare_vec.polars_plugin import per_machine
from dataflare_vec.polars_plugin.build import wanted_plugins
from dataflare_vec.polars_plugin.library import PluginLibrary
from dataflare_vec.polars_plugin.targets import TARGETS, this_machine

HERE = TARGETS[this_machine()] if this_machine() in TARGETS else None


@contextmanager
def levels(*names):
    """Build for some levels of this machine's processors only: each has code of its own, which takes time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TARGETS, HERE.name, replace(HERE, levels={name: HERE.levels[name] for name in names}))
        yield


@contextmanager
def lowest_level():
    """Build for the level that a library needs; `native=True` still builds for the processor at hand."""
    per_machine._this_processor()  # which it remembers
    with levels(HERE.lowest):
        yield


def shared_library(tmp_path_factory, wanted, name):
    """Return a library of some plugins, built by this worker or another one."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = root / name
        if not folder.exists():
            with lowest_level():
                return dfv.build(wanted, output=folder, name=name)
    (path,) = folder.glob("*.so")
    plugins = wanted_plugins(wanted)
    by_name = {plugin.name: plugin for plugin in plugins}
    return PluginLibrary(path, by_name, {plugin.name: schemas for plugin, schemas in plugins.items()})
