"""What is said of exceptions that compiled code raises, in parts: it holds each as Numba has pickled it."""

from __future__ import annotations

import linecache
import pickle
from pathlib import Path, PurePath
from typing import NamedTuple

_OWN = Path(__file__).parents[1]
# What Numba makes of an exception that leaves an `except`.
_RERAISED = "Unreachable condition reached (op code RERAISE executed)"


class ExceptionParts(NamedTuple):
    """An exception of a kernel.

    Attributes
    ----------
    kind
        Name of its class.
    message
        What it says; "" if that is made when it is raised, or if it says nothing.
    place
        File and line, in brackets.
    line
        The same with the line's text, which says what a message would be made of.
    """

    kind: str
    message: str
    place: str
    line: str


def parts_of(pickled: bytes) -> ExceptionParts:
    """Return what is said of an exception."""
    kind, arguments, place = pickle.loads(pickled)
    try:
        message = str(kind(*arguments or ()))
    except Exception:  # a class that takes other arguments
        message = ", ".join(map(str, arguments or ()))
    if message.startswith(_RERAISED):
        return ExceptionParts("Exception", "raised while another one was handled", "", "")
    if not place or _OWN in PurePath(place[1]).parents:  # of a function of Python's, as we write it
        return ExceptionParts(kind.__name__, message, "", "")
    where = f"{PurePath(place[1]).name}, line {place[2]}"
    text = linecache.getline(place[1], place[2]).strip()
    return ExceptionParts(kind.__name__, message, f" ({where})", f" ({where}: `{text}`)" if text else "")


def makes_message(pickled: bytes) -> bool:
    """Whether an exception may have a message that is made when it is raised."""
    _, arguments, place = pickle.loads(pickled)
    return arguments == () and bool(place)
