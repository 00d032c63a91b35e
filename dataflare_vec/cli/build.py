"""``dataflare-vec build``: kernels into a native library that Polars loads by itself."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common
from dataflare_vec.cli.dtypes import dtype_of, split_types

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Sequence

    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.exceptions import PluginError
    from dataflare_vec.polars_plugin.library import PluginLibrary


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "build",
        help="build kernels into a native library that Polars loads without Python or Numba",
        description="Build row kernels and filters into a native library, a plugin of Polars.",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="FILE.py|MODULE|PLUGIN",
        help="a Python file or a module, of which all plugins are built, or the name of a plugin",
    )
    parser.add_argument(
        "--for",
        dest="types",
        action="append",
        default=[],
        metavar="PLUGIN=TYPES[;TYPES…]",
        help='dtypes of a plugin\'s columns, each set that it is built for, such as "fare=f64,f64; f64,i64"; '
        "by default those of the annotations, else f64; may be repeated",
    )
    parser.add_argument("-o", "--output", default=".", metavar="FOLDER", help="folder for the library")
    parser.add_argument("--name", help="what the file is called; by default as the first source")
    parser.add_argument(
        "--wheel", action="store_true", help="write a wheel, too: a Python package that needs Polars only"
    )
    parser.add_argument(
        "--target",
        default="",
        metavar="TARGET[,TARGET…]",
        help="what to build for: linux-x86_64, linux-aarch64, macos-arm64, macos-x86_64, windows-x86_64; by "
        "default for machines like this one",
    )
    parser.add_argument("--version", default="0.1.0", help="version of the wheel (0.1.0)")
    common.add_plugins_option(parser)
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Build the library and say where it is, and what it is built for.

    Of a file or a module all is built that can be; the other plugins are named, each with the reason, and the
    code is 1. It is 2 if nothing can be built, or not what is named.
    """
    from dataflare_vec.exceptions import DataFlareError
    from dataflare_vec.polars_plugin.build import build_those, wanted_plugins
    from dataflare_vec.polars_plugin.linker import linker
    from dataflare_vec.polars_plugin.targets import target_of
    from dataflare_vec.polars_plugin.wheel import check_names

    try:
        common.load_plugins(options.plugins)
        plugins = {plugin.name: plugin for source in options.sources for plugin in _plugins(source)}
        types = _types(options.types, plugins)
        name = options.name or Path(options.sources[0]).stem.rpartition(".")[2]
        if options.wheel:
            check_names(name, options.version)
        wanted = wanted_plugins({plugin: types.get(plugin.name) for plugin in plugins.values()})
        may_fail = plugins.keys() - types.keys() - set(options.sources)
        targets = [target_of(one or None) for one in options.target.split(",")]
        for target in targets:
            linker(target)  # before the first is built
        libraries: list[PluginLibrary] = []
        left_out: dict[str, PluginError] = {}
        for target in targets:
            library, failed = build_those(
                wanted, output=options.output, name=name, target=target.name, may_fail=may_fail
            )
            left_out |= failed
            libraries += [] if library is None else [library]
        wheels = [
            library.write_wheel(options.output, version=options.version)
            for library in libraries
            if options.wheel
        ]
    except (DataFlareError, ValueError) as error:
        return common.complain(error)
    for library in libraries[:1]:
        for plugin, schemas in library.schemas.items():
            for schema in schemas:
                columns = ", ".join(f"{parameter}: {dtype}" for parameter, dtype in schema.items())
                sys.stdout.write(f"{plugin}({columns})\n")
    sys.stdout.write("".join(f"in {library.path}\n" for library in libraries))
    sys.stdout.write("".join(f"and {wheel}\n" for wheel in wheels))
    if not left_out:
        return common.DONE
    for reason in left_out.values():
        common.complain(reason)
    if not libraries:
        return common.USAGE
    sys.stderr.write(
        "dataflare-vec: all others are built; name plugins, with --plugins, to build only these\n"
    )
    return common.FAILED


def _plugins(source: str) -> list[Plugin]:
    """Return the plugins that a file or module registers, or the one of a name.

    Raises
    ------
    ValueError
        If there are none.
    """
    from dataflare_vec.definition.registry import default_registry

    if source.endswith(".py"):
        known = {id(plugin) for plugin in default_registry.all()}
        common.load_plugins([source])
        found = [plugin for plugin in default_registry.all() if id(plugin) not in known]
    elif source.isidentifier() and default_registry.find(source) is not None:
        return [default_registry.get(source)]
    elif _is_module(source):
        module = import_module(source).__name__
        found = [
            plugin for plugin in default_registry.all() if f"{plugin.__module__}.".startswith(f"{module}.")
        ]
    else:
        return [default_registry.get(source)]
    if not found:
        msg = f"`{source}` registers no plugin"
        raise ValueError(msg)
    return found


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _types(texts: Sequence[str], plugins: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the dtypes of the columns of each plugin that ``--for`` names.

    Raises
    ------
    ValueError
        If a text isn't of that form.
    """
    from dataflare_vec.definition.registry import default_registry

    names = list(plugins)
    found: dict[str, list[dict[str, Any]]] = {}
    for text in texts:
        name, sign, types = text.partition("=")
        if not sign and len(names) == 1:
            name, types = names[0], text
        name = name.strip()
        if name not in names:
            msg = f"--for: expected PLUGIN=TYPES for one of {', '.join(names)}, got `{text}`"
            raise ValueError(msg)
        columns = [one.name for one in default_registry.get(name).parameters if one.is_column]
        for part in types.split(";"):
            dtypes = [dtype_of(one, "--for") for one in split_types(part)]
            if len(dtypes) != len(columns):
                shown = ", ".join(columns)
                msg = f"--for: `{name}` reads {len(columns)} columns ({shown}), got {len(dtypes)} types"
                raise ValueError(msg)
            found.setdefault(name, []).append(dict(zip(columns, dtypes, strict=True)))
    return found
