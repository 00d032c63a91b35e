"""How the command starts: before Polars is imported, which takes a moment, and before any file is opened.

Nothing here concerns a program that imports the library.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

INTERRUPTED = 130


def _begin() -> None:
    """Let Ctrl-C end the command without a traceback, and let no file take the place of a closed stream."""
    if not _is_command():
        return
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # what is opened next would be the standard output to whoever writes there
            os.open(os.devnull, os.O_RDWR)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def _is_command() -> bool:
    arguments: list[str] = getattr(sys, "argv", None) or [""]
    if arguments[0] == "-m":  # while `python -m` looks for the module
        return "dataflare_vec.cli" in sys.orig_argv
    return os.path.basename(arguments[0]).startswith("dataflare-vec")


def _end(*_: object) -> NoReturn:
    """End at once: an exception might be taken for something else by a library that is half-imported."""
    os.write(2, b"dataflare-vec: interrupted before anything was done\n")
    os._exit(INTERRUPTED)


_begin()
