"""``dataflare-vec demo``: real flights through every form of plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common

if TYPE_CHECKING:
    from argparse import Namespace


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("demo", help="run kernels, expressions and filters on 336,776 real flights")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Run the demo."""
    from dataflare_vec.config.extras import require

    require("demo", "the demo")
    from dataflare_vec.cli.flights import run_demo

    run_demo()
    return common.DONE
