"""The command ``dataflare-vec``: each module here is one of its commands."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING

from dataflare_vec._version import __version__
from dataflare_vec.cli import (
    bench,
    cache,
    common,
    compile,
    demo,
    explain,
    listing,
    new,
    report,
    run,
    show,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

#: In the order of ``--help``. Each has ``add(commands)``, which adds its parser and sets ``run`` on it:
#: ``run(options) -> int``, the exit code. What a command needs is imported when it runs.
COMMANDS = (run, listing, show, explain, bench, new, report, compile, cache, demo)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code, one of `common.EXIT_CODES`."""
    parser = argparse.ArgumentParser(
        prog="dataflare-vec",
        description="Your own Python over data frames, compiled onto Arrow memory.",
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
        sys.stdout.flush()
    except SystemExit as end:  # of SIGTERM
        return int(end.code or 0)
    except KeyboardInterrupt:
        sys.stderr.write("dataflare-vec: interrupted; nothing half-written is left\n")
        return common.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return common.BROKEN_PIPE
    except Exception as error:
        return common.complain(error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Polars, which is none of Exception
            raise
        sys.stderr.write(f"dataflare-vec: Polars failed: {error}\n")
        return common.FAILED
    return code


def command() -> None:
    """Run the command line of this process, and end it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(common.TERMINATED))
    code = main()
    if code in (common.INTERRUPTED, common.TERMINATED):
        # A thread may be waiting for input that never comes; Python would wait for it, or abort.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
