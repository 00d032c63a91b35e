"""What kernels were compiled with: when it has changed since, and only then, they are compiled anew.

A compiled kernel holds the functions and the values there were when it was compiled; Python looks at them
whenever it comes by. So each call looks whether they are still the same: a cell of a notebook may be run
again, a module's setting changed, an array written to.
"""

from __future__ import annotations

import inspect
import struct
import sys
from contextlib import suppress
from dataclasses import fields, is_dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

from dataflare_vec.compiler.cache.fingerprint import NotCacheable, Reader, fingerprint
from dataflare_vec.compiler.native.numba import import_compiler
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.definition.plugin import Form, Plugin, plain
from dataflare_vec.definition.registry import on_redefined
from dataflare_vec.exceptions import PluginDefinitionError

if TYPE_CHECKING:
    from dataflare_vec.compiler.remembered import Derived


def check(plugin: Plugin) -> Derived:
    """Forget what was compiled of a plugin if something that it captures has changed.

    Returns
    -------
    Derived
        What is still good; another one than before if it was forgotten.

    Raises
    ------
    PluginDefinitionError
        If its own parameters have: they are bound as they were when it was registered.
    """
    known = remembered(plugin)
    captured = known.captured
    if captured is not None:
        if not captured.changed():
            return known.derived
        captured.recompile()
        known.forget()
        known.captured = Captured(plugin)
    else:
        known.captured = Captured(plugin)
        old, known.predecessor = known.predecessor, None
        if old is not None:
            _take_over(old, plugin)
    _check_parameters(plugin)
    return known.derived


def _follow(old: Plugin, new: Plugin) -> None:
    """Note whose kernels a plugin may have: those of the one that it replaces, or that one's predecessor."""
    if old is new:
        return
    before = remembered(old)
    remembered(new).predecessor = before.predecessor if before.captured is None else old


on_redefined.append(_follow)


def _check_parameters(plugin: Plugin) -> None:
    if not isinstance(plain(plugin.function), FunctionType):
        return
    now = inspect.signature(plain(plugin.function)).parameters
    for i, parameter in enumerate(plugin.parameters):
        if i == 0 and parameter.name == "self" and not parameter.is_column:
            continue  # the object of a plugin that is written as a class
        if parameter.name in now:
            default = now[parameter.name].default
            if _is_same(default, inspect.Parameter.empty if parameter.is_column else parameter.default):
                continue
        raise PluginDefinitionError(
            problem=f"parameter `{parameter.name}` of its function has changed since it was registered",
            plugin=plugin.name,
            parameter=parameter.name,
            hint="register it again, or bind the constant in the call",
        )


def _take_over(old: Plugin, new: Plugin) -> None:
    """Give a plugin the kernels of the one that it replaced, if they would be compiled to the same."""
    captured, before = remembered(old).captured, remembered(old).derived
    if captured is not None and not captured.changed() and _is_same(old, new):
        derived = remembered(new).derived
        derived.kernels.update(before.kernels)
        derived.answers, derived.is_told = before.answers, before.is_told


def _is_same(old: Any, new: Any) -> bool:
    """Whether two definitions, or values in them, can't be told apart by what is compiled of them."""
    if type(old) is not type(new):
        return False
    if is_dataclass(old):
        return all(_is_same(getattr(old, one.name), getattr(new, one.name)) for one in fields(old))
    if isinstance(old, (tuple, list)):
        return len(old) == len(new) and all(map(_is_same, old, new))
    if isinstance(old, dict):
        return list(old) == list(new) and all(map(_is_same, old.values(), new.values()))
    if isinstance(old, float):
        return struct.pack("d", old) == struct.pack("d", new)
    if hasattr(old, "tobytes"):
        return (old.dtype, old.shape, old.tobytes()) == (new.dtype, new.shape, new.tobytes())
    if isinstance(plain(old), FunctionType):
        try:
            return fingerprint(old) == fingerprint(new)
        except NotCacheable:
            return False
    return (old == new) is True  # an expression's `==` is another expression


class Captured:
    """What the functions of a plugin name outside of themselves, at one moment."""

    __slots__ = ("_form", "_reader", "_roots")

    def __init__(self, plugin: Plugin) -> None:
        functions = [plugin.function]
        if plugin.stateful is not None:
            functions += [plugin.stateful.merge, plugin.stateful.finish, plugin.stateful.block]
        self._roots = [one for one in functions if isinstance(plain(one), FunctionType)]
        self._form = plugin.form
        self._reader = self._look()

    def _look(self) -> Reader:
        if self._form is Form.EXPRESSION:  # Python asks it each time: only its parameters count
            reader = Reader()
            reader.reason = "not compiled"
            for root in self._roots:
                reader.watches.function(root)
            return reader
        reader = Reader(interpreted=self._form is Form.COLUMN)
        for root in self._roots:
            reader.root(root)
        return reader

    def changed(self) -> bool:
        """Whether something is another now. As long as it isn't, that takes some 30 ns for each name."""
        if not self._reader.watches.changed():
            return False
        before, now = self._reader, self._look()
        if before.reason is not None or now.reason is not None or before.found != now.found:
            return True
        self._reader = now  # the same again, as other objects: a cell was run twice
        return False

    def recompile(self) -> None:
        """Have what is compiled of them see what has changed, the innermost first."""
        if "dataflare_vec.compiler.jit.passes.calls" not in sys.modules:  # nothing was compiled yet
            return
        import_compiler()
        from dataflare_vec.compiler.jit.codegen.driver import compile_lock
        from dataflare_vec.compiler.jit.passes.calls import forget

        with compile_lock:  # a compilation under way may still read what was there before
            for one in reversed(self._reader.called):
                forget(one)
                if getattr(one, "overloads", None):
                    # Numba has compiled it for a call of the user's, or of a column kernel's. If it doesn't
                    # compile any more, the next such call will say so.
                    with suppress(Exception):
                        one.recompile()
