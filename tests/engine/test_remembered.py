"""A plugin is its definition; what the engine remembers of it lies beside, and goes with it."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import threading
import weakref
from dataclasses import FrozenInstanceError, fields, replace

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.definition.plugin import Plugin

FRAME = pl.DataFrame({"x": [1.0, 2.0]})


def made(name):
    """Return a plugin that was run, and that names itself."""

    def function(x):
        return x * 2.0

    plugin = dfv.register(name, function, replace=True)
    function.__dict__["plugin"] = plugin
    assert FRAME.pipe(dfv.apply, plugin)[name].to_list() == [2.0, 4.0]
    return plugin


@pytest.mark.parametrize("name", [field.name for field in fields(Plugin)])
def test_no_field_can_be_changed(name):
    plugin = made("frozen")
    before = getattr(plugin, name)
    with pytest.raises(FrozenInstanceError):
        setattr(plugin, name, None)
    FRAME.pipe(dfv.apply, plugin)
    assert getattr(plugin, name) is before


def test_what_is_remembered_goes_with_the_plugin():
    plugin = made("dropped")
    known = remembered(plugin)
    assert known.derived.kernels
    assert known.calls
    gone = weakref.ref(plugin), weakref.ref(known)
    from dataflare_vec.definition.registry import default_registry

    default_registry.remove("dropped")
    del plugin, known
    gc.collect()
    assert [one() for one in gone] == [None, None]


@pytest.mark.parametrize("copied", [replace, lambda plugin: pickle.loads(pickle.dumps(plugin))])
def test_another_plugin_begins_with_nothing(copied):
    plugin = made("another")
    other = copied(plugin)
    assert other is not plugin
    assert not remembered(other).derived.kernels
    assert FRAME.pipe(dfv.apply, other)["another"].to_list() == [2.0, 4.0]


def test_a_copy_is_the_plugin():
    plugin = made("copied")
    assert copy.copy(plugin) is plugin
    assert copy.deepcopy([plugin])[0] is plugin


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_child_gets_a_free_lock_of_a_plugin_that_another_thread_compiles():
    plugin = made("forked")
    held, done = threading.Event(), threading.Event()

    def hold():
        with remembered(plugin).lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if not child:
        os._exit(0 if remembered(plugin).lock.acquire(timeout=5) else 1)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
