"""Polars' JSON of an expression, read. Nothing else knows what is in it.

That JSON is no stable interface. What this module doesn't understand is an unknown operation, which Polars
computes; a number that JSON can't say (NaN, infinity) makes all of an expression unknown.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec.definition.trees.whole import is_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = get_logger(__name__)

UNKNOWN = "unknown"
#: One value for all rows, which Polars computes of them.
SCALAR = "scalar"


class Read(NamedTuple):
    """One operation of an expression, as Polars names it.

    Attributes
    ----------
    operation : str
        Its name; `UNKNOWN` where it isn't known.
    parts : tuple of Read
        What it works on.
    options
        What else is said of it.
    text : str
        It and all below, as JSON: the same for the same.
    """

    operation: str
    parts: tuple[Read, ...]
    options: Any
    text: str


class Unreadable(Exception):  # not an error: Polars computes it
    """An expression that JSON doesn't hold exactly."""


class Reading:
    """Expressions that are read, and what they are made of.

    Attributes
    ----------
    expressions : dict
        All that were come by, by their JSON. They are Polars' own: JSON that it reads again loses last bits
        of floats.
    reads : dict
        The same, as they were read.
    """

    def __init__(self) -> None:
        self.expressions: dict[str, pl.Expr] = {}
        self.reads: dict[str, Read] = {}

    def __call__(self, expression: pl.Expr) -> Read:
        """Return what an expression is, without the names that it gives.

        Raises
        ------
        Unreadable
            If it holds something that JSON can't.
        """
        try:
            text = expression.meta.serialize(format="json")
            tree = json.loads(text)
            if _loses_numbers(tree):
                raise Unreadable
            return self._reading(tree, expression)
        except (pl.exceptions.PolarsError, RecursionError) as error:  # as of a Python function in it
            _log.debug("an expression is left to Polars: %s", error)
            raise Unreadable from error

    def _reading(self, tree: Any, expression: pl.Expr) -> Read:
        while isinstance(tree, dict) and tree.keys() == {"Alias"}:
            tree = tree["Alias"][0]
            (expression,) = expression.meta.pop()
        text = json.dumps(tree, sort_keys=True)
        found = self.reads.get(text)
        if found is None:
            self.expressions[text] = expression
            found = self.reads[text] = self._operation(tree, expression, text)
        return found

    def _operation(self, tree: Any, expression: pl.Expr, text: str) -> Read:
        unknown = Read(UNKNOWN, (), None, text)
        if not isinstance(tree, dict) or len(tree) != 1:
            return unknown
        ((kind, content),) = tree.items()
        reader = _READERS.get(kind)
        try:
            found = None if reader is None else reader(content)
        except (KeyError, TypeError, ValueError, AttributeError):  # another version's
            found = None
        if found is None:
            _log.debug("an expression is left to Polars: %s isn't known", text[:200])
            return unknown
        operation, parts, options = found
        inner = {json.dumps(json.loads(one.meta.serialize(format="json")), sort_keys=True): one
                 for one in expression.meta.pop()} if parts else {}  # fmt: skip
        read = []
        for part in parts:
            own = inner.get(json.dumps(part, sort_keys=True))
            if own is None:
                _log.debug("an expression is left to Polars: %s isn't to be had", json.dumps(part)[:200])
                return unknown
            read.append(self._reading(part, own))
        return Read(operation, tuple(read), options, text)


def _loses_numbers(tree: Any) -> bool:
    """Whether a float in a tree was one that JSON has no number for."""
    if isinstance(tree, list):
        return any(map(_loses_numbers, tree))
    if not isinstance(tree, dict):
        return False
    return any(
        (value is None and key in ("Float", "Float32", "Float64", "Float16")) or _loses_numbers(value)
        for key, value in tree.items()
    )


def _column(content: Any) -> Any:
    return ("column", (), content) if isinstance(content, str) else None


def _literal(content: Any) -> Any:
    """Read a literal: of one whose dtype depends on what it meets the value; another's is Polars' to tell."""
    ((kind, value),) = content.items()
    if kind != "Dyn":
        return ("literal", (), None) if kind == "Scalar" else None
    ((dynamic, number),) = value.items()
    return ("dynamic", (), number) if dynamic in ("Int", "Float") else None


def _aggregation(content: Any) -> Any:
    """Read the first value of a column that has one for all rows."""
    name = content["First"]["Column"]
    return (SCALAR, (), name) if is_scalar(name) else None


def _binary(content: Any) -> Any:
    return content["op"], (content["left"], content["right"]), None


def _cast(content: Any) -> Any:
    return "cast", (content["expr"],), content["options"]


def _ternary(content: Any) -> Any:
    return "when", (content["predicate"], content["truthy"], content["falsy"]), None


def _function(content: Any) -> Any:
    """Read a function: its name, with that of its family before it, and its settings."""
    name, options = content["function"], None
    names = []
    while isinstance(name, dict):
        ((family, name),) = name.items()
        names.append(family)
        if isinstance(name, dict) and family not in _FAMILIES:
            options = frozenset(name.items())
            break
        if not isinstance(name, (dict, str)):
            options = name
            break
    else:
        names.append(name)
    return ".".join(names), tuple(content["input"]), options


_FAMILIES = frozenset(
    {"Boolean", "Trigonometry", "TemporalExpr", "StringExpr", "StructExpr", "Pow", "Bitwise"}
)
_READERS = {
    "Column": _column,
    "Literal": _literal,
    "Agg": _aggregation,
    "BinaryExpr": _binary,
    "Cast": _cast,
    "Ternary": _ternary,
    "Function": _function,
}


def parts_of(read: Read) -> Iterator[Read]:
    """Yield an operation and all below it, each once."""
    seen: set[str] = set()
    left = [read]
    while left:
        one = left.pop()
        if one.text not in seen:
            seen.add(one.text)
            yield one
            left += one.parts
