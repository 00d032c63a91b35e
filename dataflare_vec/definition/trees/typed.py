"""Expressions over columns of known dtypes, as typed trees.

What dtype an operation has, Polars is asked: its rules are many, and change.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.definition.trees import (  # registers them
    horizontal_rules as horizontal_rules,
)
from dataflare_vec.definition.trees import (
    moment_rules as moment_rules,
)
from dataflare_vec.definition.trees.kinds import kind_of
from dataflare_vec.definition.trees.nodes import Node, Source
from dataflare_vec.definition.trees.reading import SCALAR, UNKNOWN, parts_of
from dataflare_vec.definition.trees.rules import FILLING, RULES
from dataflare_vec.definition.trees.values import as_dtype, constant, dynamic, given, is_dynamic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.definition.trees.reading import Read, Reading

_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


class Typing:
    """The nodes of expressions over columns of some dtypes.

    Parameters
    ----------
    reading
        What the expressions were read by.
    schema
        The columns.
    reads
        The expressions.
    scalars
        The values of those columns that have one for all rows, as they are stored.
    """

    def __init__(
        self,
        reading: Reading,
        schema: Mapping[str, Any],
        reads: Sequence[Read],
        scalars: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._expressions = reading.expressions
        self._scalars = scalars
        self._schema = schema
        self._dtypes = self._dtypes_of({part.text: part for read in reads for part in parts_of(read)})
        self._nodes: dict[str, Node | None] = {}

    def _dtypes_of(self, parts: Mapping[str, Read]) -> dict[str, Any]:
        # Computed, of no rows: of a literal divided by a Float32 a plan says another dtype than comes out.
        frame = pl.DataFrame(schema=self._schema)
        asked = [text for text, part in parts.items() if part.operation not in ("column", "dynamic")]
        try:
            found = self._ask(frame, asked)
        except _FAILURES:  # about one of them: which?
            found = {}
            for text in asked:
                try:
                    found |= self._ask(frame, [text])
                except _FAILURES:
                    continue
        for text, part in parts.items():
            if part.operation == "column" and part.options in self._schema:
                found[text] = self._schema[part.options]
        return found

    def _ask(self, frame: pl.DataFrame, texts: Sequence[str]) -> dict[str, Any]:
        if not texts:
            return {}
        columns = [self._expressions[text].alias(str(i)) for i, text in enumerate(texts)]
        return dict(zip(texts, frame.select(columns).dtypes, strict=True))

    def result(self, read: Read) -> Node | None:
        """Return the node of an expression in the dtype that it has by itself; None as of `node`."""
        node = self.node(read)
        dtype = self._dtypes.get(read.text)
        return node if node is None or dtype is None else as_dtype(node, dtype)

    def node(self, read: Read) -> Node | None:
        """Return the node of an expression; None if its dtype isn't one that loops compute with.

        What Polars computes of it is a column.
        """
        if read.text not in self._nodes:
            self._nodes[read.text] = self._made(read)
        return self._nodes[read.text]

    def _made(self, read: Read) -> Node | None:
        if read.operation == "dynamic":
            return dynamic(read.options)
        dtype = self._dtypes.get(read.text)
        if dtype is None:
            return None
        if read.operation == SCALAR:
            name = read.options
            return constant(self._scalars[name], dtype, name) if name in self._scalars else None
        if read.operation != "column" and not self._reads_columns(read):
            return self._folded(read, dtype)
        rule = RULES.get(read.operation)
        if rule is not None:
            parts = [self.node(part) for part in read.parts]
            there = [part for part in parts if part is not None]
            if read.operation in FILLING and there and (is_dynamic(there[0]) or there[0].is_constant):
                return (
                    None  # of a constant without nulls a constant is left, by which Polars computes otherwise
                )
            made = rule(read, dtype, there) if len(there) == len(parts) else None
            if made is not None:
                return made
        return self._column(read, dtype)

    def _column(self, read: Read, dtype: Any) -> Node | None:
        """Return a column of the data, or what Polars computes."""
        if any(self._adapts(part) and part.parts for part in parts_of(read)):
            return None  # what Polars makes of it depends on what it is in
        if kind_of(dtype) is None and dtype.base_type() is not pl.Null:
            return None
        if read.operation != "column" and not self.is_by_rows(read):
            return None
        name = read.options if read.operation == "column" else None
        return Node("column", dtype, (), (Source(name, read.text),))

    def is_by_rows(self, read: Read) -> bool:
        """Whether Polars says that each row of the result depends on that row alone."""
        meta = self._expressions[read.text].meta
        try:
            return meta.is_row_separable() and meta.is_length_preserving()
        except Exception:  # whatever Polars raises, it doesn't say yes
            return False

    def _adapts(self, read: Read) -> bool:
        """Whether a value is made of literals that have no dtype, so that it takes that of what it meets."""
        if read.operation == "dynamic":
            return True
        dtype = self._dtypes.get(read.text)
        if not read.parts or read.operation == "cast" or dtype == pl.Boolean:
            return dtype is not None and dtype == pl.Null
        return all(map(self._adapts, read.parts[1:] if read.operation == "when" else read.parts))

    def _reads_columns(self, read: Read) -> bool:
        return any(part.operation in ("column", SCALAR, UNKNOWN) for part in parts_of(read))

    def _folded(self, read: Read, dtype: Any) -> Node | None:
        """Return the value of what reads no column."""
        if dtype.base_type() is pl.Null:
            return Node("null", pl.Null())
        if read.operation == "literal" and dtype.base_type() in (pl.List, pl.String):
            found = pl.select(self._expressions[read.text]).to_series().to_physical().to_list()
            return given(found[0], dtype) if len(found) == 1 else None
        parts = {part.operation for part in parts_of(read)}
        if kind_of(dtype) is None or ("dynamic" in parts and read.operation != "cast"):
            return None  # what Polars makes of literals without a dtype depends on what they meet
        try:
            value = pl.select(self._expressions[read.text]).to_series()
        except _FAILURES:
            return None
        if len(value) != 1 or value.dtype != dtype:
            return None
        return constant(value.to_physical().item(), dtype)
