"""Where code was written: in a file, in a cell of a notebook, at a prompt."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from types import FrameType

#: Where code isn't the user's: here, and in Polars, whose `pipe` is often between.
_NOT_THE_USERS = tuple(os.path.dirname(file) + os.sep for file in (__file__, pl.__file__))


def caller() -> tuple[int, FrameType | None]:
    """Return the frame of the user's code that called the package, and how far up it is.

    In a thread of the package or of Polars there is none.
    """
    level, frame = 1, sys._getframe(1)
    current: FrameType | None = frame
    while current is not None and current.f_code.co_filename.startswith(_NOT_THE_USERS):
        level, current = level + 1, current.f_back
    return level, current


def warn(message: str, category: type[Warning]) -> None:
    """Warn, with the line of the user's code that called the package."""
    level, _ = caller()
    warnings.warn(message, category, stacklevel=level)


def is_interactive(module: str | None, file: str) -> bool:
    """Whether code is from a cell or a prompt: of ``__main__``, and not out of a file that there is."""
    return module == "__main__" and not os.path.exists(file)


def module_and_file(function: Any) -> tuple[str | None, str]:
    """Return in which module a function was written and in which file."""
    return function.__module__, function.__code__.co_filename
