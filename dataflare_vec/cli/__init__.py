"""The command ``dataflare-vec``: each module here is one of its commands.

By argparse, which is imported in a fraction of the time that Click or Typer take: pipes start it often.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from dataflare_vec._version import __version__
from dataflare_vec.cli import (
    bench,
    build,
    cache,
    common,
    compile,
    demo,
    explain,
    listing,
    new,
    process,
    report,
    run,
    show,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

#: In the order of ``--help``. Each has ``add(commands)``, which adds its parser and sets ``run`` on it:
#: ``run(options) -> int``, the exit code. What a command needs is imported when it runs.
COMMANDS = (run, listing, show, explain, bench, new, report, compile, build, cache, demo)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code, one of `common.EXIT_CODES`."""
    parser = argparse.ArgumentParser(
        prog="dataflare-vec",
        description="User-defined functions (UDFs) over Arrow columns, compiled and applied to files.",
        epilog=common.EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dataflare-vec {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
    except BrokenPipeError:
        code = common.BROKEN_PIPE
    except BaseException as error:
        stopped = process.stopped(error)
        if stopped is not None:
            sys.stderr.write(f"dataflare-vec: {common.STOPPED[stopped]}; nothing half-written is left\n")
            return stopped
        code = common.complain(error)
    return process.flushed(code)


def command() -> None:
    """Run the command line of this process, and end it."""
    try:
        process.prepare()
        code = main()
    except SystemExit as end:  # of the help, or wrong usage
        code = process.flushed(int(end.code or 0))
    except KeyboardInterrupt as error:
        code = process.stopped(error) or common.INTERRUPTED
        sys.stderr.write(f"dataflare-vec: {common.STOPPED[code]} before the run began\n")
    process.end(code)
