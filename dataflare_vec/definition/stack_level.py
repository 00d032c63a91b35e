"""The user's code that the package was called from: to warn there, and to know where a plugin is defined."""

from __future__ import annotations

import os
import sys
import warnings
from os.path import dirname
from typing import TYPE_CHECKING, NamedTuple
from weakref import ReferenceType, ref

import polars as pl

from dataflare_vec.definition.plugin import plain

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from dataflare_vec.definition.plugin import Plugin

#: Where code isn't the user's: here, and in Polars, whose `pipe` is often between.
_NOT_THE_USERS = tuple(folder + os.sep for folder in (dirname(dirname(__file__)), dirname(pl.__file__)))


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


class Place(NamedTuple):
    """Where a plugin is defined."""

    module: str
    file: str
    name: str  # the function's qualified name, or that of the code that registers an expression
    lines: tuple[int, int]  # of the function, and of the call that registers it
    code: ReferenceType[CodeType] | None  # what was being run then: a module's code, a cell's, a function's

    def is_again(self, new: Place) -> bool:
        """Whether a definition is this one, run again; it may have been edited since.

        That is one of the same name in the same file: of a module that is reloaded, or a script that is run
        again. In one and the same run two definitions of a name are two. What comes out of no file, a cell
        of a notebook or a line at a prompt, goes by its name alone.
        """
        if self.name != new.name:
            return False
        if self.module == new.module == "__main__" and not os.path.exists(new.file):
            return True
        if self.file != new.file or (self.module != new.module and not os.path.exists(new.file)):
            return False
        code = None if self.code is None else self.code()
        return code is None or new.code is None or code is not new.code() or self.lines == new.lines

    def __str__(self) -> str:
        return f'File "{self.file}", line {self.lines[0]}, in {self.name}'


def place_of(plugin: Plugin) -> Place:
    """Return where a plugin is defined that is being registered."""
    _, frame = _caller()
    code = None if frame is None else frame.f_code
    line = 0 if frame is None else frame.f_lineno
    running = None if code is None else ref(code)
    function = plain(plugin.function)
    if hasattr(function, "__code__"):
        own = function.__code__
        lines = (own.co_firstlineno, line)
        return Place(function.__module__ or "", own.co_filename, function.__qualname__, lines, running)
    module = "" if frame is None else str(frame.f_globals.get("__name__"))
    file, name = ("", "") if code is None else (code.co_filename, code.co_name)
    return Place(module, file, f"{type(plugin.function).__name__} in {name}", (line, line), running)


def is_autoreload() -> bool:
    """Whether IPython is reloading a module that has been edited, and wants old objects to follow."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("IPython.extensions."):
            return True
        frame = frame.f_back
    return False
