"""A library that was built, and its plugins as expressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.plugins import register_plugin_function

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.definition.binding import Column, bind
from dataflare_vec.engine.stages.expression import exactly
from dataflare_vec.exceptions import ArgumentError, BindingError, PluginNotFoundError
from dataflare_vec.polars_plugin.functions import ON_ERROR

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dataflare_vec.definition.plugin import Parameter, Plugin

_FLOATS = (pl.Float64, pl.Float32)
_NARROW = (pl.Int32, pl.Int16, pl.Int8, pl.UInt64, pl.UInt32, pl.UInt16, pl.UInt8)
#: Dtypes of a literal, the first that a plugin was built for.
_LITERALS = {bool: (pl.Boolean,), int: (pl.Int64, *_FLOATS, *_NARROW), float: _FLOATS}


@by_public_name
@dataclass(frozen=True)
class PluginLibrary:
    """A native library of plugins that Polars loads; made by `build`.

    Attributes
    ----------
    path : pathlib.Path
        The file. Its name has a digest of its content: Polars keeps what it has loaded from a path.
    plugins : dict
        The plugins in it, by name.
    schemas : dict
        For each plugin the dtypes that it is built for: dicts from parameter to dtype.
    """

    path: Path
    plugins: Mapping[str, Plugin]
    schemas: Mapping[str, tuple[Mapping[str, Any], ...]]

    def expr(self, plugin: str, *columns: str | pl.Expr, on_error: str = "raise", **bindings: Any) -> pl.Expr:
        """Return a plugin of the library as an expression, which runs without Python.

        Parameters
        ----------
        plugin
            Its name.
        *columns
            Columns for its column parameters, in their order.
        on_error
            How to treat rows whose kernel raises: ``"raise"`` an error that names the first, or set their
            result to ``"null"``.
        **bindings
            Further parameters by name: columns, expressions or numbers for columns, values for constants.

        Returns
        -------
        polars.Expr
            Named after the plugin. A kernel with several outputs returns a Struct; a filter returns its
            Boolean, null for a null. Its plan can be serialised, and needs Polars and the file where it runs.

        Raises
        ------
        PluginNotFoundError
            If the library has no such plugin.
        BindingError, ArgumentError
            If the arguments don't fit it. That a column is of a dtype that it wasn't built for is Polars'
            ComputeError, when it plans the query.
        """
        found = self.plugins.get(plugin)
        if found is None:
            hint = near_matches(plugin, self.plugins)
            raise PluginNotFoundError(plugin=plugin, hint=hint)
        if on_error not in ("raise", "null"):
            expected = '"raise" or "null"'
            raise ArgumentError(argument=ON_ERROR, expected=expected, got=repr(on_error))
        positional = [parameter.name for parameter in found.parameters if parameter.is_column]
        if len(columns) > len(positional):
            msg = f"it reads {len(positional)} columns, got {len(columns)}"
            raise BindingError(msg, plugin=plugin, got=len(columns))
        given = {**dict(zip(positional, columns)), **bindings}  # noqa: B905  # fewer may be given
        sources, constants = self._bound(found, given)
        return register_plugin_function(
            plugin_path=self.path,
            function_name=plugin,
            args=sources,
            kwargs={**constants, ON_ERROR: on_error},
            is_elementwise=True,
        ).alias(plugin)

    def _bound(self, plugin: Plugin, given: Mapping[str, Any]) -> tuple[list[pl.Expr], dict[str, Any]]:
        """Return the columns, and the constants that aren't the default, by name."""
        sources: list[pl.Expr] = []
        constants = {}
        for item in bind(plugin, given).items:
            parameter = item.parameter
            if not parameter.is_column:
                if isinstance(item, Column):
                    msg = f"constant `{parameter.name}` has one value for all rows in a native library"
                    raise BindingError(msg, plugin=plugin.name, parameter=parameter.name, got="an expression")
                _check_constant(plugin, parameter, item.value)
                if parameter.name in given:
                    constants[parameter.name] = item.value
            elif isinstance(item, Column):
                source = item.source
                sources.append(exactly(source) if isinstance(source, str) else source)
            else:
                sources.append(self._literal(plugin.name, parameter.name, item.value))
        return sources, constants

    def _literal(self, plugin: str, parameter: str, value: float) -> pl.Expr:
        """Return a number for all rows, of a dtype that the parameter is built for."""
        built = [schema[parameter] for schema in self.schemas[plugin]]
        dtype = next((one for one in _LITERALS[type(value)] if one in built), None)
        return pl.lit(value, dtype=dtype)


def _check_constant(plugin: Plugin, parameter: Parameter, value: Any) -> None:
    """Raise if a constant isn't of the type of its default, which the kernel is compiled for.

    Raises
    ------
    BindingError
        Saying what it may be.
    """
    kind = type(parameter.default)
    if type(value) is kind and (kind is not int or -(1 << 63) <= value < 1 << 63):
        return
    expected = {bool: "True or False", int: "an integer of 64 bits", float: "a number"}[kind]
    msg = f"constant `{parameter.name}` must be {expected}, got {value!r}"
    raise BindingError(msg, plugin=plugin.name, parameter=parameter.name, expected=expected, got=repr(value))
