"""Live editing: kernels of ``__main__`` are compiled anew when what they hold has changed, and only then.

A compiled kernel holds the helpers and the global values there were when it was compiled. In a module they
stay; in a notebook, or at a prompt, they don't: any cell may be run again.
"""

from __future__ import annotations

from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from dataflare_vec.cache.fingerprint import NotCacheable, fingerprint
from dataflare_vec.definition import Plugin, plain
from dataflare_vec.native.numba import import_compiler

if TYPE_CHECKING:
    from collections.abc import Iterator


def check(plugin: Plugin) -> None:
    """Forget the kernels of a plugin of ``__main__`` if something that they hold has changed."""
    if plugin.captured:
        if plugin.captured[0].changed():
            plugin.captured[0].recompile()
            for kept in (plugin.kernels, plugin.last_plan, plugin.interpreted):
                kept.clear()
            plugin.captured[:] = [Captured(plugin.function)]
    elif getattr(plain(plugin.function), "__module__", None) == "__main__":
        plugin.captured.append(Captured(plugin.function))
        if plugin.predecessor:
            _take_over(plugin.predecessor.pop(), plugin)


def _take_over(old: Plugin, new: Plugin) -> None:
    """Give a plugin the kernels of the one that it replaced, if they would be compiled to the same."""
    told = ("form", "parameters", "returns", "math", "fallback", "is_filter")
    if not old.captured or any(getattr(old, name) != getattr(new, name) for name in told):
        return
    before = old.captured[0].fingerprint
    if before is not None and before == new.captured[0].fingerprint:
        new.kernels.update(old.kernels)
        new.interpreted.extend(old.interpreted)


class Captured:
    """What a function names outside of itself, at one moment.

    Attributes
    ----------
    fingerprint : bytes or None
        Of the function with all that it names; None if it can't be described.
    """

    __slots__ = ("_entries", "_function", "_helpers", "fingerprint")

    def __init__(self, function: Any) -> None:
        self._function = function
        self.fingerprint = _fingerprint(function)
        self._look()

    def _look(self) -> None:
        helpers: list[Any] = [self._function]
        self._entries: list[tuple[dict[str, Any], str, Any]] = []
        for one in helpers:
            for namespace, name in _names_of(plain(one)):
                value = namespace[name]
                self._entries.append((namespace, name, value))
                if isinstance(value, Plugin):
                    value = value.function
                if _is_helper(value) and not any(one is value for one in helpers):
                    helpers.append(value)
        self._helpers = helpers

    def changed(self) -> bool:
        """Whether something is another now. As long as it isn't, that takes some 30 ns for each name."""
        for namespace, name, value in self._entries:
            if namespace.get(name) is not value:
                break
        else:
            return False
        if self.fingerprint is None or _fingerprint(self._function) != self.fingerprint:
            return True
        self._look()  # the same again, as other objects: a cell was run twice
        return False

    def recompile(self) -> None:
        """Have what is compiled of them see what has changed, the innermost first."""
        if len(self._helpers) > 1 or hasattr(self._function, "py_func"):
            import_compiler()
            from dataflare_vec.jit.rewrite import forget

            for helper in reversed(self._helpers):
                forget(helper)
                if hasattr(helper, "py_func"):
                    helper.recompile()


def _is_helper(value: Any) -> bool:
    """Whether it is compiled with kernels, and what it names may change; plain functions of modules stay."""
    is_own = isinstance(value, FunctionType) and value.__module__ == "__main__"
    return is_own or hasattr(value, "py_func")


def _fingerprint(function: Any) -> bytes | None:
    try:
        return fingerprint(function)
    except NotCacheable:
        return None


def _names_of(function: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the globals that a function names, and the compiled functions that it names of modules."""
    if not hasattr(function, "__globals__"):
        return
    namespace = function.__globals__
    names = dict.fromkeys(_all_names(function.__code__))
    for name in names:
        if name in namespace:
            yield namespace, name
            if isinstance(namespace[name], ModuleType):
                inside = vars(namespace[name])
                yield from ((inside, one) for one in names if hasattr(inside.get(one), "py_func"))


def _all_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_names(constant)
