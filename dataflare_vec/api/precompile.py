"""Compile a kernel before there are rows: in the build of an image, or before a service says it is up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.compiler.hot_reload import check
from dataflare_vec.compiler.native import columns, team
from dataflare_vec.compiler.native.fused_loop import fused_loop
from dataflare_vec.compiler.prepare import prepare
from dataflare_vec.definition.binding import bind
from dataflare_vec.definition.plugin import Form
from dataflare_vec.definition.registry import default_registry
from dataflare_vec.exceptions import BindingError

if TYPE_CHECKING:
    from dataflare_vec.definition.plugin import Plugin


def compile_ahead(plugin: str | Plugin, schema: Mapping[str, Any], *, native: bool = False) -> dict[str, Any]:
    """Compile a row kernel for given dtypes into the cache; also `Plugin.compile`.

    Parameters
    ----------
    plugin
        A row kernel or a filter, or its name.
    schema
        Parameter to Polars dtype; a frame's schema does where its columns are called like the parameters.
        Whatever else is in there doesn't matter.
    native
        Build the native library, too, that ``native=True`` of `apply` and `expr` takes from the cache: where
        the program runs there needn't be a compiler then.

    Returns
    -------
    dict
        Output to Polars dtype, as a frame would get them.

    Raises
    ------
    BindingError
        If it isn't a row kernel, or a parameter has no type.
    ColumnTypeError, KernelCompileError, KernelResultError
        As for a frame with such columns.
    BuildError, MissingDependencyError
        If it is to be native and can't be built, or there is no linker.

    Notes
    -----
    All loops are compiled: without and with nulls, and the one that finds out which rows failed. What is in
    the cache already is only loaded.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def profit_margin(price, cost):
    ...     return (price - cost) / price
    >>> profit_margin.compile({"price": pl.Float64, "cost": pl.Int64})
    {'profit_margin': Float64}
    """
    plugin = default_registry.resolve(plugin)
    if not isinstance(schema, Mapping):
        expected = "a dict from parameter to dtype"
        raise BindingError(plugin=plugin.name, argument="schema", expected=expected, got=repr(schema))
    if plugin.form is not Form.ROW:
        kind = plugin.form.value
        msg = f"it is {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        hint = "only row kernels, filters and explodes are compiled"
        raise BindingError(msg, plugin=plugin.name, hint=hint)
    binding = bind(plugin, {})
    names = [item.parameter.name for item in binding.columns]
    missing = [name for name in names if name not in schema]
    if missing:
        raise BindingError(
            problem=f"the schema has no type for parameter `{missing[0]}`",
            plugin=plugin.name,
            parameter=missing[0],
            hint=f"it needs {', '.join(f'`{name}`' for name in names)}",
        )
    check(plugin)
    dtypes = [_instance(plugin.name, name, schema[name]) for name in names]
    prepared = prepare(binding, dtypes)
    prepared.kernel.make_all()
    fused_loop()
    columns.functions()
    team.functions()
    if native:
        from dataflare_vec.polars_plugin.per_machine import native_library

        native_library(binding, dtypes)
    outputs = prepared.field_names(plugin) or (plugin.name,)
    shown = [field.shown.inner if plugin.is_exploder else field.shown for field in prepared.outputs]
    return dict(zip(outputs, shown, strict=True))


def _instance(plugin: str, name: str, dtype: Any) -> Any:
    if isinstance(dtype, type) and issubclass(dtype, pl.DataType):
        return dtype()
    if not isinstance(dtype, pl.DataType):
        msg = f"the type of parameter `{name}` must be a Polars dtype, got {dtype!r}"
        raise BindingError(msg, plugin=plugin, parameter=name, expected="a Polars dtype", got=repr(dtype))
    return dtype
