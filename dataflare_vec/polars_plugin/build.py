"""`build`: from kernels to a native library."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from dataflare_vec.compiler.hot_reload import check
from dataflare_vec.definition.annotations import assumed_dtype
from dataflare_vec.definition.plugin import Plugin
from dataflare_vec.definition.registry import default_registry
from dataflare_vec.exceptions import ArgumentError, BindingError, PluginError
from dataflare_vec.polars_plugin.externals import table_file
from dataflare_vec.polars_plugin.functions import check_can_be_built, compile_function
from dataflare_vec.polars_plugin.library import PluginLibrary, write_file
from dataflare_vec.polars_plugin.linker import link, linker
from dataflare_vec.polars_plugin.source import tables
from dataflare_vec.polars_plugin.targets import target_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from dataflare_vec.polars_plugin.functions import BuiltFunction
    from dataflare_vec.polars_plugin.targets import Target

    #: Parameter to dtype.
    Schema: TypeAlias = Mapping[str, Any]
    Schemas: TypeAlias = Schema | Sequence[Schema] | None


def build(
    plugins: str | Plugin | Iterable[str | Plugin] | Mapping[Any, Schemas],
    schema: Schemas = None,
    *,
    output: str | Path = ".",
    name: str | None = None,
    target: str | None = None,
) -> PluginLibrary:
    """Build kernels into a native library, which Polars loads without Python, Numba or this package.

    Parameters
    ----------
    plugins
        A row kernel, filter, scan or reduce, or its name; a list of these; or a dict from these to their
        ``schema``.
    schema
        Dtypes of the columns of one plugin: a dict from parameter to Polars dtype, or a list of such, one for
        each set of dtypes that it is built for. By default those of its annotations, else Float64.
    output
        Folder for the library; it is made if it isn't there.
    name
        What the file is called, before a digest of its content; by default as the first plugin.
    target
        System and processors that it is for: ``"linux-x86_64"``, ``"linux-aarch64"``, ``"macos-arm64"``,
        ``"macos-x86_64"`` or ``"windows-x86_64"``; by default those of the machine at hand. For another one
        ``ziglang`` links.

    Returns
    -------
    PluginLibrary
        Path of the file, and its plugins as expressions.

    Raises
    ------
    BuildError
        If a plugin can't be built, with the reason, or the linker fails.
    MissingDependencyError
        If there is no linker, or none for another machine.
    ArgumentError
        If there is no such target.
    BindingError, ColumnTypeError, KernelCompileError, KernelResultError
        As `compile_ahead` does.
    SinkError
        If the file can't be written.

    Notes
    -----
    Built are numbers, booleans, strings, bytes, decimals, dates, times, datetimes and durations, lists and
    arrays of all of these but decimals, categories, and structs. On x86-64 a library needs a processor of
    2013 or later (level v3), and on Linux and Windows it has loops beside for those with AVX-512 (v4); on
    64-bit ARM it needs any of Apple's own, and any at all on Linux. Constants are keyword arguments. The
    result's dtype, and that columns are of dtypes that the plugin was built for, are known when Polars plans
    a query. Results are those of `apply`, bit for bit; an error names the first row that fails. Ctrl-C
    doesn't end a loop of the kernel's that has no end.

    Scans, reduces, and kernels that read rows before or after get all rows at once, or those of a group of
    ``group_by`` or ``over``: Polars holds the columns that they read as a whole, the streaming engine too.

    Without this package the library is used by Polars' own
    ``polars.plugins.register_plugin_function(plugin_path=…, function_name="fare", args=["distance"],
    kwargs={"base": 3.5, "on_error": "null"}, is_elementwise=True)``.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def taxi_fare(distance, minutes, base=3.5):
    ...     return base + 1.2 * distance + 0.4 * minutes
    >>> from tempfile import mkdtemp
    >>> library = dfv.build(taxi_fare, output=mkdtemp())
    >>> df = pl.DataFrame({"distance": [10.0], "minutes": [20.0]})
    >>> df.select(library.expr("taxi_fare", "distance", "minutes", base=5.0)).item()
    25.0
    """
    library, _ = build_those(wanted_plugins(plugins, schema), output=output, name=name, target=target)
    assert library is not None  # as none is left out
    return library


def build_those(
    wanted: Mapping[Plugin, Sequence[Schema]],
    *,
    output: str | Path = ".",
    name: str | None = None,
    target: str | None = None,
    may_fail: Collection[str] = (),
) -> tuple[PluginLibrary | None, dict[str, PluginError]]:
    """Build plugins for the dtypes of all of their columns, some of which may be left out.

    Parameters
    ----------
    wanted
        The plugins with their schemas.
    output, name, target
        As in `build`.
    may_fail
        Names of those that are left out if they can't be built.

    Returns
    -------
    tuple
        The library, None if there is nothing to be in it; and why the others aren't, by name.

    Raises
    ------
    PluginError, MissingDependencyError, ArgumentError, SinkError
        As `build` does.
    """
    goal = target_of(target)
    left_out: dict[str, PluginError] = {}
    for plugin, schemas in wanted.items():
        with _leaving_out(plugin, may_fail, left_out):
            check_can_be_built(plugin, schemas)
    command = linker(goal)
    functions = []
    for plugin, schemas in wanted.items():
        if plugin.name not in left_out:
            with _leaving_out(plugin, may_fail, left_out):
                check(plugin)
                functions.append(compile_function(plugin, schemas, goal))
    if not functions:
        return None, left_out
    stem = name or functions[0].plugin.name
    content = linked(stem, functions, command, goal)
    path = write_file(Path(output), f"{stem}-{content_digest(content)}{goal.suffix}", content)
    return library_at(path, functions, goal), left_out


@contextmanager
def _leaving_out(
    plugin: Plugin, may_fail: Collection[str], left_out: dict[str, PluginError]
) -> Iterator[None]:
    try:
        yield
    except PluginError as error:
        if plugin.name not in may_fail:
            raise
        left_out[plugin.name] = error


def linked(stem: str, functions: Sequence[BuiltFunction], command: list[str], target: Target) -> bytes:
    """Return the content of a library.

    Raises
    ------
    BuildError
        If the linker fails.
    """
    objects = {
        signature.symbol(loop): file.code
        for function in functions
        for signature in function.signatures
        for loop, file in signature.loops.items()
    }
    objects.update(_tables(functions, target))
    return link(tables(stem, functions, target), objects, command, target)


def content_digest(content: bytes) -> str:
    """Return what the name of a library has of its content: Polars keeps what it has loaded from a path."""
    return hashlib.sha256(content).hexdigest()[:16]


def library_at(path: Path, functions: Sequence[BuiltFunction], target: Target) -> PluginLibrary:
    """Return what is known of a library that was written."""
    return PluginLibrary(
        path,
        {function.plugin.name: function.plugin for function in functions},
        {function.plugin.name: function.schemas for function in functions},
        target.name,
    )


def _tables(functions: Sequence[BuiltFunction], target: Target) -> dict[str, bytes]:
    loops = [file for one in functions for signature in one.signatures for file in signature.loops.values()]
    found = table_file((name for file in loops for name in file.external), target)
    return {} if found is None else {"constants": found}


def wanted_plugins(plugins: Any, schema: Schemas = None) -> dict[Plugin, tuple[Schema, ...]]:
    """Return the plugins, and the dtypes of all of their columns that each is built for."""
    if isinstance(plugins, Mapping):
        given = dict(plugins)
    elif isinstance(plugins, (str, Plugin)):
        given = {plugins: schema}
    else:
        given = dict.fromkeys(plugins)
    if schema is not None and not isinstance(plugins, (str, Plugin)):
        msg = "`schema` goes with one plugin"
        raise ArgumentError(msg, argument="schema", hint="pass a dict from plugin to schema")
    if not given:
        raise ArgumentError(argument="plugins", expected="a plugin at least", got=repr(plugins))
    wanted: dict[Plugin, tuple[Schema, ...]] = {}
    for key, one in given.items():
        plugin = default_registry.resolve(key)
        if any(plugin.name == other.name for other in wanted):
            msg = f"the plugin `{plugin.name}` is given twice"
            raise ArgumentError(msg, argument="plugins")
        wanted[plugin] = _schemas(plugin, one)
    return wanted


def _schemas(plugin: Plugin, schema: Schemas) -> tuple[Schema, ...]:
    columns = [parameter for parameter in plugin.parameters if parameter.is_column]
    if schema is None:
        return ({parameter.name: assumed_dtype(parameter.expects) for parameter in columns},)
    several = [schema] if isinstance(schema, Mapping) else list(schema)
    return tuple(
        {parameter.name: _dtype(plugin, parameter.name, one) for parameter in columns} for one in several
    )


def _dtype(plugin: Plugin, parameter: str, schema: Schema) -> pl.DataType:
    if parameter not in schema:
        msg = f"the schema has no type for parameter `{parameter}`"
        raise BindingError(msg, plugin=plugin.name, parameter=parameter)
    dtype = schema[parameter]
    if isinstance(dtype, type) and issubclass(dtype, pl.DataType):
        return dtype()
    if not isinstance(dtype, pl.DataType):
        msg = f"the type of parameter `{parameter}` must be a Polars dtype, got {dtype!r}"
        raise BindingError(
            msg, plugin=plugin.name, parameter=parameter, expected="a Polars dtype", got=repr(dtype)
        )
    return dtype
