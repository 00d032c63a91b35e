"""Typed trees: what a compiled loop computes, one operation a node, each conversion a node of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Node(NamedTuple):
    """One operation on values.

    Attributes
    ----------
    operation : str
        Which one. ``"column"`` and ``"constant"`` are leaves, and so is ``"null"``.
    dtype
        Polars' dtype of the result.
    arguments : tuple of Node
        What it works on.
    options : tuple
        What else is said; of a column its source, of a constant its value. Those of a `Tree` have their
        numbers there.
    """

    operation: str
    dtype: Any
    arguments: tuple[Node, ...] = ()
    options: tuple[Any, ...] = ()

    @property
    def is_constant(self) -> bool:
        """Whether it has one value for all rows: Polars computes with such in ways of its own."""
        return self.operation == "constant"


class Source(NamedTuple):
    """A column that a tree reads: one of the data's by its name, or what Polars computes of these.

    Attributes
    ----------
    name : str or None
        Of the data's column; None if it is computed.
    text : str
        The expression, as JSON.
    """

    name: str | None
    text: str


#: What computes nothing.
LEAVES = frozenset({"column", "constant", "dynamic", "given", "null"})

#: What gives a value for a null, or of what is null already.
_NEVER_NULL = frozenset({"constant", "is_null", "is_not_null", "eq_missing", "ne_missing", "sum_horizontal"})
#: What may give a null for values.
_MAY_BE_NULL = frozenset({"column", "null", "int_floor_div", "int_mod", "cast", "scale"})


def may_be_null(node: Node) -> bool:
    """Whether the result may be null, as far as that can be told before there are values."""
    operation = node.operation
    if operation in _NEVER_NULL:
        return False
    if operation in _MAY_BE_NULL:
        return True
    if operation in ("coalesce", "min_horizontal", "max_horizontal"):
        return all(map(may_be_null, node.arguments))
    if operation == "when":
        return any(map(may_be_null, node.arguments[1:]))
    if operation == "clip":
        return may_be_null(node.arguments[0])
    return any(map(may_be_null, node.arguments))


def may_fail(node: Node) -> bool:
    """Whether a row may have no result: of a strict cast, or of an instant beyond the calendar."""
    return any((one.operation == "cast" and one.options[0]) or one.operation == "part" for one in walk(node))


class Tree(NamedTuple):
    """What one loop computes.

    Attributes
    ----------
    outputs : tuple of Node
        One for each column that it writes. Their columns and constants are numbered, so that trees that
        differ in nothing but these are equal.
    columns : tuple
        The dtypes of the columns.
    constants : tuple
        The dtypes of the constants.
    """

    outputs: tuple[Node, ...]
    columns: tuple[Any, ...]
    constants: tuple[Any, ...]

    def described(self) -> str:
        """Return all that machine code depends on."""
        return repr(self)


class Planted(NamedTuple):
    """A tree, with what its columns and constants are."""

    tree: Tree
    sources: tuple[Source, ...]
    values: tuple[Any, ...]


def plant(outputs: Sequence[Node]) -> Planted:
    """Return what is to be computed in one loop, its columns and constants numbered."""
    sources: dict[Source, tuple[int, Any]] = {}
    values: list[Any] = []
    dtypes: list[Any] = []
    done: dict[Node, Node] = {}

    def number(node: Node) -> Node:
        found = done.get(node)
        if found is None:
            found = done[node] = numbered(node)
        return found

    def numbered(node: Node) -> Node:
        if node.operation == "column":
            index, _ = sources.setdefault(node.options[0], (len(sources), node.dtype))
            return node._replace(options=(index,))
        if node.operation == "constant":
            values.append(node.options[0])
            dtypes.append(node.dtype)
            return node._replace(options=(len(values) - 1,))
        return node._replace(arguments=tuple(map(number, node.arguments)))

    made = tuple(map(number, outputs))
    columns = tuple(dtype for _, dtype in sources.values())
    return Planted(Tree(made, columns, tuple(dtypes)), tuple(sources), tuple(values))


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, each as often as it is there."""
    yield node
    for argument in node.arguments:
        yield from walk(argument)
