"""`expr`: plugins as Polars expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.api.natively import is_native, natively
from dataflare_vec.definition.plugin import Form
from dataflare_vec.engine.execution.expressions import as_aggregation, as_expression
from dataflare_vec.engine.planning.request import ask
from dataflare_vec.exceptions import ArgumentError, BindingError
from dataflare_vec.service.manager import managed

if TYPE_CHECKING:
    from typing import Literal

    import polars as pl

    from dataflare_vec._typing import OnError
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import By
    from dataflare_vec.service.manager import PluginManager


def expr(
    plugin: str | Plugin,
    *columns: str | pl.Expr,
    on_error: OnError | Literal["struct"] = "raise",
    manager: PluginManager | None = None,
    by: By = None,
    native: bool | None = None,
    schema: Any = None,
    **bindings: Any,
) -> pl.Expr:
    """Return a plugin as a Polars expression.

    Parameters
    ----------
    plugin
        Its name, or the plugin itself.
    *columns
        Columns for its column parameters, in their order.
    on_error
        ``"raise"`` or ``"null"``; an expression can't drop rows. Natively also ``"struct"``: failed rows stay
        as data, and the result is a Struct of ``value`` and ``error``, a text.
    manager
        As in `apply`.
    by
        Keys of a scan, as in `apply`. Without it there is one state per group of ``over`` or ``group_by``;
        with it Polars passes whole columns, which is faster.
    native
        Run natively, as in `apply`. The kernel is built for the dtypes that its columns have in ``schema``;
        without one for those of its annotations, else Float64, as by `build`. Columns of other dtypes are
        Polars' ComputeError when it plans the query. Where only the manager's settings ask for it, there has
        to be a schema.
    schema
        The frame that it is for, lazy or not, or its schema: a dict from column to dtype.
    **bindings
        Further parameters by name, as in `apply`.

    Returns
    -------
    polars.Expr
        Named after the plugin. A kernel with several outputs returns a Struct; a filter returns its Boolean,
        null for a null.

    Raises
    ------
    PluginError, ArgumentError
        If plugin and arguments don't match.
    BuildError, MissingDependencyError
        If ``native=True`` can't be: the kernel can't be built, or there is no linker.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def hypotenuse(a, b):
    ...     return (a * a + b * b) ** 0.5
    >>> df = pl.DataFrame({"x": [3.0], "y": [4.0]})
    >>> df.select(dfv.expr("hypotenuse", "x", "y")).item()
    5.0

    Without Python, and so in a plan that Polars alone can run:

    >>> df.select(dfv.expr("hypotenuse", "x", "y", native=True, schema=df)).item()
    5.0
    """
    manager = managed(manager)
    found = manager.registry.resolve(plugin)
    if found.is_exploder:
        msg = "it gives several rows for one, and an expression can't change their number"
        hint = "use `dfv.apply`, or Polars' `explode` after a row kernel that returns the list"
        raise BindingError(msg, plugin=found.name, hint=hint)
    positional = [p.name for p in found.parameters if p.is_column]
    if len(columns) > len(positional):
        msg = f"it reads {len(positional)} columns, got {len(columns)}"
        raise BindingError(msg, plugin=found.name, got=len(columns))
    bindings = {**dict(zip(positional, columns)), **bindings}  # noqa: B905  # fewer may be given
    if on_error == "drop":
        msg, hint = "an expression can't drop rows", 'use `on_error="null"`, or `apply`'
        raise ArgumentError(msg, argument="on_error", got="drop", hint=hint)
    wanted = is_native(native, manager) and found.form is not Form.EXPRESSION  # which is Polars' own anyway
    if on_error == "struct" and not wanted:
        msg, hint = 'only native expressions have `on_error="struct"`', "pass `native=True`"
        raise ArgumentError(msg, argument="on_error", got="struct", hint=hint)
    how: OnError = "null" if on_error == "struct" else on_error
    request = ask(manager.registry, manager.runtime, found, on_error=how, by=by, bindings=bindings)
    if wanted:
        made = natively(
            request,
            lambda: _native(request, on_error, schema, native),
            required=native is True or on_error == "struct",
        )
        if made is not None:
            return made
    if found.stateful is not None and by is None:
        return as_aggregation(request).alias(found.name)
    if found.form is Form.REDUCE:
        msg, hint = "it returns one row per key, which an expression can't", "`group_by(…).agg(dfv.expr(…))`"
        raise BindingError(msg, plugin=found.name, hint=f"use {hint}, or `apply`")
    return as_expression(request, None).alias(found.name)


def _native(request: Request, on_error: str, schema: Any, native: bool | None) -> pl.Expr:
    from dataflare_vec.polars_plugin.expressions import expression_of

    if schema is None and native is None:
        msg = "the dtypes of its columns aren't known"
        raise ArgumentError(msg, argument="schema", hint="pass `schema`, or `native=True`")
    return expression_of(request, on_error, schema)
