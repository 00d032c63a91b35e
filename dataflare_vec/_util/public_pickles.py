"""Pickles that name a class as users do: stored ones can be read when it has moved to another module.

Python's own way is a class's ``__module__``. If that named the package and not the file, nobody would find
the class's source, nor its doctests. So instances are pickled as calls of functions, of which the package
knows the names.
"""

from __future__ import annotations

import copyreg
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    _Function = TypeVar("_Function", bound=Callable[..., Any])

_PACKAGE = "dataflare_vec"
_Class = TypeVar("_Class", bound=type)


def by_public_name(kind: _Class) -> _Class:
    """Have instances of a class, but not of subclasses, pickled by its name in the package."""
    copyreg.pickle(kind, _reduce)
    return kind


def in_package(function: _Function) -> _Function:
    """Have pickles name a function that makes something as one of the package, which has to know it."""
    function.__module__ = _PACKAGE
    return function


def _reduce(value: Any) -> tuple[Any, ...]:
    kind = type(value)
    if isinstance(value, Enum):
        return _call, (kind.__name__, value.value)
    function, arguments, *state = value.__reduce_ex__(2)
    if function is copyreg.__newobj__:  # type: ignore[attr-defined]
        return _new, (kind.__name__, *arguments[1:]), *state
    return _call, (function.__qualname__, *arguments), *state  # the class, or a method of it


@in_package
def _new(name: str, *arguments: Any) -> Any:
    """Return an instance of a public class that isn't initialised."""
    kind = getattr(import_module(_PACKAGE), name)
    return kind.__new__(kind, *arguments)


@in_package
def _call(name: str, *arguments: Any) -> Any:
    """Call a public class or a method of one."""
    found: Any = import_module(_PACKAGE)
    for part in name.split("."):
        found = getattr(found, part)
    return found(*arguments)
