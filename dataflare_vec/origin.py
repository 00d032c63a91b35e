"""The user's code that the package was called from: to warn there, and to know a cell that is run again."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec.definition import plain

if TYPE_CHECKING:
    from types import FrameType

    from dataflare_vec.definition import Plugin

#: Where code isn't the user's: here, and in Polars, whose `pipe` is often between.
_NOT_THE_USERS = tuple(os.path.dirname(file) + os.sep for file in (__file__, pl.__file__))


def _caller() -> tuple[int, FrameType | None]:
    """Return the frame of the user's code, and how far up it is; None in a thread that he didn't start."""
    level, frame = 1, sys._getframe(1)
    current: FrameType | None = frame
    while current is not None and current.f_code.co_filename.startswith(_NOT_THE_USERS):
        level, current = level + 1, current.f_back
    return level, current


def warn(message: str, category: type[Warning]) -> None:
    """Warn, with the line of the user's code that called the package."""
    level, _ = _caller()
    warnings.warn(message, category, stacklevel=level)


def is_edit(old: Plugin, new: Plugin) -> bool:
    """Whether a plugin is another one's definition, run again in a cell of a notebook or at a prompt.

    That is a function of ``__main__`` with the same qualified name, or an expression for an expression, out
    of no file that there is.
    """
    if isinstance(new.function, pl.Expr):
        _, frame = _caller()
        if frame is None or not isinstance(old.function, pl.Expr):
            return False
        return frame.f_globals.get("__name__") == "__main__" and not os.path.exists(frame.f_code.co_filename)
    before, after = plain(old.function), plain(new.function)
    code = getattr(after, "__code__", None)
    if code is None or getattr(before, "__qualname__", None) != after.__qualname__:
        return False
    return before.__module__ == after.__module__ == "__main__" and not os.path.exists(code.co_filename)
