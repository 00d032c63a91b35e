"""Plugins of a call as native expressions: for dtypes that are known, or said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.definition.annotations import assumed_dtype
from dataflare_vec.definition.binding import Column
from dataflare_vec.definition.plugin import root_names
from dataflare_vec.engine.stages.expression import Owner, expression_dtype, source_of
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import ArgumentError, BuildError
from dataflare_vec.polars_plugin.per_machine import native_library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import BoundStep


def expression_of(request: Request, on_error: str, schema: Any) -> pl.Expr:
    """Return the one plugin of a request as an expression that runs natively.

    Parameters
    ----------
    on_error
        What becomes of rows that fail.
    schema
        Of what it is for, see `scope_of`; None for what is assumed.

    Raises
    ------
    BuildError, MissingDependencyError
        If it can't run natively.
    PluginError, ArgumentError
        If the columns, or the schema, don't fit.
    """
    (step,) = request.steps
    check_form(step)
    binding = step.binding
    dtypes = assumed_dtypes(binding) if schema is None else dtypes_in(binding, scope_of(schema))
    return native_expression(binding, dtypes, on_error)


def check_form(step: BoundStep) -> None:
    """Raise if a plugin, used like this, has no native expression.

    Raises
    ------
    BuildError
        Saying why.
    """
    if step.by:
        msg = "`by` needs Python; a native expression has `over`, and `group_by(…).agg(…)`"
        raise BuildError(msg, plugin=step.plugin.name)


def native_expression(binding: Binding, dtypes: Sequence[Any], on_error: str) -> pl.Expr:
    """Return a kernel as an expression that runs natively, over columns of ``dtypes``.

    Raises
    ------
    BuildError, MissingDependencyError
        As `native_library`.
    """
    given = {
        item.parameter.name: source_of(item) if isinstance(item, Column) else item.value
        for item in binding.items
        if not isinstance(item, Column) or item.offset == 0
    }
    return native_library(binding, dtypes).call(binding.plugin.name, given, on_error)


def scope_of(schema: Any) -> ColumnScope:
    """Return the columns of a schema, or of a frame that has one.

    Raises
    ------
    ArgumentError
        If it is neither.
    """
    if isinstance(schema, (pl.DataFrame, pl.LazyFrame)):
        schema = schema.collect_schema()
    if not isinstance(schema, Mapping):
        expected = "a frame, or its schema: a dict from column to dtype"
        raise ArgumentError(argument="schema", expected=expected, got=repr(schema))
    return ColumnScope.of_schema(schema)


def dtypes_in(binding: Binding, scope: ColumnScope) -> list[Any]:
    """Return the dtypes of what a plugin's parameters are bound to, over the columns of ``scope``.

    Raises
    ------
    ColumnNotFoundError, BindingError
        If there is no such column, or Polars can't evaluate an expression.
    """
    binding.check_columns(scope.names)
    return [_dtype(binding, item, scope) for item in binding.columns]


def assumed_dtypes(binding: Binding) -> list[Any]:
    """Return the dtypes that columns are assumed to have: of annotations, else Float64.

    Expressions that read no column have their own.
    """
    nothing = ColumnScope.of_schema({})
    return [
        _dtype(binding, item, nothing)
        if not isinstance(item.source, str) and root_names(item.source) == []
        else assumed_dtype(item.parameter.expects)
        for item in binding.columns
    ]


def _dtype(binding: Binding, item: Column, scope: ColumnScope) -> Any:
    if isinstance(item.source, str):
        return scope.dtype(item.source)
    return expression_dtype(Owner(binding.plugin.name, item.parameter.name), item.source, scope)
