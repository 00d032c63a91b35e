"""Name → plugin. Packs of other packages are found by the entry point ``dataflare_vec.plugins``."""

from __future__ import annotations

import os
import threading
import warnings
from typing import Any

from dataflare_vec.config import check_flag
from dataflare_vec.definition import Plugin
from dataflare_vec.errors import DuplicatePluginError, PluginNotFoundError
from dataflare_vec.hints import near_matches
from dataflare_vec.origin import is_edit

ENTRY_POINT_GROUP = "dataflare_vec.plugins"


class Registry:
    """The plugins known by name.

    A pack's module is imported only when a name is asked for that isn't registered, or all are listed.
    An entry point names a module (or an object in it); importing it registers its plugins.

    Parameters
    ----------
    parent
        Asked for names that aren't registered here, packs included.
    """

    def __init__(self, parent: Registry | None = None) -> None:
        self._parent = parent
        self._plugins: dict[str, Plugin] = {}
        self._lock = threading.RLock()
        self._packs_loaded = False
        self._loading_packs = False
        self._packs: set[str] = set()
        self._from_packs: set[str] = set()

    def add(self, plugin: Plugin, *, replace: bool = False) -> None:
        """Register ``plugin`` under its name.

        A user's plugin takes the place of a pack's, whichever comes first: packs are imported at some time
        that the user doesn't see, so the result must not depend on it. So does a definition that is run again
        in a cell of a notebook, or at a prompt; if nothing in it has changed it keeps what was compiled.

        Raises
        ------
        DuplicatePluginError
            If the name is taken and ``replace`` is false.
        """
        check_flag("replace", replace)
        name = plugin.name
        with self._lock:
            before = self._plugins.get(name)
            if before is not None and is_edit(before, plugin):
                plugin.predecessor[:] = [before] if before.captured else before.predecessor
            elif before is not None and not replace and name not in self._from_packs:
                if self._loading_packs:  # the user's, or an earlier pack's
                    if _pack_of(before) in self._packs:
                        msg = (
                            f"plugin `{name}` of pack `{_pack_of(plugin)}` is hidden by that of "
                            f"`{_pack_of(before)}`, which was found first; pass the plugin itself instead of "
                            "its name, or register it under another"
                        )
                        warnings.warn(msg, UserWarning, stacklevel=2)
                    return
                msg = (
                    f"plugin `{name}` is registered already, as {before!r}; "
                    "choose another name, or pass `replace=True`"
                )
                raise DuplicatePluginError(msg)
            self._from_packs.discard(name)
            self._plugins[name] = plugin

    def get(self, name: str) -> Plugin:
        """Return the plugin called ``name``.

        Raises
        ------
        PluginNotFoundError
            If there is none; the message has the nearest names.
        """
        plugin = self.find(name)
        if plugin is None:
            names = [known.name for known in self.all()]
            msg = f"there is no plugin `{name}`; {near_matches(name, names)}"
            raise PluginNotFoundError(msg)
        return plugin

    def find(self, name: str) -> Plugin | None:
        """Return the plugin called ``name``, None if there is none."""
        plugin = self._plugins.get(name)
        if plugin is None:
            if self._parent is not None:
                return self._parent.find(name)
            self.load_packs()
            plugin = self._plugins.get(name)
        return plugin

    def own_names(self) -> list[str]:
        """Return the names registered here, not those of the parent or of packs not yet imported."""
        return sorted(self._plugins)

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
        """Forget the plugin called ``name``; a parent's of that name is seen again.

        Raises
        ------
        PluginNotFoundError
            If there is none, or it is the parent's.
        """
        with self._lock:
            if name not in self._plugins:
                plugin = self.get(name)
                if self._parent is not None:
                    msg = (
                        f"plugin `{name}` isn't registered here but in the default registry, as {plugin!r}; "
                        "`disable` keeps it from running"
                    )
                    raise PluginNotFoundError(msg)
            del self._plugins[name]

    def all(self) -> list[Plugin]:
        """Return all plugins by name, those of installed packs too."""
        self.load_packs()
        inherited = {} if self._parent is None else {plugin.name: plugin for plugin in self._parent.all()}
        return [plugin for _, plugin in sorted({**inherited, **self._plugins}.items())]

    def load_packs(self) -> None:
        """Import the installed packs, once."""
        if self._parent is not None:
            self._parent.load_packs()
            return
        with self._lock:
            if self._packs_loaded:
                return
            self._packs_loaded = True
            from importlib.metadata import entry_points

            self._loading_packs = True
            try:
                for entry_point in entry_points(group=ENTRY_POINT_GROUP):
                    entry_point.load()
                    self._packs.add(entry_point.module.partition(".")[0])
            finally:
                self._loading_packs = False
            # By module: a pack may have been imported before, by hand.
            self._from_packs |= {
                name for name, plugin in self._plugins.items() if _pack_of(plugin) in self._packs
            }


def _pack_of(plugin: Plugin) -> str:
    return plugin.__module__.partition(".")[0]


def _after_fork() -> None:
    # Another thread may have held it; an RLock that no thread holds can't be told from one that is lost.
    default_registry._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

#: The registry of the decorators and of `dataflare_vec.apply`.
default_registry = Registry()
