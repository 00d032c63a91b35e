"""``dataflare-vec explain``: what became of a plugin's loop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common
from dataflare_vec.cli.reading import add_reading_options

if TYPE_CHECKING:
    from argparse import Namespace


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "explain",
        help="show whether a plugin's loop is vectorised, what it reads and writes, and what slows it down",
    )
    parser.add_argument("plugins_to_run", metavar="PLUGIN[,PLUGIN…]")
    parser.add_argument("file", nargs="?", metavar="FILE", help="data to read dtypes from and to measure on")
    common.add_plugins_option(parser)
    common.add_set_option(parser)
    common.add_by_option(parser)
    add_reading_options(parser)
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print the explanation."""
    from dataflare_vec.api.explain import explain

    if options.by and options.file is None:
        msg = "--by needs FILE, to know the dtypes of the keys"
        raise ValueError(msg)
    common.load_plugins(options.plugins)
    plugins, bindings = common.parse_plugins(options.plugins_to_run, options.bindings, options.by)
    data = () if options.file is None else (common.read_rows(options.file, plugins, bindings, options),)
    sys.stdout.write(f"{explain(plugins, *data, **bindings)}\n")
    return common.DONE
