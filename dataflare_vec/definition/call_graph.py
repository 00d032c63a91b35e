"""Which functions a function may call, by what it names; and whether it may come to call itself."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition.plugin import Plugin, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def may_recurse(function: Callable[..., Any]) -> bool:
    """Whether a plain function may come to call itself."""
    return any(plain(one) is function for one in called_by(function))


def called_by(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield the functions and dispatchers that a plain function may call, itself or by others; each once."""
    seen: set[int] = set()
    waiting = [function]
    while waiting:
        for named in _named_by(waiting.pop()):
            if id(named) not in seen:
                seen.add(id(named))
                yield named
                waiting.append(plain(named))


def overruns(function: Callable[..., Any]) -> bool:
    """Whether calling a plain function may end the process: something compiled that it calls may recurse."""
    return any(hasattr(one, "py_func") and may_recurse(plain(one)) for one in called_by(function))


def _named_by(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield the functions and dispatchers that a function names, of its globals and its closure."""
    values = [function.__globals__.get(name) for code in _codes(function.__code__) for name in code.co_names]
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # not assigned yet
            continue
    for value in values:
        named = value.function if isinstance(value, Plugin) else value
        if isinstance(getattr(named, "py_func", named), FunctionType):
            yield named


def _codes(code: Any) -> Iterator[Any]:
    yield code
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            yield from _codes(constant)
