"""The key of a kernel: a digest of everything its machine code depends on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_type_hints

import polars as pl

from dataflare_vec.binding import Column
from dataflare_vec.cache.entry import digest
from dataflare_vec.cache.environment import environment
from dataflare_vec.cache.fingerprint import fingerprint
from dataflare_vec.subclasses import shown_by
from dataflare_vec.values import is_named_tuple, read_annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflare_vec.binding import Binding


def key_of(binding: Binding, dtypes: Sequence[Any]) -> str:
    """Return the key of a plugin's kernel for columns of some types.

    Raises
    ------
    NotCacheable
        If it depends on something that can't be described.
    """
    plugin = binding.plugin
    left = iter(dtypes)
    inputs = [
        (repr(next(left)), item.parameter.nullable, _expected(item.parameter.expects), item.parameter.offsets)
        if isinstance(item, Column)
        else _constant(item.value)
        for item in binding.items
    ]
    state = None if plugin.stateful is None else _state(plugin.stateful.init)
    about = (plugin.returns, plugin.math, plugin.form.value, plugin.is_filter, state, pl.__version__)
    types = repr((inputs, *about))
    return digest(environment(), fingerprint(plugin.function), types.encode())


def part_of(key: str, what: str, function: Callable[..., Any]) -> str:
    """Return the key of another kernel of a plugin, which works on the state of the one with ``key``.

    Raises
    ------
    NotCacheable
        If it depends on something that can't be described.
    """
    return digest(key.encode(), what.encode(), fingerprint(function))


def _expected(kind: type | None) -> Any:
    """Return what a parameter is annotated as; of a named tuple its fields too."""
    if kind is None or not is_named_tuple(kind):
        return kind and kind.__name__
    hints = get_type_hints(kind)
    read = [read_annotation(hints.get(name)) for name in kind._fields]  # type: ignore[attr-defined]
    fields = [(nullable, _expected(expects)) for nullable, expects in read]
    return kind.__qualname__, kind._fields, fields  # type: ignore[attr-defined]


def _constant(value: Any) -> Any:
    """Return the type of a constant; named tuples are read by the names of their fields."""
    if isinstance(value, tuple):
        return type(value).__name__, getattr(value, "_fields", None), *map(_constant, value)
    if isinstance(value, str):
        return "str", value.isascii(), *sorted(shown_by(value))  # two types of strings
    if isinstance(value, Decimal):
        return "Decimal", value.as_tuple().exponent  # the scale is part of the type
    return type(value).__name__


def _state(value: Any) -> Any:
    """Return the structure of an initial state, and its types."""
    if isinstance(value, tuple):
        return type(value).__qualname__, getattr(value, "_fields", None), *map(_state, value)
    if hasattr(value, "dtype"):
        return "array", value.dtype.str, value.shape
    return type(value).__name__
