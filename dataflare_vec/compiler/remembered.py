"""What the engine remembers of a plugin: its kernels, its last calls, what its functions captured.

It lies in the plugin's ``__dict__`` beside the fields, where `functools.cached_property` also keeps what it
has computed, and not in a table with weak keys: kernels and plans refer to their plugin, so that such a table
would keep every plugin for ever. Here it goes with the plugin. It is no field: a copy by
`dataclasses.replace`, or one that comes out of a pickle, begins with nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from dataflare_vec._util import forks

if TYPE_CHECKING:
    from dataflare_vec.definition.plugin import Plugin

_PLACE = "_remembered"


class Derived:
    """What was derived from a plugin as long as nothing that it captures changes.

    Attributes
    ----------
    kernels : dict
        Prepared kernels, by the types of constants and columns.
    answers : Plugin or None
        Of a filter the plugin whose column is what it answers.
    is_told : bool
        Whether the user was warned that it runs in the interpreter.
    libraries : dict
        Native libraries, by what is bound to a column and by the types of constants and columns.
    """

    __slots__ = ("answers", "is_told", "kernels", "libraries")

    def __init__(self) -> None:
        self.kernels: dict[Any, Any] = {}
        self.answers: Plugin | None = None
        self.is_told = False
        self.libraries: dict[Any, Any] = {}


class Remembered:
    """What is known of one plugin. It lives as long as the plugin.

    Attributes
    ----------
    lock : RLock
        Held by the thread that compiles, so that others get the same kernel.
    calls : dict
        Its steps in the calls made lately, with their plans, by what is said in a call; see `bind_steps`.
    uses : dict
        Its uses in queries, by what they say of it; see `engine.execution.lazy`.
    captured : Captured or None
        What its functions named when kernels were compiled; see `hot_reload`.
    predecessor : Plugin or None
        The plugin of the same definition that it replaced, until that one's kernels were looked at.
    derived : Derived
        What `forget` forgets.
    """

    __slots__ = ("__weakref__", "calls", "captured", "derived", "lock", "predecessor", "uses")

    def __init__(self) -> None:
        self.calls: dict[Any, Any] = {}
        self.uses: dict[Any, Any] = {}
        self.captured: Any = None
        self.predecessor: Plugin | None = None
        self.derived = Derived()
        self.renew_after_fork()
        forks.renew_in_child(self)

    def forget(self) -> None:
        """Forget what was derived, because something that the plugin captures has changed.

        Other threads may be about to put something into what is here now: it gets a new place.
        """
        self.derived = Derived()
        self.calls.clear()
        self.uses.clear()

    def renew_after_fork(self) -> None:
        """Have a lock that no thread holds."""
        self.lock = threading.RLock()


def remembered(plugin: Plugin) -> Remembered:
    """Return what is remembered of a plugin."""
    known: Remembered | None = getattr(plugin, _PLACE, None)
    if known is None:  # of two threads one is first
        known = plugin.__dict__.setdefault(_PLACE, Remembered())
    return known
