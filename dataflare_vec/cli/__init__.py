"""The command ``dataflare-vec``: each module here is one of its commands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dataflare_vec import __version__
from dataflare_vec.cli import demo, listing

if TYPE_CHECKING:
    from collections.abc import Sequence

#: In the order of ``--help``. Each has ``add(commands)``, which adds its parser and sets ``run`` on it:
#: ``run(options) -> int``, the exit code. What a command needs is imported when it runs.
COMMANDS = (listing, demo)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code (0 done, 1 failed, 2 wrong usage)."""
    parser = argparse.ArgumentParser(
        prog="dataflare-vec", description="Your own Python over data frames, compiled onto Arrow memory."
    )
    parser.add_argument("--version", action="version", version=f"dataflare-vec {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code
