"""Ctrl-C ends a kernel's loop that doesn't end by itself.

Python answers a signal between two of its own instructions, and while compiled code runs there is none. So
loops of unknown length look at a word (see `jit.passes.interrupts`). While one runs, a signal handler of
ours, which is compiled code too, writes to that word and then calls Python's. The loop ends, and the run with
it, by a KeyboardInterrupt.

Only where Ctrl-C means KeyboardInterrupt: a program that handles the signal in its own way is left alone.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from dataflare_vec._util import forks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The symbol by which compiled code knows the words.
SYMBOL = "dfv_interrupted"

#: Whether Ctrl-C was pressed since loops run; the handler to call then; how many loops run; a lock for these.
words = (ctypes.c_int64 * 4)()

_makers: list[Callable[[], tuple[int, int]]] = []


def provide(make: Callable[[], tuple[int, int]]) -> None:
    """Say what returns the addresses of functions that call a loop of two and of five arguments, watched.

    They get the address of the words, that of the loop and its arguments, and return a negative number if
    Ctrl-C was pressed. There is no Python in them: the KeyboardInterrupt could come up anywhere in it.
    """
    _makers[:] = [make]


def press() -> None:
    """End the loops that run, as Ctrl-C does. Whoever presses lets go, or no later loop would run."""
    words[0] = 1


def let_go() -> None:
    """Let loops run again."""
    words[0] = 0


def watched(address: int, arguments: int) -> Callable[..., int]:
    """Return the loop at an address, of so many arguments; Ctrl-C ends it with a KeyboardInterrupt."""
    loop = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * arguments)(address)
    if os.name != "posix":
        return loop
    watch = _watch(arguments)
    own = ctypes.addressof(words)

    def run(*values: int) -> int:
        handled = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        result: int = loop(*values) if handled else watch(own, address, *values)
        if result < 0:
            raise KeyboardInterrupt
        return result

    return run


@contextmanager
def held_back() -> Iterator[None]:
    """Have Ctrl-C wait until what is within has ended: it would be of no use half done, as an import."""
    earlier = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(earlier):
        yield  # signals come to the main thread alone, or end the process
        return
    pressed: list[Any] = []
    signal.signal(signal.SIGINT, lambda *signal_and_frame: pressed.append(signal_and_frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)
        if pressed:
            earlier(*pressed[0])


@cache
def _watch(arguments: int) -> Callable[..., int]:
    of_two, of_five = _makers[0]()
    address = of_two if arguments == 2 else of_five
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * (2 + arguments))(address)


def _after_fork() -> None:
    if words[2]:  # loops ran on threads that the child hasn't got
        library = ctypes.CDLL(None)
        library.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
        if words[1]:
            library.signal(signal.SIGINT, words[1])
            library.siginterrupt(signal.SIGINT, 1)
    for i in range(len(words)):
        words[i] = 0


forks.call_in_child(_after_fork)
