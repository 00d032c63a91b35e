"""Name → plugin. Packs of other packages are found by the entry point ``dataflare_vec.plugins``."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from dataflare_vec._util import forks
from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.config.settings import check_flag
from dataflare_vec.definition.plugin import Plugin
from dataflare_vec.definition.stack_level import Place, is_autoreload, place_of, warn
from dataflare_vec.exceptions import DuplicatePluginError, PluginNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

#: Called with the old and the new plugin when a definition is run again.
on_redefined: list[Callable[[Plugin, Plugin], None]] = []

ENTRY_POINT_GROUP = "dataflare_vec.plugins"


class Registry:
    """The plugins known by name.

    A pack's module is imported only when a name is asked for that isn't registered, or all are listed.
    An entry point names a module (or an object in it); importing it registers its plugins. A pack that can't
    be imported is told once, and there are the others' plugins.

    Nothing is imported under a lock of the registry's: a thread that imports a pack holds Python's lock of
    its module while the plugins are registered, and would wait for one that holds the registry and waits for
    that module.

    Parameters
    ----------
    parent
        Asked for names that aren't registered here, packs included.
    """

    def __init__(self, parent: Registry | None = None) -> None:
        self._parent = parent
        self._plugins: dict[str, Plugin] = {}
        self._places: WeakKeyDictionary[Plugin, Place] = WeakKeyDictionary()
        # What a name was before a module was reloaded: the user may have imported it from there.
        self._followers: dict[str, WeakSet[Plugin]] = {}
        self.renew_after_fork()
        forks.renew_in_child(self)
        self._packs_loaded = False
        self._loading = _Loading()
        self._packs: set[str] = set()
        self._failed: dict[str, BaseException] = {}  # why packs couldn't be imported
        self._from_packs: set[str] = set()

    def renew_after_fork(self) -> None:
        """Have a lock that no thread holds: an RLock that is free can't be told from one that is lost."""
        self._lock = threading.RLock()

    def add(self, plugin: Plugin, *, replace: bool = False) -> None:
        """Register ``plugin`` under its name.

        A user's plugin takes the place of a pack's, whichever comes first: packs are imported at some time
        that the user doesn't see, so the result must not depend on it. So does a definition that is run
        again: in a cell of a notebook or at a prompt, in a module that is reloaded, in a script. If nothing
        in it has changed it keeps what was compiled.

        Raises
        ------
        DuplicatePluginError
            If the name is taken and ``replace`` is false.
        """
        check_flag("replace", replace)
        name, place = plugin.name, place_of(plugin)
        loads = self._loading.replaced is not None
        with self._lock:
            before = self._plugins.get(name)
            is_again = before is not None and not loads and self._places[before].is_again(place)
            if before is not None and is_again:
                for tell in on_redefined:
                    tell(before, plugin)
                if is_autoreload():
                    followers = self._followers.setdefault(name, WeakSet())
                    followers.add(before)
                    for follower in followers:
                        _redefine(follower, plugin)
            elif before is not None and not replace and name not in self._from_packs:
                if loads:  # the user's, or an earlier pack's
                    if _pack_of(before) in self._packs:
                        msg = (
                            f"plugin `{name}` of pack `{_pack_of(plugin)}` is shadowed by the one "
                            f"of pack `{_pack_of(before)}`, which was found first; pass the plugin itself "
                            "instead of its name, or register it under another"
                        )
                        warnings.warn(msg, UserWarning, stacklevel=2)
                    return
                raise DuplicatePluginError(
                    problem=f"it is already registered as {before!r}",
                    plugin=name,
                    hint="choose another name, or pass `replace=True`\n"
                    f"  registered: {self._places[before]}\n  to be registered: {place}",
                )
            if not is_again:
                self._from_packs.discard(name)
                self._followers.pop(name, None)
            if self._loading.replaced is not None:
                self._loading.replaced.append((plugin, before))
            self._plugins[name] = plugin
            self._places[plugin] = place

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
            hint = near_matches(name, names)
            for pack, error in self._failed_packs().items():
                hint += f"\n  pack `{pack}` can't be imported: {_short(error)}"
            raise PluginNotFoundError(plugin=name, hint=hint)
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
        raise PluginNotFoundError(
            problem=f"a plugin is given by its name or as a registered plugin, got {type(plugin).__name__}",
            got=type(plugin).__name__,
            hint="register a function first, with `@dfv.plugin` or `dfv.register(name, function)`",
        )

    def remove(self, name: str) -> None:
        """Forget the plugin called ``name``; a parent's of that name is seen again.

        Raises
        ------
        PluginNotFoundError
            If there is none, or it is the parent's.
        """
        plugin = self.get(name)  # outside of the lock: it may import the packs
        with self._lock:
            if self._plugins.pop(name, None) is None:
                raise PluginNotFoundError(
                    problem=f"plugin `{name}` isn't registered here but in the default registry, as "
                    f"{plugin!r}",
                    plugin=name,
                    hint="`disable` keeps it from running",
                )

    def all(self) -> list[Plugin]:
        """Return all plugins by name, those of installed packs too."""
        self.load_packs()
        inherited = {} if self._parent is None else {plugin.name: plugin for plugin in self._parent.all()}
        return [plugin for _, plugin in sorted({**inherited, **self._plugins}.items())]

    def is_of_pack(self, plugin: Plugin) -> bool:
        """Whether a plugin is registered here, by a pack that is installed."""
        return self._plugins.get(plugin.name) is plugin and plugin.name in self._from_packs

    def load_packs(self) -> None:
        """Import the installed packs, once."""
        if self._parent is not None:
            self._parent.load_packs()
            return
        if self._packs_loaded or self._loading.replaced is not None:
            return
        from importlib.metadata import entry_points

        failed = [
            pack
            for entry_point in entry_points(group=ENTRY_POINT_GROUP)
            if (pack := _name_of(entry_point)) not in self._failed and not self._load(pack, entry_point)
        ]
        with self._lock:
            # By module: a pack may have been imported before, by hand.
            self._from_packs |= {
                name for name, plugin in self._plugins.items() if _pack_of(plugin) in self._packs
            }
            self._packs_loaded = True
        for pack in failed:
            warn(
                f"the plugins of pack `{pack}`, which is installed, are missing, since it can't be imported: "
                f"{_short(self._failed[pack])}; import it yourself to see the traceback, then fix or "
                "uninstall it",
                UserWarning,
            )

    def _load(self, pack: str, entry_point: EntryPoint) -> bool:
        """Import a pack; return false if it can't be imported, and nobody has said so yet."""
        replaced: list[tuple[Plugin, Plugin | None]] = []
        self._loading.replaced = replaced
        try:
            entry_point.load()
        except BaseException as error:
            with self._lock:
                for plugin, before in reversed(replaced):  # half a pack is none
                    if self._plugins.get(plugin.name) is plugin:
                        del self._plugins[plugin.name]
                        if before is not None:
                            self._plugins[plugin.name] = before
                if isinstance(error, KeyboardInterrupt):
                    raise
                return self._failed.setdefault(pack, error.with_traceback(None)) is not error
        finally:
            self._loading.replaced = None
        with self._lock:
            self._packs.add(entry_point.module.partition(".")[0])
        return True

    def _failed_packs(self) -> dict[str, BaseException]:
        return self._failed if self._parent is None else self._parent._failed_packs()


class _Loading(threading.local):
    """What a thread that imports packs has registered, with what was there before; None if it doesn't."""

    replaced: list[tuple[Plugin, Plugin | None]] | None = None


def _redefine(old: Plugin, new: Plugin) -> None:
    """Have those who hold ``old`` see ``new``, as autoreload does with functions, at one stroke."""
    object.__setattr__(old, "__dict__", vars(replace(new)))


def _name_of(entry_point: EntryPoint) -> str:
    distribution = getattr(entry_point, "dist", None)
    return entry_point.value + ("" if distribution is None else f" ({distribution.name})")


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _pack_of(plugin: Plugin) -> str:
    return plugin.__module__.partition(".")[0]


#: The registry of the decorators and of `dataflare_vec.apply`.
default_registry = Registry()
