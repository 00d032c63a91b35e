"""``dataflare-vec compile``: kernels into the cache before they are needed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common
from dataflare_vec.cli.dtypes import dtype_of, split_types

if TYPE_CHECKING:
    from argparse import Namespace

    from dataflare_vec.definition.plugin import Plugin


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "compile",
        help="compile kernels into the cache ahead of time, for a container image or a service",
        description="Compile kernels into the cache, where later runs on this kind of processor find them.",
    )
    parser.add_argument("names", nargs="+", metavar="PLUGIN", help="name of a row kernel or filter")
    parser.add_argument(
        "--for",
        dest="types",
        metavar="TYPES",
        help='dtypes of the columns, such as "f64,f64" or "i32,date,datetime[us]"; by default those of '
        "the annotations, else f64",
    )
    parser.add_argument(
        "--native",
        action="store_true",
        help="build the native libraries, too, that native=True and DATAFLARE_VEC_NATIVE=1 look for",
    )
    common.add_plugins_option(parser)
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Compile each plugin and say what it returns; 1 if there is no cache, 2 if a plugin or type is wrong."""
    from dataflare_vec.api.precompile import compile_ahead
    from dataflare_vec.compiler.cache.folder import open_folder
    from dataflare_vec.definition.registry import default_registry
    from dataflare_vec.exceptions import DataFlareError

    folder = open_folder()
    if folder is None:
        sys.stderr.write("dataflare-vec: no cache available to compile into\n")
        return 1
    common.load_plugins(options.plugins)
    for name in options.names:
        try:
            plugin = default_registry.get(name)
            schema = _schema(plugin, options.types)
            outputs = compile_ahead(plugin, schema, native=options.native)
        except (DataFlareError, ValueError) as error:
            common.complain(error)
            return common.USAGE
        sys.stdout.write(f"{name}({_shown(schema)}) → {_shown(outputs)}\n")
    sys.stdout.write(f"in {folder.path}\n")
    return 0


def _shown(types: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {dtype}" for name, dtype in types.items())


def _schema(plugin: Plugin, types: str | None) -> dict[str, Any]:
    """Return the type of each column parameter.

    Raises
    ------
    ValueError
        If a type isn't one, or there aren't as many as parameters.
    """
    columns = [parameter for parameter in plugin.parameters if parameter.is_column]
    if types is None:
        from dataflare_vec.definition.annotations import assumed_dtype

        return {parameter.name: assumed_dtype(parameter.expects) for parameter in columns}
    found = [dtype_of(text, "--for") for text in split_types(types)]
    if len(found) != len(columns):
        names = ", ".join(parameter.name for parameter in columns)
        msg = f"--for: `{plugin.name}` reads {len(columns)} columns ({names}), got {len(found)} types"
        raise ValueError(msg)
    return {parameter.name: dtype for parameter, dtype in zip(columns, found, strict=True)}
