"""A library that was built, and its plugins as expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.plugins import register_plugin_function

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.definition.binding import Column, bind
from dataflare_vec.engine.stages.expression import as_column
from dataflare_vec.exceptions import ArgumentError, BindingError, BuildError, PluginNotFoundError
from dataflare_vec.files.atomic_write import atomic_file
from dataflare_vec.polars_plugin.constants import check_constant, leaves
from dataflare_vec.polars_plugin.functions import ON_ERROR, ON_ERROR_CHOICES, registration
from dataflare_vec.polars_plugin.literals import literal_dtypes
from dataflare_vec.polars_plugin.targets import TARGETS, this_machine
from dataflare_vec.polars_plugin.wheel import Package, check_names, wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dataflare_vec.definition.plugin import Plugin


def write_file(folder: Path, name: str, content: bytes) -> Path:
    """Write a file that appears when it is whole; make its folder if need be, and return its path.

    Raises
    ------
    SinkError
        If it can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = (folder / name).resolve()
    with atomic_file(path) as temporary:
        assert isinstance(temporary, Path)  # a new file is no device
        temporary.write_bytes(content)
    return path


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
    target : str
        System and processors that it is for.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def tax(price, rate=0.19):
    ...     return price * rate
    >>> library = dfv.build("tax", {"price": pl.Float64}, output=mkdtemp())
    >>> library.schemas["tax"], list(library.plugins)
    (({'price': Float64},), ['tax'])
    >>> pl.DataFrame({"price": [50.0]}).select(library.expr("tax", "price", rate=0.1)).item()
    5.0
    """

    path: Path
    plugins: Mapping[str, Plugin]
    schemas: Mapping[str, tuple[Mapping[str, Any], ...]]
    target: str = field(default_factory=this_machine)

    def expr(self, plugin: str, *columns: str | pl.Expr, on_error: str = "raise", **bindings: Any) -> pl.Expr:
        """Return a plugin of the library as an expression, which runs without Python.

        Parameters
        ----------
        plugin
            Its name.
        *columns
            Columns for its column parameters, in their order.
        on_error
            How to treat rows whose kernel raises: ``"raise"`` an error that names the first, set their
            result to ``"null"``, or keep them as data: under ``"struct"`` the result is a Struct of
            ``value``, which is null for them, and ``error``, a text with exception, message and line of the
            source, which is null for all others.
        **bindings
            Further parameters by name: columns, expressions or numbers for columns, values for constants.

        Returns
        -------
        polars.Expr
            Named after the plugin; a scan, a reduce and a kernel that reads rows before or after get all rows
            at once, or those of a group. A kernel with several outputs returns a Struct; a filter returns its
            Boolean, null for a null. Its plan can be serialised, and needs Polars and the file where it runs.

        Raises
        ------
        PluginNotFoundError
            If the library has no such plugin.
        BuildError
            If the library is for another kind of machine, or isn't there any more.
        BindingError, ArgumentError
            If the arguments don't fit it. That a column is of a dtype that it wasn't built for is Polars'
            ComputeError, when it plans the query.
        """
        found = self.plugins.get(plugin)
        if found is None:
            hint = near_matches(plugin, self.plugins)
            raise PluginNotFoundError(plugin=plugin, hint=hint)
        positional = [parameter.name for parameter in found.parameters if parameter.is_column]
        if len(columns) > len(positional):
            msg = f"it reads {len(positional)} columns, got {len(columns)}"
            raise BindingError(msg, plugin=plugin, got=len(columns))
        given = {**dict(zip(positional, columns)), **bindings}  # noqa: B905  # fewer may be given
        return self.call(plugin, given, on_error)

    def call(self, plugin: str, given: Mapping[str, Any], on_error: str) -> pl.Expr:
        """Return a plugin of the library as an expression, as `expr` does.

        Parameters
        ----------
        plugin, on_error
            As in `expr`.
        given
            What its parameters are bound to, by name.
        """
        self._check_is_here(plugin)
        if on_error not in ON_ERROR_CHOICES:
            expected = '"raise", "null" or "struct"'
            raise ArgumentError(argument=ON_ERROR, expected=expected, got=repr(on_error))
        found = self.plugins[plugin]
        sources, constants = self._bound(found, given)
        name_library(self.path.name, self.shown)
        return register_plugin_function(
            plugin_path=self.path,
            function_name=plugin,
            args=sources,
            kwargs={**constants, ON_ERROR: on_error},
            **registration(found),
        ).alias(plugin)

    def shown(self, plugin: str) -> str:
        """Return what a plugin is in words, with the dtypes of its columns if there is one set of them."""
        found, schemas = self.plugins[plugin], self.schemas[plugin]
        columns = ", ".join(f"{name}: {dtype}" for name, dtype in schemas[0].items())
        kind = found.kind
        return f"{kind} {plugin}({columns if len(schemas) == 1 else ', '.join(schemas[0])})"

    def write_wheel(
        self, output: str | Path = ".", *, name: str | None = None, version: str = "0.1.0"
    ) -> Path:
        """Write the library as a wheel, a package that needs Polars only.

        Parameters
        ----------
        output
            Folder for the wheel; it is made if it isn't there.
        name
            What the package is called and imported by; by default as the library.
        version
            Version of the package.

        Returns
        -------
        pathlib.Path
            The wheel. Its package has a typed function for each plugin, which returns an expression: columns
            by position, constants and ``on_error`` as keyword arguments.

        Raises
        ------
        ArgumentError
            If there can't be a package of that name or version.
        SinkError
            If the file can't be written.

        Notes
        -----
        Its name says what it runs on. On Linux that is a version of glibc: where the machine at hand has a
        new one, build with ``ziglang``, by ``CC="python -m ziglang cc -target x86_64-linux-gnu.2.19"``. The
        library in it is called by the package and its version: a plan that one system has written finds it
        on another.
        """
        name = name or self.path.name.rpartition("-")[0]
        check_names(name, version)
        package = Package(name, version, self.path.read_bytes(), TARGETS[self.target])
        return write_file(Path(output), package.wheel, wheel(package, self.plugins, self.schemas))

    def _check_is_here(self, plugin: str) -> None:
        """Raise if the library can't be loaded on this machine: all that Polars says then is its path."""
        if self.target != this_machine():
            msg = f"the library is for {self.target}, and this is {this_machine()}; install its wheel there"
            raise BuildError(msg, plugin=plugin, expected=self.target, got=this_machine())
        if not self.path.exists():
            msg = f"the library `{self.path}` isn't there any more; build it again"
            raise BuildError(msg, plugin=plugin)

    def _bound(self, plugin: Plugin, given: Mapping[str, Any]) -> tuple[list[pl.Expr], dict[str, Any]]:
        """Return the columns, and the constants that aren't the default, by name."""
        sources: list[pl.Expr] = []
        constants: dict[str, Any] = {}
        for item in bind(plugin, given).items:
            parameter = item.parameter
            if isinstance(item, Column) and item.offset:
                continue  # the library has the rows before and after from the column
            if not parameter.is_column:
                if isinstance(item, Column):
                    msg = f"constant `{parameter.name}` has one value for all rows in a native library"
                    raise BindingError(msg, plugin=plugin.name, parameter=parameter.name, got="an expression")
                check_constant(plugin, parameter, item.value)
                if parameter.name in given:
                    constants.update(leaves(parameter.name, item.value, parameter.default))
                continue
            value = given.get(parameter.name, parameter.name)
            if isinstance(value, (str, pl.Expr)):
                sources.append(as_column(value))
            elif len(parameter.offsets) > 1:
                msg = f"`{parameter.name}` is read with rows before or after, got {value!r}"
                raise BindingError(msg, plugin=plugin.name, parameter=parameter.name, expected="a column")
            else:
                sources.append(self._literal(plugin.name, parameter.name, value))
        return sources, constants

    def _literal(self, plugin: str, parameter: str, value: Any) -> pl.Expr:
        """Return a value for all rows, of a dtype that the parameter is built for."""
        dtypes = literal_dtypes([schema[parameter] for schema in self.schemas[plugin]])
        return pl.lit(value, dtype=dtypes.get(type(value)))


#: Libraries that expressions were made of, by file: plans say no more.
_called: dict[str, Callable[[str], str]] = {}
_CALL = re.compile(r"([^\\/\s]+\.(?:so|dll)):(\w+)\(")


def name_library(file: str, shown: Callable[[str], str]) -> None:
    """Say what the functions of a library are in words, by their names."""
    _called[file] = shown


def native_calls(plan: str) -> Iterator[str]:
    """Yield in words which functions of native libraries a plan calls, the first to run first.

    Parameters
    ----------
    plan
        As Polars shows it. Of libraries that no expression of this process was made of it has only names.
    """
    for found in reversed(list(_CALL.finditer(plan))):
        file, name = found.groups()
        shown = _called.get(file)
        yield f"{name}, of {file}" if shown is None else shown(name)
