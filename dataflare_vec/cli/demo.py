"""``dataflare-vec demo``: real flights through every form of plugin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Namespace


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("demo", help="336,776 real flights through kernels, expressions and filters")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Run the demo; 1 if what it needs isn't installed."""
    try:
        from dataflare_vec.cli.flights import run_demo
    except ModuleNotFoundError as error:
        sys.stderr.write(f'the demo needs `{error.name}`: python -m pip install "dataflare_vec[demo]"\n')
        return 1
    run_demo()
    return 0
