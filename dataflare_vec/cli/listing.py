"""``dataflare-vec list``: the plugins that are installed, by family."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common

if TYPE_CHECKING:
    from argparse import Namespace

    from dataflare_vec.definition.plugin import Plugin

#: Where the ready-made kernels are: a module or a folder for each family.
PACK = "dataflare_vec_kernels."


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("list", help="list the installed plugins, one per line")
    common.add_plugins_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print the families of the pack by name, then the user's own."""
    from dataflare_vec.definition.registering import plugins

    common.load_plugins(options.plugins)
    families: dict[str, list[Plugin]] = {}
    for plugin in plugins():
        module = plugin.__module__
        own = module in ("__main__", "dataflare_vec.definition.plugin")  # the latter: of an expression
        family = "registered here" if own else _family(module)
        families.setdefault(family, []).append(plugin)
    if options.json:
        described = {
            family: {plugin.name: plugin.info.description for plugin in members}
            for family, members in families.items()
        }
        sys.stdout.write(json.dumps(described) + "\n")
        return common.DONE
    for family in sorted(families, key=lambda name: (name == "registered here", name)):
        lines = [f"  {plugin.name:<22} {plugin.info.description}\n" for plugin in families[family]]
        sys.stdout.write(f"{family}\n{''.join(lines)}\n")
    return common.DONE


def _family(module: str) -> str:
    return module.removeprefix(PACK).partition(".")[0] if module.startswith(PACK) else module
