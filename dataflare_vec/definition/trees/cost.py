"""Whether a compiled loop is expected to be faster than Polars.

Polars passes through memory once for each operation, and so writes and reads what is between two; a loop
passes once for all. But Polars' streaming engine, which runs lazy queries by default, does so on batches that
stay in cache, and calls a function for each: measured on two cores, that call takes as long as some ten
passes. On a whole frame a loop is faster from three passes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflare_vec.definition.trees.nodes import walk
from dataflare_vec.definition.trees.reading import parts_of
from dataflare_vec.definition.trees.rules import RULES, SLOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dataflare_vec.definition.trees.nodes import Node
    from dataflare_vec.definition.trees.reading import Read

#: What an operation costs Polars, in passes through memory; what isn't here is 1.
_PASSES = {"column": 0.0, "constant": 0.0, "null": 0.0, "when": 2.0, "coalesce": 2.0, "function": 8.0}

#: Operations of one loop, and columns that it writes, at most: LLVM takes ever longer for more, and
#: values no longer fit into registers.
_MOST_OPERATIONS, _MOST_OUTPUTS = 80, 8

#: Loops that are compiled for a call, at most, as each takes a tenth of a second and more.
_MOST_LOOPS = 6

#: Operations of one expression that is compiled at all.
_MOST_OF_ONE = 200

#: Passes that a call of a loop has to save, wherever it may be called from.
_ENOUGH = 12.0


def passes(node: Node) -> float:
    """Return how many passes through memory Polars takes for a node and all below it."""
    return sum(_PASSES.get(one.operation, 1.0) for one in walk(node))


def pays(nodes: Sequence[Node]) -> bool:
    """Whether to compute some nodes in one loop."""
    return sum(map(passes, nodes)) >= _ENOUGH


def may_pay(reads: Iterable[Read]) -> bool:
    """Whether to look at expressions at all, before the dtypes of their columns are known."""
    operations = [part.operation for read in reads for part in parts_of(read)]
    known = [_PASSES["function"] if one in SLOW else 1.0 for one in operations if one in RULES]
    return sum(known) >= _ENOUGH


def is_small(node: Node) -> bool:
    """Whether a node has so few operations below it that it is compiled."""
    return len(set(walk(node))) <= _MOST_OF_ONE


def in_parts(nodes: Mapping[str, Node]) -> list[dict[str, Node]]:
    """Return nodes by name, neighbours together as far as one loop takes them; as many as are compiled."""
    parts: list[dict[str, Node]] = []
    inside: set[Node] = set()
    for name, node in nodes.items():
        inside |= set(walk(node))
        if not parts or len(parts[-1]) == _MOST_OUTPUTS or len(inside) > _MOST_OPERATIONS:
            parts.append({})
            inside = set(walk(node))
        parts[-1][name] = node
    return parts[:_MOST_LOOPS]
