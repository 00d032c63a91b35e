"""Aggregations at the top of expressions: what they aggregate can be compiled, they are Polars'."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

#: By Polars' name, how to write it; what else JSON says of it has to be as here.
_AGGREGATIONS: dict[str, tuple[Any, Callable[[pl.Expr], pl.Expr]]] = {
    "Sum": (None, lambda rows: rows.sum()),
    "Mean": (None, lambda rows: rows.mean()),
    "Min": ({"propagate_nans": False}, lambda rows: rows.min()),
    "Max": ({"propagate_nans": False}, lambda rows: rows.max()),
    "Var": (1, lambda rows: rows.var()),
    "Std": (1, lambda rows: rows.std()),
}


class Aggregation(NamedTuple):
    """One of Polars' aggregations; none if it has no name."""

    name: str = ""

    def over(self, rows: pl.Expr) -> pl.Expr:
        """Return it over what sees rows one by one."""
        return _AGGREGATIONS[self.name][1](rows) if self.name else rows


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
    if isinstance(tree, dict) and tree.keys() == {"Agg"}:
        ((name, content),) = tree["Agg"].items()
        if name in _AGGREGATIONS and _settings(content) == _AGGREGATIONS[name][0]:
            (rows,) = inner.meta.pop()
            return Aggregation(name), rows
    return Aggregation(), expression


def _settings(content: Any) -> Any:
    """Return what is said besides the input."""
    if isinstance(content, list):
        return content[1]
    if "input" in content:
        return {key: value for key, value in content.items() if key != "input"}
    return None
