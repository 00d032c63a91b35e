"""One match after the other, as `re` goes through a text: what `findall`, `split` and `sub` do alike."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types

from dataflare_vec.compiler.jit.lowering.nested.row_lists import (
    RowListType,
    item_bytes,
    room_behind,
    write_item,
)
from dataflare_vec.compiler.jit.lowering.regex.members import call_helper
from dataflare_vec.compiler.jit.types.strings import byte_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflare_vec.compiler.jit.lowering.regex.engine import Engine
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I1, _I8, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)
_BYTES = _I8.as_pointer()


def variable(builder: Builder, value: ir.Value) -> ir.Value:
    """Return a place on the stack, with a value in it from here on."""
    slot = cgutils.alloca_once(builder, value.type)
    builder.store(value, slot)
    return slot


@contextmanager
def each_match(
    context: Context,
    builder: Builder,
    engine: Engine,
    within: Sequence[ir.Value],
    limit: ir.Value | None = None,
) -> Iterator[ir.Value]:
    """Write a loop over all matches; its body is what is written meanwhile, and gets the spans.

    A match that is empty doesn't come directly behind another that ends there and is empty, too; the next
    one may begin there, if it isn't.

    Parameters
    ----------
    within
        Address of the text, and offsets from where to where it is searched.
    limit
        How many at most; 0 for all.
    """
    data, start, end = within
    at, later = variable(builder, start), variable(builder, _I1(0))
    left = None if limit is None else variable(builder, _most(builder, limit))
    head, search, body, done = (builder.append_basic_block(name) for name in ("next", "find", "match", "end"))
    builder.branch(head)
    builder.position_at_end(head)
    if left is None:
        builder.branch(search)
    else:
        builder.cbranch(builder.icmp_signed(">", builder.load(left), _I64(0)), search, done)
    builder.position_at_end(search)
    spans = engine.find(context, builder, "search", [data, builder.load(at), end, builder.load(later)])
    found_at, found_end = (builder.extract_value(spans, i) for i in range(2))
    builder.cbranch(builder.icmp_signed(">=", found_at, _I64(0)), body, done)
    builder.position_at_end(body)
    yield spans
    builder.store(builder.icmp_signed("==", found_at, found_end), later)
    builder.store(found_end, at)
    if left is not None:
        builder.store(builder.sub(builder.load(left), _I64(1)), left)
    builder.branch(head)
    builder.position_at_end(done)


def _most(builder: Builder, limit: ir.Value) -> ir.Value:
    return builder.select(builder.icmp_signed("==", limit, _I64(0)), _I64(sys.maxsize), limit)


class Growing:
    """Bytes in the arena that more are put behind."""

    def __init__(self, context: Context, builder: Builder) -> None:
        self._context, self._builder = context, builder
        self._room, self._capacity = variable(builder, _BYTES(None)), variable(builder, _I64(0))
        self._used = variable(builder, _I64(0))

    @property
    def data(self) -> ir.Value:
        """Where they begin."""
        return self._builder.load(self._room)

    @property
    def used(self) -> ir.Value:
        """How many there are."""
        return self._builder.load(self._used)

    def reserve(self, nbytes: ir.Value) -> None:
        """See to it that there is room for some more."""
        builder, used = self._builder, self.used
        capacity = builder.load(self._capacity)
        lacks = builder.icmp_signed("<", builder.sub(capacity, used), nbytes)
        with builder.if_then(lacks, likely=False):
            kinds = byte_pointer, *[types.int64] * 3
            both = call_helper(
                self._context, builder, room_behind, kinds, [self.data, used, capacity, nbytes]
            )
            for i, slot in enumerate((self._room, self._capacity)):
                builder.store(builder.extract_value(both, i), slot)

    def append(self, data: ir.Value, nbytes: ir.Value) -> None:
        """Put bytes behind the others, for which there is room."""
        cgutils.raw_memcpy(self._builder, self._builder.gep(self.data, [self.used]), data, nbytes, 1)
        self.take(nbytes)

    def take(self, nbytes: ir.Value) -> None:
        """Count bytes that were written behind the others."""
        self._builder.store(self._builder.add(self.used, nbytes), self._used)


class GrowingList:
    """A list of a row that items are put into."""

    def __init__(self, context: Context, builder: Builder, kind: RowListType) -> None:
        self._context, self._builder, self._kind = context, builder, kind
        self._bytes, self._size = Growing(context, builder), variable(builder, _I64(0))

    def append(self, values: Sequence[ir.Value]) -> None:
        """Put items behind the others."""
        builder, size = self._builder, self._builder.load(self._size)
        nbytes = _I64(len(values) * item_bytes(self._context, self._kind))
        self._bytes.reserve(nbytes)
        for i, value in enumerate(values):
            index = builder.add(size, _I64(i))
            write_item(self._context, builder, self._kind, self._bytes.data, index, value)
        self._bytes.take(nbytes)
        builder.store(builder.add(size, _I64(len(values))), self._size)

    def value(self) -> Any:
        """Return the list."""
        made = self._context.make_helper(self._builder, self._kind)
        made.data, made.size = self._bytes.data, self._builder.load(self._size)
        return made._getvalue()
