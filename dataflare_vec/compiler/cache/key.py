"""The key of a kernel: a digest of everything its machine code depends on."""

from __future__ import annotations

from datetime import datetime, time, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec.compiler.cache.entry import digest
from dataflare_vec.compiler.cache.environment import environment
from dataflare_vec.compiler.cache.fingerprint import NotCacheable, fingerprint
from dataflare_vec.definition.annotations import fields_of, is_named_tuple
from dataflare_vec.definition.binding import Column
from dataflare_vec.definition.text_subclasses import shown_by

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflare_vec.compiler.cache.entry import Entry
    from dataflare_vec.definition.binding import Binding

_log = get_logger(__name__)


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
        (
            _column(next(left)),
            item.parameter.nullable,
            _expected(item.parameter.expects),
            item.parameter.offsets,
        )
        if isinstance(item, Column)
        else (_constant(item.value) if item.table is None else item.table.signature.described())
        for item in binding.items
    ]
    state: Any = None
    if plugin.stateful is not None:
        containers = [(name, one.described) for name, one in plugin.stateful.containers.items()]
        state = _state(plugin.stateful.init), containers
    about = (
        plugin.returns,
        plugin.result,
        plugin.math,
        plugin.form.value,
        plugin.is_filter,
        plugin.is_exploder,
        state,
        pl.__version__,
    )
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


def kernel_key(binding: Binding, dtypes: Sequence[Any]) -> str | None:
    """Return the key as `key_of` does, None if there is none."""
    try:
        return key_of(binding, dtypes)
    except NotCacheable as reason:
        _log.debug("`%s`: isn't kept in the cache: %s", binding.plugin.name, reason)
        return None


def key_of_all(binding: Binding, dtypes: Sequence[Any]) -> str | None:
    """Return the key of a plugin's kernel with its ``merge`` and ``finish``, None if there is none."""
    plugin, key = binding.plugin, kernel_key(binding, dtypes)
    for what in () if plugin.stateful is None else ("merge", "finish"):
        function = getattr(plugin.stateful, what)
        if key is None or function is None:
            continue
        try:
            key = part_of(key, what, function)
        except NotCacheable as reason:
            _log.debug("`%s`: `%s` isn't kept in the cache: %s", plugin.name, what, reason)
            return None
    return key


def part_key(of: Entry, name: str, what: str, function: Callable[..., Any]) -> str | None:
    """Return the key of ``what`` of plugin ``name`` as `part_of` does, None if there is none any more."""
    try:
        return part_of(of.key, what, function) if of.is_current() else None
    except NotCacheable as reason:
        _log.debug("`%s`: `%s` isn't kept in the cache: %s", name, what, reason)
        return None


def _column(dtype: Any) -> Any:
    """Return a column's dtype, with the edition of its time zone."""
    zone = getattr(dtype, "time_zone", None)
    if zone is None:
        return repr(dtype)
    from dataflare_vec.definition.zones import UnknownZoneError, tzinfo_named

    try:
        return repr(dtype), _zone(tzinfo_named(zone))
    except UnknownZoneError:  # of a column that is read as integers
        return repr(dtype)


def _zone(value: Any) -> str:
    """Return what tells a time zone from others.

    Raises
    ------
    NotCacheable
        If that isn't known.
    """
    from dataflare_vec.definition.zones import UnknownZoneError, zone_key

    try:
        return zone_key(value)
    except UnknownZoneError as error:
        raise NotCacheable(str(error)) from None


def _expected(kind: Any) -> Any:
    """Return what a parameter is annotated as; of a named tuple its fields too."""
    if not is_named_tuple(kind):
        return str(kind)
    fields = [(name, nullable, _expected(expects)) for name, nullable, expects in fields_of(kind)]
    return kind.__qualname__, fields


def _constant(value: Any) -> Any:
    """Return the type of a constant; named tuples are read by the names of their fields."""
    if isinstance(value, tuple):
        return type(value).__name__, getattr(value, "_fields", None), *map(_constant, value)
    if isinstance(value, str):
        return "str", value.isascii(), *sorted(shown_by(value))  # two types of strings
    if isinstance(value, Decimal):
        return "Decimal", value.as_tuple().exponent  # the scale is part of the type
    if type(value) is int:
        return "int", value >= 1 << 63  # without a sign, then
    if isinstance(value, tzinfo):
        return "zone", _zone(value)
    if isinstance(value, (datetime, time)):
        return type(value).__name__, value.fold, value.tzinfo and _zone(value.tzinfo)
    return type(value).__name__


def _state(value: Any) -> Any:
    """Return the structure of an initial state, and its types."""
    if isinstance(value, tuple):
        return type(value).__qualname__, getattr(value, "_fields", None), *map(_state, value)
    if hasattr(value, "dtype"):
        return "array", value.dtype.str, value.shape
    if type(value) is int:
        return "int", value >= 0, value >= 1 << 63  # whether it may stay an integer without a sign
    return type(value).__name__
