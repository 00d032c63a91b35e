"""The source of a kernel: the line that an error is about, and what to put the mark under."""

from __future__ import annotations

import ast
import linecache
import sys
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
    first : int
        The line of its ``def``, below the decorators.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        code = function.__code__
        self.file = code.co_filename
        self.name = code.co_name
        self.first = code.co_firstlineno
        lines = linecache.getlines(self.file, function.__globals__)
        self.lines = {i: line.rstrip() for i, line in enumerate(lines, 1)}
        self._nodes: list[ast.AST] = []
        try:
            tree = ast.parse("".join(lines))
        except SyntaxError:  # it is being edited
            return
        node = _find(tree, code)
        if node is not None:
            self.first = node.lineno
            parts = node.body if isinstance(node.body, list) else [node.body]
            nodes = [inner for part in parts for inner in ast.walk(part) if hasattr(inner, "lineno")]
            self._nodes = sorted(nodes, key=_position)

    def nodes(self, line: int | None = None) -> Iterator[ast.AST]:
        """Yield the nodes of the function's body that begin on a line, or all; outer ones first."""
        for node in self._nodes:
            if line is None or node.lineno == line:  # type: ignore[attr-defined]
                yield node

    def names(self, line: int) -> list[str]:
        """Return the names that a line mentions."""
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
            start = _column(text, node.col_offset) - skipped  # type: ignore[attr-defined]
            if node.end_lineno == line:  # type: ignore[attr-defined]
                stop = _column(text, node.end_col_offset) - skipped  # type: ignore[attr-defined]
        margin = " " * len(str(line))
        return [f"    {line} | {shown}", f"    {margin} | {' ' * start}{'^' * max(stop - start, 1)}"]


def _column(text: str, offset: int) -> int:
    """Return the column of an offset, which the parser counts in bytes of UTF-8."""
    return len(text.encode()[:offset].decode(errors="ignore"))


def _find(tree: ast.Module, code: Any) -> ast.FunctionDef | ast.Lambda | None:
    """Return the function that ``code`` is of."""
    kinds = (ast.FunctionDef, ast.Lambda)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and getattr(node, "name", "<lambda>") == code.co_name:
            first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
            arguments = [argument.arg for argument in node.args.args]
            if first == code.co_firstlineno and arguments == list(code.co_varnames[: code.co_argcount]):
                return node
    return None


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
