"""``dataflare-vec list``: the plugins that are installed, by family."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Namespace

#: Modules of the ready-made kernels; what follows is a family's name.
PACK = "dataflare_vec_kernels."


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("list", help="all plugins that are installed, one line each")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print the families of the pack by name, then the user's own."""
    from dataflare_vec.decorators import plugins

    families: dict[str, list[str]] = {}
    for plugin in plugins():
        module = plugin.__module__
        own = module in ("__main__", "dataflare_vec.definition")  # the latter: an expression has no module
        family = "registered here" if own else module.removeprefix(PACK)
        families.setdefault(family, []).append(f"  {plugin.name:<22} {plugin.info.description}\n")
    for family in sorted(families, key=lambda name: (name == "registered here", name)):
        sys.stdout.write(f"{family}\n{''.join(families[family])}\n")
    return 0
