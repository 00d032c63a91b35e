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
    from types import FrameType
    from typing import NoReturn

#: Where Python writes the number of each signal that comes, to be read.
_signals: int | None = None


class Terminated(KeyboardInterrupt):
    """SIGTERM came: whoever lets Ctrl-C through lets this through; a SystemExit could be a plugin's."""


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def prepare() -> None:
    """Make the streams and the signals what the commands take them for."""
    global _signals
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it is closed; `sys.__stdout__` still says so
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
    # The name of a file may be no text, and a terminal may know fewer signs than we write.
    out: io.TextIOWrapper = sys.stdout  # type: ignore[assignment]
    out.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _terminate)
    if os.name == "posix":
        _signals, writing = os.pipe()
        os.set_blocking(_signals, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    sys.unraisablehook = _unraisable
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _unraisable(args: Any) -> None:
    """Raise a signal again that came amid a destructor; Python would print it, and go on."""
    number = {KeyboardInterrupt: signal.SIGINT, Terminated: signal.SIGTERM}.get(args.exc_type)
    if number is not None:
        _interrupt_later(number)  # now it would come up in here
    else:
        sys.__unraisablehook__(args)


def _interrupt_later(number: signal.Signals) -> None:
    threading.Timer(0.01, _interrupt, [number]).start()


def _interrupt(number: signal.Signals) -> None:
    """Raise a signal in the main thread, but where it would be swallowed."""
    if _swallows(sys._current_frames().get(threading.main_thread().ident or 0)):
        _interrupt_later(number)
    else:
        _thread.interrupt_main(number)


def _swallows(frame: FrameType | None) -> bool:
    """Whether what is raised in a frame is lost.

    Modules written in Cython register classes as abstract ones when they are imported, and go on whatever
    that raises. And `_unraisable` may not have returned yet: it waits until the timer's thread has begun.
    """
    if frame is not None and frame.f_globals.get("__name__") == "abc":
        return True
    while frame is not None and frame.f_code is not _unraisable.__code__:
        frame = frame.f_back
    return frame is not None


def stopped(error: BaseException) -> int | None:
    """Return the exit code if an error is of a signal: also one that a half-imported module made of it."""
    if isinstance(error, KeyboardInterrupt):
        return common.TERMINATED if isinstance(error, Terminated) else common.INTERRUPTED
    try:
        came = b"" if _signals is None else os.read(_signals, 1 << 12)
    except BlockingIOError:
        return None
    codes = {signal.SIGTERM: common.TERMINATED, signal.SIGINT: common.INTERRUPTED}
    return next((code for number, code in codes.items() if number in came), None)


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
