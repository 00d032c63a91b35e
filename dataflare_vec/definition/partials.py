"""A partial function as a plugin: the function itself, with defaults for what is bound."""

from __future__ import annotations

import inspect
from functools import partial
from types import FunctionType
from typing import Any


def as_function(given: partial[Any], function: Any) -> Any:
    """Return a partial function as one of its own, in which what is bound are defaults.

    Parameters
    ----------
    given
        The partial function.
    function
        The Python function that it calls; what is none is returned as it is.

    Raises
    ------
    TypeError
        If the function has no such parameters.
    """
    if not inspect.isfunction(function):
        return function
    code, parameters = function.__code__, inspect.signature(function).parameters.values()
    bound = inspect.signature(function).bind_partial(*given.args, **given.keywords).arguments
    bound = {name: value for name, value in bound.items() if not _is_left_out(value)}
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
    # Behind the first that is bound a parameter may have no default: these are given by name.
    positional = code.co_varnames[: code.co_argcount]
    kept = next((i for i, name in enumerate(positional) if name in bound), len(positional))
    named = {**defaults, **bound}
    made = FunctionType(
        code.replace(
            co_argcount=kept,
            co_posonlyargcount=min(kept, code.co_posonlyargcount),
            co_kwonlyargcount=code.co_kwonlyargcount + len(positional) - kept,
        ),
        function.__globals__,
        function.__name__,
        tuple(named[name] for name in positional[:kept] if name in named),
        function.__closure__,
    )
    made.__kwdefaults__ = {name: value for name, value in named.items() if name not in positional[:kept]}
    for name in ("__module__", "__qualname__", "__doc__", "__annotations__", "__dict__"):
        setattr(made, name, getattr(function, name))
    return made


def _is_left_out(value: Any) -> bool:
    """Whether a place of a partial function is kept free, as Python 3.14 can do it."""
    return type(value).__name__ == "_PlaceholderType"
