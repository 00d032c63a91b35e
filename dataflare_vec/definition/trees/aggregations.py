"""Aggregations at the top of expressions: what they aggregate can be compiled, they are Polars'."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable


#: By Polars' name, how to write it with what JSON says besides the input.
_AGGREGATIONS: dict[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "Sum": lambda rows, _: rows.sum(),
    "Mean": lambda rows, _: rows.mean(),
    "Median": lambda rows, _: rows.median(),
    "First": lambda rows, _: rows.first(),
    "Last": lambda rows, _: rows.last(),
    "NUnique": lambda rows, _: rows.n_unique(),
    "Min": lambda rows, said: rows.nan_min() if said["propagate_nans"] else rows.min(),
    "Max": lambda rows, said: rows.nan_max() if said["propagate_nans"] else rows.max(),
    "Count": lambda rows, said: rows.len() if said["include_nulls"] else rows.count(),
    "Var": lambda rows, ddof: rows.var(ddof),
    "Std": lambda rows, ddof: rows.std(ddof),
    "Any": lambda rows, said: rows.any(ignore_nulls=said["ignore_nulls"]),
    "All": lambda rows, said: rows.all(ignore_nulls=said["ignore_nulls"]),
}


class Aggregation(NamedTuple):
    """One of Polars' aggregations, with its settings; none if it has no name."""

    name: str = ""
    settings: Any = None

    def over(self, rows: pl.Expr) -> pl.Expr:
        """Return it over what sees rows one by one."""
        return _AGGREGATIONS[self.name](rows, self.settings) if self.name else rows


def aggregated(expression: pl.Expr) -> tuple[Aggregation, pl.Expr]:
    """Return the aggregation at the top of an expression, and what it is over."""
    try:
        tree = json.loads(expression.meta.serialize(format="json"))
    except (pl.exceptions.PolarsError, RecursionError):
        return Aggregation(), expression
    inner = expression
    while isinstance(tree, dict) and tree.keys() == {"Alias"}:
        tree = tree["Alias"][0]
        (inner,) = inner.meta.pop()
    found = _read(tree)
    if found is None or found.name not in _AGGREGATIONS:
        return Aggregation(), expression
    (rows,) = inner.meta.pop()
    try:
        again = found.over(rows)
    except (KeyError, TypeError):  # settings of another version
        return Aggregation(), expression
    return (found, rows) if again.meta.eq(inner) else (Aggregation(), expression)


def _read(tree: Any) -> Aggregation | None:
    """Return what is at the top of a tree, with all that is said besides its input."""
    if not isinstance(tree, dict) or len(tree) != 1:
        return None
    ((kind, content),) = tree.items()
    if kind == "Function":
        function = content["function"]
        if not isinstance(function, dict) or not isinstance(function.get("Boolean"), dict):
            return None
        content = function["Boolean"]
    elif kind != "Agg":
        return None
    ((name, content),) = content.items()
    if isinstance(content, list):
        return Aggregation(name, content[1])
    if kind == "Function" or "input" in content:
        return Aggregation(name, {key: value for key, value in content.items() if key != "input"})
    return Aggregation(name)
