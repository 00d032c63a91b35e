"""The key of a kernel: a digest of everything its machine code depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import Column
from dataflare_vec.cache.entry import digest
from dataflare_vec.cache.environment import environment
from dataflare_vec.cache.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        (repr(next(left)), item.parameter.nullable, str(item.parameter.expects), item.parameter.offsets)
        if isinstance(item, Column)
        else _constant(item.value)
        for item in binding.items
    ]
    types = repr((inputs, plugin.returns, plugin.math, plugin.is_filter, pl.__version__))
    # With libm, helpers stay what Numba has made of them; else they are compiled for the kernel.
    program = fingerprint(plugin.function, uses_compiled=plugin.math == "libm")
    return digest(environment(), program, types.encode())


def _constant(value: Any) -> Any:
    """Return the type of a constant; named tuples are read by the names of their fields."""
    if isinstance(value, tuple):
        return type(value).__name__, getattr(value, "_fields", None), *map(_constant, value)
    if isinstance(value, str):
        return "str", value.isascii()  # two types of strings
    return type(value).__name__
