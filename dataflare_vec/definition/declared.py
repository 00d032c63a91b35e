"""What the author of a plugin declares it to return: ``returns``, as dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dataflare_vec.definition.plugin import Plugin


def declared_dtypes(plugin: Plugin, by_parameter: dict[str, Any]) -> list[Any] | None:
    """Return the dtypes that `returns` declares in order; None if it doesn't, or names fields."""
    returns = plugin.returns
    if returns is None or isinstance(returns, dict):
        return None
    items = returns if isinstance(returns, (tuple, list)) else [returns]
    return [declared_dtype(plugin, item, by_parameter) for item in items]


def by_field(plugin: Plugin, fields: Sequence[str] | None, by_parameter: dict[str, Any]) -> list[Any]:
    """Return the dtypes that `returns` declares by field name."""
    returns = plugin.returns
    assert isinstance(returns, dict)
    unknown = [name for name in returns if name not in (fields or ())]
    if unknown:
        msg = f"`returns` declares `{unknown[0]}`, which it doesn't return"
        hint = near_matches(unknown[0], fields) if fields else "return a NamedTuple, whose fields have names"
        raise KernelResultError(msg, plugin=plugin.name, hint=hint)
    return [declared_dtype(plugin, returns.get(name), by_parameter) for name in fields or ()]


def declared_dtype(plugin: Plugin, item: Any, by_parameter: Mapping[str, Any]) -> Any:
    """Return the dtype that an item of ``returns`` means: of an explode a list of what its rows have."""
    dtype = said_dtype(plugin, item, by_parameter)
    return pl.List(dtype) if plugin.is_exploder and dtype is not None else dtype


def said_dtype(plugin: Plugin, item: Any, by_parameter: Mapping[str, Any]) -> Any:
    """Return the dtype that a dtype, a class of them or the name of a parameter says."""
    if isinstance(item, str):
        if item not in by_parameter:
            msg = f"`returns` names the parameter `{item}`, which is not a column"
            raise KernelResultError(
                msg, plugin=plugin.name, parameter=item, hint=near_matches(item, by_parameter)
            )
        return by_parameter[item]
    if item is pl.Enum or (isinstance(item, pl.Enum) and not len(item.categories)):
        msg = "`returns` declares an Enum without categories"
        raise KernelResultError(msg, plugin=plugin.name, hint='say which, as `pl.Enum(["low", "high"])`')
    if item is None or isinstance(item, pl.DataType):
        return item
    if item is pl.Struct:
        return pl.Struct([])  # of the fields that the kernel returns
    if isinstance(item, type) and issubclass(item, pl.DataType):
        return item()
    raise KernelResultError(
        plugin=plugin.name, argument="returns", expected="Polars dtypes or parameter names", got=repr(item)
    )


def declared_enums(plugin: Plugin, dtypes: Sequence[Any]) -> Iterator[pl.Enum]:
    """Yield the Enums that results may be: those declared, and those of columns, which `returns` may name."""
    returns = plugin.returns
    items = list(returns.values()) if isinstance(returns, dict) else [returns]
    left = [*items, *dtypes, *(plugin.result.items if plugin.result is not None else ())]
    while left:
        item = left.pop()
        if isinstance(item, (tuple, list)):
            left.extend(item)
        elif isinstance(item, pl.Struct):
            left.extend(field.dtype for field in item.fields)
        elif isinstance(item, pl.Enum):
            yield item
