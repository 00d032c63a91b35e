"""Plugins written as classes, as the guide's ``DataFlarePlugin`` and ``BatchPlugin`` are."""

from __future__ import annotations

import dis
import numbers
from collections import namedtuple
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition.plugin import Form, Parameter, Plugin, PluginInfo, PluginType, define
from dataflare_vec.exceptions import PluginDefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator


def is_class_plugin(target: object) -> bool:
    """Whether ``target`` is an object with a method ``process`` or ``process_batch``."""
    if isinstance(target, (type, Plugin)):
        return False
    return callable(getattr(target, "process", None)) or callable(getattr(target, "process_batch", None))


def define_class_plugin(target: Any, *, name: str | None = None, **about: Any) -> Plugin:
    """Make a plugin of an object.

    Parameters
    ----------
    target
        Has one or more of these methods:

        ``process(self, column, …, constant=…)``
            A row kernel. What it reads of ``self`` are numbers, booleans and tuples of these, of the object
            or its class, as they are when the plugin is registered: ``self`` is compiled in as a named
            tuple of them.
        ``process_batch(self, column, …, constant=…)``
            Instead of ``process``, a column kernel: arrays of a chunk in, an array out. Runs as Python.
        ``info(self)``
            Returns a `PluginInfo`.
        ``optimize_batch_size(self, current_size, latency, throughput)``
            Returns the rows of the next chunk.
    name
        By default that of its `PluginInfo`.
    about
        As in `define`; they win over `PluginInfo`.

    Raises
    ------
    PluginDefinitionError
        If it can't be a plugin.

    Examples
    --------
    >>> class Scaled:
    ...     def __init__(self, factor):
    ...         self.factor = factor
    ...
    ...     def process(self, value):
    ...         return value * self.factor
    ...
    ...     def info(self):
    ...         return PluginInfo(name="scaled")
    >>> define_class_plugin(Scaled(2.5))
    <row kernel `scaled(self=Scaled(factor=2.5), value)`>
    """
    info = _info_of(target)
    name = name or (info.name if info is not None else None)
    if name is None:
        raise PluginDefinitionError(
            problem=f"a plugin of class {type(target).__name__} needs a name",
            hint="give it a method `info` that returns a `PluginInfo`, or register it as "
            "`register_plugin(name, object)`",
        )
    if info is not None:
        own = {
            "plugin_type": info.plugin_type,
            "version": info.version,
            "description": info.description,
            "author": info.author,
        }
        about = {**own, **about}
    about.setdefault("plugin_type", PluginType.TRANSFORMER)
    about.setdefault("optimize_batch_size", getattr(target, "optimize_batch_size", None))
    by_row = callable(getattr(target, "process", None))
    method = getattr(target, "process" if by_row else "process_batch")
    form = Form.ROW if by_row else Form.COLUMN
    function = getattr(method, "__func__", method)
    plugin = define(function, name=name, form=form, **about)
    if function is method:  # a static method, or a function kept in an attribute
        return plugin
    _, *rest = plugin.parameters
    if not any(parameter.is_column for parameter in rest):
        hint = f"give `{method.__name__}` at least one parameter without default after `self`"
        raise PluginDefinitionError(problem="it reads no column", plugin=name, hint=hint)
    if not by_row:
        return replace(plugin, function=_Bound(method), parameters=tuple(rest))
    this = Parameter("self", is_column=False, default=_snapshot(name, target, function))
    return replace(plugin, parameters=(this, *rest))


class _Bound:
    """A bound method as the function of a column kernel."""

    def __init__(self, method: Any) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __call__(self, *args: Any) -> Any:
        return self._method(*args)


def _info_of(target: Any) -> PluginInfo | None:
    info = getattr(target, "info", None)
    if callable(info):
        info = info()
    if info is not None and not isinstance(info, PluginInfo):
        msg = f"`info` of a plugin of class {type(target).__name__} must return a PluginInfo, got {info!r}"
        raise PluginDefinitionError(msg, expected="a PluginInfo", got=repr(info))
    return info


def _snapshot(name: str, target: Any, process: Any) -> Any:
    """Return the attributes that compiled code can read, as a named tuple; None if there are none."""
    readable: dict[str, Any] = {}
    for attribute, value in _attributes(target):
        known = _readable(value)
        readable.pop(attribute, None)
        if known is not None and attribute.isidentifier() and not attribute.startswith("_"):
            readable[attribute] = known
    for attribute in _read_of_self(process):
        if attribute not in readable and hasattr(target, attribute):
            value = getattr(target, attribute)
            reason = type(value).__name__
            if _readable(value) is not None:
                reason = "starts with an underscore" if attribute.startswith("_") else "a property"
            raise PluginDefinitionError(
                problem=f"`{process.__name__}` reads `self.{attribute}` ({reason})",
                plugin=name,
                hint="compiled code reads only numbers, booleans and tuples of these of `self`, under public "
                "names",
            )
    if not readable:
        return None
    return namedtuple(type(target).__name__, readable)(**readable)


def _attributes(target: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that are no properties or methods; those that win come last."""
    for cls in reversed(type(target).__mro__):
        yield from vars(cls).items()
        for slot in (slots,) if isinstance(slots := vars(cls).get("__slots__", ()), str) else slots:
            if hasattr(target, slot):
                yield slot, getattr(target, slot)
    yield from getattr(target, "__dict__", {}).items()


def _read_of_self(process: Any) -> list[str]:
    """Return the attributes that a method reads of its first parameter."""
    code = getattr(process, "py_func", process).__code__
    this = code.co_varnames[0]
    found = []
    for before, instruction in pairwise(dis.get_instructions(code)):
        # Python 3.13 loads two in one, or stores one and loads the next.
        loaded = before.argval if isinstance(before.argval, tuple) else (before.argval,)
        if "LOAD_FAST" in before.opname and loaded[-1] == this:
            if instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                found.append(str(instruction.argval))
    return found


def _readable(value: object) -> Any:
    """Return a value as compiled code reads it; None if it can't. NumPy's scalars become Python's."""
    if isinstance(value, tuple):
        items = tuple(map(_readable, value))
        return items if items and None not in items else None
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (numbers.Integral, numbers.Real)) or type(value).__name__ in ("bool", "bool_"):
        return value.item() if hasattr(value, "item") else None
    return None
