"""Plugins in pickles: by name where they can be imported, else with their functions.

A plugin hides its function: where its module should have the function, it has the plugin. So Python can't
pickle the function by name, and pickles the plugin instead. What has no importable home, above all what is
defined in a notebook or a script, goes with all that it names, by cloudpickle.
"""

from __future__ import annotations

import copyreg
import pickle
import sys
import threading
from dataclasses import fields
from functools import lru_cache
from importlib import import_module
from typing import Any

from dataflare_vec._util.public_pickles import in_package
from dataflare_vec.definition.plugin import Plugin, plain
from dataflare_vec.definition.registry import default_registry
from dataflare_vec.exceptions import PluginNotFoundError

#: What a worker has under these names is another program.
_PROGRAMS = ("__main__", "__mp_main__")
#: Plugins that one process keeps of those that it has got: each is compiled once, however often it comes.
_KEPT = 256

_within = threading.local()


def _reduce(plugin: Plugin) -> tuple[Any, ...]:
    """Return how a plugin is made anew, in the words of `pickle`."""
    names = (getattr(plain(plugin.function), "__qualname__", plugin.name), plugin.name)
    for name in names:
        if _look_up(plugin.__module__, name) is plugin:
            return _imported_plugin, (plugin.__module__, name)
    if default_registry.is_of_pack(plugin):
        return _plugin_of_pack, (plugin.name,)
    if getattr(_within, "is_by_value", False):
        # Made before it is filled: its function may name it.
        return _empty, (), _definition(plugin), None, None, _fill
    _within.is_by_value = True
    try:
        return _by_value, (cloudpickle().dumps(plugin),)
    except Exception as error:
        from pickle import PicklingError

        msg = (
            f"plugin `{plugin.name}` can't be pickled: {error}; everything its function refers to is "
            f"pickled with it, because other processes can't import it from `{plugin.__module__}` as "
            f"`{names[0]}`; define it at the top level of a module to pickle it by reference"
        )
        raise PicklingError(msg) from error
    finally:
        _within.is_by_value = False


copyreg.pickle(Plugin, _reduce)


def cloudpickle() -> Any:
    """Return cloudpickle, with what the user has told it; else the copy that Numba brings."""
    try:
        import cloudpickle
    except ImportError:
        import_module("dataflare_vec.compiler.jit")  # Numba's door: see `native.numba`
        return import_module("numba.cloudpickle")
    return cloudpickle


def _is_importable(module: str) -> bool:
    """Whether another process can import a module, and the user hasn't told cloudpickle not to."""
    cloudpickle = sys.modules.get("cloudpickle")
    by_value = () if cloudpickle is None else cloudpickle.list_registry_pickle_by_value()
    parents = {module[:end] for end, sign in enumerate(f"{module}.") if sign == "."}
    return module not in _PROGRAMS and parents.isdisjoint(by_value)


def _look_up(module: str, name: str) -> Any:
    """Return what an imported module has under a qualified name; None if it has nothing there."""
    found: Any = sys.modules.get(module) if _is_importable(module) else None
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _definition(plugin: Plugin) -> dict[str, Any]:
    """Return the fields of a plugin that define it."""
    definition = {one.name: getattr(plugin, one.name) for one in fields(Plugin)}
    # Of a renamed copy: where its function should be there is the plugin that it is a copy of.
    function = plain(plugin.function)
    name = getattr(function, "__qualname__", "")
    hiding = _look_up(getattr(function, "__module__", None) or "", name)
    if isinstance(hiding, Plugin) and hiding is not plugin and hiding.function is plugin.function:
        definition["function"] = _Hidden(hiding)
    return definition


class _Hidden:
    """The function of another plugin."""

    def __init__(self, plugin: Plugin) -> None:
        self.plugin = plugin


def _empty() -> Plugin:
    return Plugin.__new__(Plugin)


def _fill(plugin: Plugin, definition: dict[str, Any]) -> None:
    function = definition["function"]
    if isinstance(function, _Hidden):
        function = function.plugin.function
    for name, value in {**definition, "function": function}.items():
        object.__setattr__(plugin, name, value)
    plugin.__post_init__()


@lru_cache(_KEPT)
def _by_value(pickled: bytes) -> Plugin:
    plugin: Plugin = pickle.loads(pickled)
    return plugin


@in_package
def _plugin_of_pack(name: str) -> Plugin:
    return default_registry.get(name)


@in_package
def _imported_plugin(module: str, name: str) -> Plugin:
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, Plugin):
        msg = f"a pickle holds plugin `{name}` of module `{module}`, which has no plugin of that name here"
        raise PluginNotFoundError(msg, plugin=name)
    return found
