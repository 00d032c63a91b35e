"""Patterns in expressions, as ``pl.all()``, over data that has columns which nobody but us knows of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.definition.plugin import mentions
from dataflare_vec.engine.stages.expression import exactly

if TYPE_CHECKING:
    from collections.abc import Sequence


def over_columns(expression: pl.Expr, columns: pl.Schema) -> pl.Expr | None:
    """Return an expression that names the columns which its patterns mean among some, in their order.

    None if there is a function of Python's in it, which wouldn't be the same afterwards.
    """
    try:
        tree = expression.meta.serialize(format="json")
    except pl.exceptions.ComputeError:  # it can't even be written
        return None
    if mentions(expression, "AnonymousFunction"):
        return None
    data = columns.to_frame(eager=False)

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        if node.keys() == {"Selector"}:
            pattern = pl.Expr.deserialize(json.dumps(node).encode(), format="json")
            names = data.select(pattern).collect_schema().names()
            return {"Selector": {"ByName": {"names": names, "strict": True}}}
        return {key: walk(value) for key, value in node.items()}

    return pl.Expr.deserialize(json.dumps(walk(json.loads(tree))).encode(), format="json")


@dataclass(frozen=True, slots=True)
class OverColumns:
    """What Polars calls to have a column that is computed of some others, with all rows."""

    expression: pl.Expr
    columns: Sequence[str]
    name: str

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the column."""
        seen = frame.select(map(exactly, self.columns))
        return frame.with_columns(seen.with_columns(self.expression.alias(self.name)).get_column(self.name))
