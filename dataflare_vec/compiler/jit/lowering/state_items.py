"""Items of the containers in a state, as compiled code reads and writes them in their block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.state_sequences import (
    cell_of,
    load_word,
    make_text_room,
    place_behind,
    store_word,
)
from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.types.state_sequences import ContainerType, items_of
from dataflare_vec.compiler.jit.types.strings import ViewType
from dataflare_vec.definition.state_memory import DATA, HEAD, TEXT, USED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

_I64 = ir.IntType(64)
_BYTES, _WORDS = ir.IntType(8).as_pointer(), _I64.as_pointer()


def texts_of(kind: types.Type) -> int:
    """Return a bit for each word of an item that says where a string begins."""
    bits = word = 0
    for leaf in items_of(kind).leaves:
        if leaf in ("str", "bytes"):
            bits |= 1 << word
            word += 1
        word += 1
    return bits


def width_of(sequence: ContainerType) -> int:
    """Return how many words an item takes."""
    return items_of(sequence.dtype).width


def _scalars(
    context: Context, builder: Builder, value: ir.Value, given: types.Type, kind: types.Type
) -> Iterator[tuple[ir.Value, types.Type]]:
    """Yield the scalars of an item, as the list holds them."""
    if isinstance(kind, types.BaseTuple):
        parts = cgutils.unpack_tuple(builder, value, len(kind))
        for part, part_type, wanted in zip(parts, given, kind, strict=True):
            yield from _scalars(context, builder, part, part_type, wanted)
    else:
        yield context.cast(builder, value, given, kind), kind


def _text_bytes(
    context: Context, builder: Builder, value: ir.Value, given: types.Type, kind: types.Type
) -> ir.Value:
    total = _I64(0)
    for scalar, leaf in _scalars(context, builder, value, given, kind):
        if isinstance(leaf, ViewType):
            view = cgutils.create_struct_proxy(leaf)(context, builder, value=scalar)
            total = builder.add(total, view.nbytes)
    return total


@intrinsic
def text_bytes(typing_context, sequence, item):
    """Return how many bytes of text an item has."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return _text_bytes(context, builder, arguments[1], item, sequence.dtype)

    return types.int64(sequence, item), generate


@intrinsic
def text_bytes_of_value(typing_context, mapping, value):
    """Return how many bytes of text a dict's value has."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return _text_bytes(context, builder, arguments[1], value, mapping.dtype[1])

    return types.int64(mapping, value), generate


def _write(
    context: Context,
    builder: Builder,
    cell: ir.Value,
    at: ir.Value,
    value: ir.Value,
    types_: tuple[types.Type, types.Type],
) -> None:
    word = 0
    for scalar, kind in _scalars(context, builder, value, *types_):
        target = builder.gep(at, [_I64(word)])
        if isinstance(kind, ViewType):
            view = cgutils.create_struct_proxy(kind)(context, builder, value=scalar)
            used = load_word(builder, cell, USED)
            text = builder.inttoptr(builder.add(load_word(builder, cell, TEXT), used), _BYTES)
            cgutils.raw_memcpy(builder, text, view.data, view.nbytes, 1)
            builder.store(used, target)
            builder.store(view.nbytes, builder.gep(at, [_I64(word + 1)]))
            store_word(builder, builder.add(used, view.nbytes), cell, USED)
            word += 2
            continue
        if kind == types.float64:
            scalar = builder.bitcast(scalar, _I64)
        elif kind == types.boolean:
            scalar = builder.zext(scalar, _I64)
        builder.store(scalar, target)
        word += 1


def _place(builder: Builder, sequence: ContainerType, cell: ir.Value, place: ir.Value, word: int) -> ir.Value:
    data = builder.inttoptr(load_word(builder, cell, DATA), _WORDS)
    first = builder.mul(place, _I64(width_of(sequence)))
    return builder.gep(data, [builder.add(first, _I64(word))])


@intrinsic
def write_item(typing_context, sequence, place, item):
    """Write an item to a place, and its text, for which there is room."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        address, place, value = arguments
        cell = builder.bitcast(address, _WORDS)
        at = _place(builder, sequence, cell, place, 0)
        _write(context, builder, cell, at, value, (item, sequence.dtype))
        return context.get_dummy_value()

    return types.none(sequence, types.int64, item), generate


@intrinsic
def write_value(typing_context, mapping, place, value):
    """Write a dict's value to the place of its item, whose key is there."""
    key, kind = mapping.dtype

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        address, place, given = arguments
        cell = builder.bitcast(address, _WORDS)
        at = _place(builder, mapping, cell, place, items_of(key).width)
        _write(context, builder, cell, at, given, (value, kind))
        return context.get_dummy_value()

    return types.none(mapping, types.int64, value), generate


@intrinsic
def exchange_items(typing_context, sequence, i, j):
    """Exchange two items of a block that the row has made."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        address, *both = arguments
        one, other = (address_of_item(builder, sequence, address, k) for k in both)
        for word in range(width_of(sequence)):
            at = [builder.gep(place, [_I64(word)]) for place in (one, other)]
            values = [builder.load(place) for place in at]
            builder.store(values[1], at[0])
            builder.store(values[0], at[1])
        return context.get_dummy_value()

    return types.none(sequence, types.int64, types.int64), generate


def address_of_item(builder: Builder, sequence: ContainerType, address: ir.Value, i: ir.Value) -> ir.Value:
    """Return where the words of item ``i`` are."""
    cell = builder.bitcast(address, _WORDS)
    data = builder.inttoptr(load_word(builder, cell, DATA), _WORDS)
    place = builder.add(load_word(builder, cell, HEAD), i)
    return builder.gep(data, [builder.mul(place, _I64(width_of(sequence)))])


def read_item(context: Context, builder: Builder, sequence: ContainerType, address: Any, i: Any) -> ir.Value:
    """Return item ``i``, which is there."""
    at = address_of_item(builder, sequence, address, i)
    cell = builder.bitcast(address, _WORDS)
    word = 0

    def value(kind: types.Type) -> ir.Value:
        nonlocal word
        if isinstance(kind, types.BaseTuple):
            return context.make_tuple(builder, kind, [value(part) for part in kind])
        loaded = builder.load(builder.gep(at, [_I64(word)]))
        word += 1
        if isinstance(kind, ViewType):
            view = cgutils.create_struct_proxy(kind)(context, builder)
            view.data = builder.inttoptr(builder.add(load_word(builder, cell, TEXT), loaded), _BYTES)
            view.nbytes = builder.load(builder.gep(at, [_I64(word)]))
            word += 1
            return view._getvalue()
        if kind == types.float64:
            return builder.bitcast(loaded, ir.DoubleType())
        return builder.trunc(loaded, ir.IntType(1)) if kind == types.boolean else loaded

    return value(sequence.dtype)


@intrinsic
def item_at(typing_context, sequence, i):
    """Return item ``i``, which the caller knows to be there."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return read_item(context, builder, sequence, *arguments)

    return sequence.dtype(sequence, types.int64), generate


def adder(container: ContainerType) -> Any:
    """Return what writes an item behind the last one, in containers of a type; the caller counts it."""
    width, texts = width_of(container), texts_of(container.dtype)

    @helper
    def add(container, item):
        cell = cell_of(container)
        if texts:
            make_text_room(cell, width, texts, text_bytes(container, item))
        write_item(container, place_behind(cell, width), item)

    return add
