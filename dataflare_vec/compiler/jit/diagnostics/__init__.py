"""Diagnostics of a kernel that can't be compiled, as one readable error."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from numba.core.errors import NumbaError

from dataflare_vec._util.logs import get_logger
from dataflare_vec.compiler.jit.diagnostics.inferred import infer_names
from dataflare_vec.compiler.jit.diagnostics.mistakes import recognise
from dataflare_vec.compiler.jit.diagnostics.source import Source, place
from dataflare_vec.definition.plugin import plain
from dataflare_vec.exceptions import KernelCompileError, KernelPatternError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dataflare_vec.definition.plugin import Plugin

_log = get_logger(__name__)

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_STEP = re.compile(
    r"(Failed in \w+ mode pipeline \(step: [^)]*\)\s*)+|- Resolution failure for literal arguments:\s*"
)
# The innermost comes first.
_PLACES = re.compile(
    r" at (?P<at>\S[^\n]*?) \((?P<at_line>\d+)\)"
    r'|File "(?P<file>[^"\n]+)", line (?P<line>\d+)'
    r"|Raised from (?P<raised>[^\n]+?) \((?P<raised_line>\d+)\)"
)


def explain_failure(
    plugin: Plugin, dtypes: Mapping[str, Any], arguments: Sequence[Any], error: Exception
) -> KernelCompileError:
    """Return an error that says where a kernel went wrong, with which types, why, and what to do instead.

    Parameters
    ----------
    plugin
        Whose kernel it is.
    dtypes
        Those of its columns, by parameter.
    arguments
        Numba's types of all its parameters.
    error
        What Numba raised.
    """
    return explain_function(plugin.name, plain(plugin.function), arguments, error, columns=dtypes)


def names_type(error: NumbaError, name: str) -> bool:
    """Whether Numba says something of a type with that name."""
    return name in str(error)


def inner_cause(error: Exception) -> Exception | None:
    """Return what an error is to be raised from: what went wrong within Numba or LLVM.

    Not what Numba says of the user's code: it holds the lines around and its own files, and without it the
    traceback ends with ours.
    """
    return None if isinstance(error, NumbaError) else error


def explain_function(
    name: str,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    error: Exception,
    *,
    part: str | None = None,
    columns: Mapping[str, Any] | None = None,
) -> KernelCompileError:
    """Return such an error for one function of the plugin ``name``: its kernel, or ``part`` of it."""
    text = _STEP.sub("", _ANSI.sub("", str(error))).strip()
    _log.debug("`%s`: Numba's own message\n%s: %s", name, type(error).__name__, text)
    called, line = _locate(text, function)
    source = Source(called)
    found = recognise(f"{type(error).__name__}: {text}", source, line, called)
    if found.node is not None:
        line = found.node.lineno

    lines = ["  " + place(source.file, line or source.first, source.name)]
    if line is not None:
        lines += source.mark(line, found.node)
    if called is function:
        known = infer_names(function, arguments)
        variables = [name for name in function.__code__.co_varnames if name in known]
        here = [name for name in variables if line is not None and name in source.names(line)]
        types = [f"{name} is {known[name]}" for name in here or variables]
        if types:
            lines.append(f"  where {', '.join(types)}")
    about: dict[str, Any] = {
        "plugin": name,
        "part": part,
        "columns": None if columns is None else {name: str(dtype) for name, dtype in columns.items()},
        "excerpt": lines,
        "reason": found.reason,
        "hint": found.advice,
        "numba_message": text,
    }
    if isinstance(error, re.error):
        names = ("msg", "pattern", "pos", "lineno", "colno")
        return KernelPatternError(**about, **{name: getattr(error, name) for name in names})
    return KernelCompileError(**about)


def _locate(text: str, function: Callable[..., Any]) -> tuple[Callable[..., Any], int | None]:
    """Return the kernel, or the helper of it, that a message is about, and the line."""
    functions = list(_reachable(function))
    for match in _PLACES.finditer(text):
        file = match["at"] or match["file"] or match["raised"]
        line = int(match["at_line"] or match["line"] or match["raised_line"])
        for one in functions:
            code = one.__code__
            if _same_file(code.co_filename, file) and line in _lines_of(code):
                return one, line
    return function, None


def _same_file(path: str, shown: str) -> bool:
    return path == shown or os.path.abspath(path) == os.path.abspath(shown)


def _lines_of(code: Any) -> range:
    """Return the lines of a function, with those of the functions inside it."""
    numbers = [line for _, _, line in code.co_lines() if line is not None]
    inner = [_lines_of(item) for item in code.co_consts if hasattr(item, "co_lines")]
    return range(code.co_firstlineno, max([*numbers, *(one.stop - 1 for one in inner)]) + 1)


def _reachable(function: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Yield a function, and the compiled functions that it calls by a global name, and they."""
    seen: list[Any] = [function]
    for one in seen:
        yield one
        for name in one.__code__.co_names:
            helper = getattr(one.__globals__.get(name), "py_func", None)
            if helper is not None and helper not in seen:
                seen.append(helper)
