"""The source of a kernel: the line that an error is about, and what to put the mark under."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Source:
    """One Python function as it was written.

    Attributes
    ----------
    file : str
        Its file, or what stands for one in a notebook or the REPL.
    name : str
        What it is called.
    lines : dict
        Its lines by number; empty where nothing was kept, as in the REPL of Python before 3.13.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        code = function.__code__
        self.file = code.co_filename
        self.name = code.co_name
        self.lines: dict[int, str] = {}
        self._nodes: list[ast.AST] = []
        try:
            lines, first = inspect.getsourcelines(function)
        except (OSError, TypeError):
            return
        self.lines = {first + i: line.rstrip() for i, line in enumerate(lines)}
        text = textwrap.dedent("".join(lines))
        self._indent = len(lines[0]) - len(text.partition("\n")[0]) - 1
        try:
            tree = ast.parse(text)
        except SyntaxError:  # a lambda within a statement of several lines
            return
        ast.increment_lineno(tree, first - 1)
        self._nodes = sorted(_body(tree, code), key=_position)

    def __contains__(self, line: int) -> bool:
        return line in self.lines

    def nodes(self, line: int | None = None) -> Iterator[ast.AST]:
        """Yield the nodes of the function's body that begin on a line, or all; outer ones first."""
        for node in self._nodes:
            if line is None or node.lineno == line:  # type: ignore[attr-defined]
                yield node

    def names(self, line: int) -> list[str]:
        """Return the variables that a line mentions."""
        found = [node.id for node in self.nodes(line) if isinstance(node, ast.Name)]
        return list(dict.fromkeys(found))

    def mark(self, line: int, node: ast.AST | None = None) -> list[str]:
        """Return a line with its number, and one with a mark under a node of it, or under all of it."""
        text = self.lines.get(line)
        if text is None:
            return []
        shown = text.strip()
        start, stop = 0, len(shown)
        if node is not None and node.lineno == line:  # type: ignore[attr-defined]
            skipped = len(text) - len(text.lstrip())
            start = self._column(text, node.col_offset) - skipped  # type: ignore[attr-defined]
            if node.end_lineno == line:  # type: ignore[attr-defined]
                stop = self._column(text, node.end_col_offset) - skipped  # type: ignore[attr-defined]
        margin = " " * len(str(line))
        return [f"    {line} | {shown}", f"    {margin} | {' ' * start}{'^' * max(stop - start, 1)}"]

    def _column(self, text: str, offset: int) -> int:
        """Return the column of an offset, which the parser counts in bytes of UTF-8."""
        return len(text.encode()[: offset + self._indent].decode(errors="ignore"))


def _body(tree: ast.Module, code: Any) -> list[ast.AST]:
    """Return the nodes with a place in the body of the function that ``code`` is of."""
    kinds = (ast.FunctionDef, ast.Lambda)
    functions = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    if code.co_name != "<lambda>":
        functions = [one for one in functions if getattr(one, "name", "") == code.co_name]
    else:
        functions = [one for one in functions if [a.arg for a in one.args.args] == _arguments(code)]
    if not functions:
        return []
    body = functions[0].body
    parts = body if isinstance(body, list) else [body]
    return [node for part in parts for node in ast.walk(part) if hasattr(node, "lineno")]


def _arguments(code: Any) -> list[str]:
    return list(code.co_varnames[: code.co_argcount])


def _position(node: Any) -> tuple[int, int, int, int]:
    return node.lineno, node.col_offset, -node.end_lineno, -node.end_col_offset


def place(file: str, line: int, function: str) -> str:
    """Return where a line is, as tracebacks say it: a file, or a cell of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    cell = None
    if shell is not None:
        cell = shell.compile.format_code_name(file)
    shown = " ".join(cell) if cell else f'File "{file}"'
    return f"{shown}, line {line}, in {function}"
