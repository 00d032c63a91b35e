"""The command ``dataflare-vec``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


#: Modules of the ready-made kernels; what follows is a family's name.
PACK = "dataflare_vec_kernels."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code (0 done, 1 failed, 2 wrong usage)."""
    from dataflare_vec import __version__

    parser = argparse.ArgumentParser(
        prog="dataflare-vec", description="Your own Python over data frames, compiled onto Arrow memory."
    )
    parser.add_argument("--version", action="version", version=f"dataflare-vec {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("demo", help="336,776 real flights through kernels, expressions and filters")
    commands.add_parser("list", help="all plugins that are installed, one line each")
    command = parser.parse_args(arguments).command
    if command == "list":
        return _list()
    return _demo()


def _list() -> int:
    from dataflare_vec.decorators import plugins

    families: dict[str, list[str]] = {}
    for plugin in plugins():
        module = plugin.__module__
        own = module in ("__main__", "dataflare_vec.definition")  # the latter: an expression has no module
        family = "registered here" if own else module.removeprefix(PACK)
        families.setdefault(family, []).append(f"  {plugin.name:<22} {plugin.info.description}\n")
    # The pack's families by name, then the user's own.
    for family in sorted(families, key=lambda name: (name == "registered here", name)):
        sys.stdout.write(f"{family}\n{''.join(families[family])}\n")
    return 0


def _demo() -> int:
    try:
        from dataflare_vec.demo import run_demo
    except ModuleNotFoundError as error:
        sys.stderr.write(f'the demo needs `{error.name}`: python -m pip install "dataflare_vec[demo]"\n')
        return 1
    run_demo()
    return 0


if __name__ == "__main__":
    sys.exit(main())
