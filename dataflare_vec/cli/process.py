"""The process of the command: its standard streams, its signals, and how it ends."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common

if TYPE_CHECKING:
    import io
    from typing import NoReturn

#: Where Python writes the number of each signal that comes, to be read.
_signals: int | None = None


def prepare() -> None:
    """Make the streams and the signals what the commands take them for."""
    global _signals
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it is closed; `sys.__stdout__` still says so
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
    # The name of a file may be no text, and a terminal may know fewer signs than we write.
    out: io.TextIOWrapper = sys.stdout  # type: ignore[assignment]
    out.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(common.TERMINATED))
    if os.name == "posix":
        _signals, writing = os.pipe()
        os.set_blocking(_signals, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    sys.unraisablehook = _unraisable
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _unraisable(args: Any) -> None:
    """Raise a Ctrl-C again that came amid a destructor; Python would print it, and go on."""
    if args.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, _thread.interrupt_main).start()  # now it would come up in here
    else:
        sys.__unraisablehook__(args)


def is_interrupted(error: BaseException) -> bool:
    """Whether an error is of Ctrl-C: also where a module that was being imported made another one of it."""
    if isinstance(error, KeyboardInterrupt):
        return True
    try:
        return _signals is not None and signal.SIGINT in os.read(_signals, 1 << 12)
    except BlockingIOError:
        return False


def flushed(code: int) -> int:
    """Write what is left of the standard output; return the exit code, another one if that can't be."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # whoever read it has gone
            return common.BROKEN_PIPE
        sys.stderr.write(f"dataflare-vec: can't write the standard output: {error.strerror}\n")
        return common.OUTPUT
    return code


def end(code: int) -> NoReturn:
    """End the process."""
    if os.name == "posix" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done
    if code in (common.INTERRUPTED, common.TERMINATED):
        # A thread may be waiting for input that never comes; Python would wait for it, or abort.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
