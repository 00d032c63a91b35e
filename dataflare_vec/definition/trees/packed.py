"""Polars' binary form of a query: its nodes found, and expressions in it replaced. Nothing else knows of it.

It is no stable interface. A header is followed by MessagePack: nodes in a list, which refer to their inputs
by number. What isn't as expected raises `Unreadable`.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from dataflare_vec.definition.trees.reading import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MAGIC = b"DSL_VERSION"
#: What is before MessagePack: that, two numbers, and a hash in hexadecimal digits.
_HEADER = len(_MAGIC) + 4 + 64

#: A frame in Polars' text of a query.
_FRAME = "DF ["

#: Which field of a node has the expressions that may be computed otherwise.
EXPRESSIONS = {"HStack": "exprs", "Select": "expr", "Filter": "predicate", "GroupBy": "aggs"}

#: Nodes that hold what they put together, and don't refer to it.
_SEVERAL = ("Union", "HConcat")

#: What is in a query that calls Python: a copy of such a function isn't the function.
_PYTHON = (b"PythonScan", b"OpaquePython", b"AnonymousFunction", b"PipeWithSchema", b"cloudpickle")


class Span(NamedTuple):
    """Where something lies."""

    start: int
    stop: int


class PackedNode(NamedTuple):
    """A node whose expressions may be computed otherwise.

    Attributes
    ----------
    kind : str
        One of `EXPRESSIONS`.
    source : int
        The number of its input.
    where : Span
        The expressions.
    expressions : tuple of pl.Expr
        The same, read.
    """

    kind: str
    source: int
    where: Span
    expressions: tuple[pl.Expr, ...]


class Packed:
    """A query in Polars' binary form.

    Parameters
    ----------
    query
        Over files: the data of frames would be copied.

    Raises
    ------
    Unreadable
        If it isn't understood, or calls Python.
    """

    def __init__(self, query: pl.LazyFrame) -> None:
        try:
            self._data = query.serialize(format="binary")
        except (pl.exceptions.PolarsError, TypeError) as error:
            raise Unreadable(str(error)) from error
        if not self._data.startswith(_MAGIC) or any(one in self._data for one in _PYTHON):
            msg = "it calls Python" if self._data.startswith(_MAGIC) else "another format"
            raise Unreadable(msg)
        try:
            fields = self._fields(_HEADER)
            self._root = fields["root"]
            self._plans = [self._fields(one.start) for one in self._items(fields["dsl_plans"].start)]
        except (KeyError, IndexError, ValueError) as error:
            raise Unreadable(str(error)) from error

    def nodes(self) -> Iterator[PackedNode]:
        """Yield the nodes whose expressions may be computed otherwise, inputs first."""
        for plan in self._plans:
            yield from self._nodes(plan["value"].start)

    def _nodes(self, start: int) -> Iterator[PackedNode]:
        """Yield a node and those that lie in it: of several plans put together."""
        if self._data[start] >> 4 != 0x8:  # no map: nothing
            return
        ((kind, content),) = self._fields(start).items()
        if kind in _SEVERAL:
            for one in self._items(self._fields(content.start)["inputs"].start):
                yield from self._nodes(one.start)
        if kind not in EXPRESSIONS:
            return
        fields = self._fields(content.start)
        if kind == "GroupBy" and self._data[fields["apply"].start] != 0xC0:
            return
        where = fields[EXPRESSIONS[kind]]
        found = [where] if kind == "Filter" else self._items(where.start)
        yield PackedNode(kind, self._number(fields["input"]), where, tuple(map(self._expression, found)))

    def below(self, number: int) -> pl.LazyFrame:
        """Return the query up to one of its nodes."""
        root = self._root
        index = self._fields(root.start)["idx"]
        data = self._data
        replaced = data[: index.start] + _packed_number(number) + data[index.stop :]
        return pl.LazyFrame.deserialize(BytesIO(replaced))

    def replaced(self, nodes: Mapping[Span, Sequence[pl.Expr]]) -> pl.LazyFrame:
        """Return the query with other expressions at some places."""
        parts, at = [], 0
        for where, expressions in sorted(nodes.items()):
            several = self._data[where.start] >> 4 == 0x9 or self._data[where.start] in (0xDC, 0xDD)
            parts.append(self._data[at : where.start])
            parts += [_packed_length(len(expressions))] if several else []
            parts += [one.meta.serialize() for one in expressions]
            at = where.stop
        parts.append(self._data[at:])
        return pl.LazyFrame.deserialize(BytesIO(b"".join(parts)))

    def _expression(self, where: Span) -> pl.Expr:
        return pl.Expr.deserialize(BytesIO(self._data[where.start : where.stop]))

    def _number(self, reference: Span) -> int:
        index = self._fields(reference.start)["idx"]
        raw = self._data[index.start : index.stop]
        if raw[0] < 0x80:
            return raw[0]
        if 0xCC <= raw[0] <= 0xCF:
            return int.from_bytes(raw[1:], "big")
        msg = "not a number of a node"
        raise ValueError(msg)

    def _fields(self, start: int) -> dict[str, Span]:
        """Return where the values of a map lie, by their keys."""
        count, at = self._head(start, 0x8, 0xDE)
        found = {}
        for _ in range(count):
            key = Span(at, self._stop(at))
            text, length = self._data[key.start : key.stop], self._data[key.start]
            name = text[1:] if length >> 5 == 0b101 else text[2:]
            at = self._stop(key.stop)
            found[name.decode()] = Span(key.stop, at)
        return found

    def _items(self, start: int) -> list[Span]:
        count, at = self._head(start, 0x9, 0xDC)
        found = []
        for _ in range(count):
            found.append(Span(at, self._stop(at)))
            at = found[-1].stop
        return found

    def _head(self, start: int, short: int, code: int) -> tuple[int, int]:
        """Return how many there are, and where they begin."""
        first = self._data[start]
        if first >> 4 == short:
            return first & 0x0F, start + 1
        if first not in (code, code + 1):
            msg = f"{first:#x} where {short:#x} was expected"
            raise ValueError(msg)
        width = 2 if first == code else 4
        return int.from_bytes(self._data[start + 1 : start + 1 + width], "big"), start + 1 + width

    def _stop(self, start: int) -> int:
        """Return where a value ends."""
        left, at = 1, start
        while left:
            first = self._data[at]
            at += 1
            left -= 1
            if first < 0x80 or first >= 0xE0 or first in (0xC0, 0xC2, 0xC3):
                continue
            if first < 0xA0 or 0xDC <= first <= 0xDF:  # a map or a list
                is_map = first < 0x90 or first >= 0xDE
                count, at = self._head(at - 1, *((0x8, 0xDE) if is_map else (0x9, 0xDC)))
                left += count * (2 if is_map else 1)
            elif first < 0xC0:
                at += first & 0x1F
            else:
                at = self._after(first, at)
        return at

    def _after(self, first: int, at: int) -> int:
        """Return where a number, text or block of bytes ends."""
        if first in _FIXED:
            return at + _FIXED[first]
        width, more = _SIZED[first]
        return at + width + more + int.from_bytes(self._data[at : at + width], "big")


#: Bytes that follow a code; and of others how many say how many follow, and how many more there are.
_FIXED = {
    **{0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8},
    **{0xD4 + i: 1 + (1 << i) for i in range(5)},
}
_SIZED = {
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),
    0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),
}  # fmt: skip


def has_frames(query: pl.LazyFrame) -> bool:
    """Whether a query reads frames, as far as Polars' text of it says."""
    return _FRAME in query.explain(optimized=False)


def _packed_number(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else b"\xce" + value.to_bytes(4, "big")


def _packed_length(count: int) -> bytes:
    return b"\xdd" + count.to_bytes(4, "big")
