"""Name → plugin. Packs of other packages are found by the entry point ``dataflare_vec.plugins``."""

from __future__ import annotations

import difflib
import threading
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition import Plugin
from dataflare_vec.errors import DuplicatePluginError, PluginNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

ENTRY_POINT_GROUP = "dataflare_vec.plugins"


def near_matches(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: names like ``name``, or some of those there are."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(f'`{n}`' for n in near)}?"
    if not names:
        return "there are none"
    shown = ", ".join(f"`{n}`" for n in names[:10])
    return f"there are {shown}" + (f" and {len(names) - 10} more" if len(names) > 10 else "")


class Registry:
    """The plugins known by name.

    A pack's module is imported only when a name is asked for that isn't registered, or all are listed.
    An entry point names a module (or an object in it); importing it registers its plugins.
    """

    def __init__(self) -> None:
        self._plugins: dict[str, Plugin] = {}
        self._lock = threading.RLock()
        self._packs_loaded = False

    def add(self, plugin: Plugin, *, replace: bool = False) -> None:
        """Register ``plugin`` under its name.

        Raises
        ------
        DuplicatePluginError
            If the name is taken and ``replace`` is false.
        """
        with self._lock:
            if plugin.name in self._plugins and not replace:
                msg = (
                    f"plugin `{plugin.name}` is registered already, as {self._plugins[plugin.name]!r}; "
                    "choose another name, or pass `replace=True`"
                )
                raise DuplicatePluginError(msg)
            self._plugins[plugin.name] = plugin

    def get(self, name: str) -> Plugin:
        """Return the plugin called ``name``.

        Raises
        ------
        PluginNotFoundError
            If there is none; the message has the nearest names.
        """
        plugin = self._plugins.get(name)
        if plugin is None:
            self.load_packs()
            plugin = self._plugins.get(name)
        if plugin is None:
            msg = f"there is no plugin `{name}`; {near_matches(name, self._plugins)}"
            raise PluginNotFoundError(msg)
        return plugin

    def resolve(self, plugin: Any) -> Plugin:
        """Return the plugin meant by a name or a plugin object."""
        if isinstance(plugin, Plugin):
            return plugin
        if isinstance(plugin, str):
            return self.get(plugin)
        msg = (
            f"a plugin is named by a string or is a registered plugin, got {type(plugin).__name__}; "
            "register a function first, with `@dfv.plugin` or `dfv.register(name, function)`"
        )
        raise PluginNotFoundError(msg)

    def remove(self, name: str) -> None:
        """Forget the plugin called ``name``."""
        with self._lock:
            self.get(name)
            del self._plugins[name]

    def all(self) -> list[Plugin]:
        """Return all plugins by name, those of installed packs too."""
        self.load_packs()
        return [plugin for _, plugin in sorted(self._plugins.items())]

    def load_packs(self) -> None:
        """Import the installed packs, once."""
        with self._lock:
            if self._packs_loaded:
                return
            self._packs_loaded = True
            from importlib.metadata import entry_points

            for entry_point in entry_points(group=ENTRY_POINT_GROUP):
                entry_point.load()


#: The registry of the decorators and of `dataflare_vec.apply`.
default_registry = Registry()
