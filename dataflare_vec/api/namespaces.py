"""``df.dfv``, ``lf.dfv``, ``s.dfv`` and ``pl.col(…).dfv`` in Polars."""

from __future__ import annotations

from typing import Any

import polars as pl


class _Frame:
    """``.dfv`` on a frame or a Series."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def apply(self, plugin: Any, **arguments: Any) -> Any:
        """Apply a plugin; see `dataflare_vec.apply`."""
        from dataflare_vec.api.apply import apply

        return apply(self._data, plugin, **arguments)

    def run(self, plugin: Any, **arguments: Any) -> Any:
        """Apply a plugin and say what became of the rows; see `dataflare_vec.run`."""
        from dataflare_vec.api.apply import run

        return run(self._data, plugin, **arguments)


class _Expression:
    """``.dfv`` on an expression: it is the plugin's first column."""

    def __init__(self, expression: pl.Expr) -> None:
        self._expression = expression

    def apply(self, plugin: Any, *columns: str | pl.Expr, **bindings: Any) -> pl.Expr:
        """Return the plugin's expression with this one as first column; see `dataflare_vec.expr`."""
        from dataflare_vec.api.expressions import expr

        return expr(plugin, self._expression, *columns, **bindings)


def register() -> None:
    """Register the namespaces with Polars."""
    pl.api.register_dataframe_namespace("dfv")(_Frame)
    pl.api.register_lazyframe_namespace("dfv")(_Frame)
    pl.api.register_series_namespace("dfv")(_Frame)
    pl.api.register_expr_namespace("dfv")(_Expression)
