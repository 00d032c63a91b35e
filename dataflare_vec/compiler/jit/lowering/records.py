"""Records of a state in memory, and how compiled code loads and stores them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.compiler import Flags
from numba.cpython.listobj import ListInstance
from numba.np.arrayobj import make_array, populate_array

from dataflare_vec.arrow.layouts import Layout
from dataflare_vec.compiler.jit.abi.elements import Element, register
from dataflare_vec.compiler.jit.lowering import (
    state_cells,
    state_items,
    state_sequence_methods,
    state_sequences,
)
from dataflare_vec.compiler.jit.lowering.state_types import dtype_of
from dataflare_vec.compiler.jit.types.state_sequences import ContainerType
from dataflare_vec.compiler.jit.types.strings import ViewType
from dataflare_vec.compiler.jit.types.wide_integers import (
    I128,
    NaturalType,
    WideIntType,
    natural,
    widened,
)
from dataflare_vec.definition.state_containers import Items
from dataflare_vec.definition.state_layout import Leaf, StateLayout

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.arrow.layouts import Arguments
    from dataflare_vec.compiler.jit.abi.buffers import Buffers
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I1, _I8, _I32, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
_BYTES = ir.PointerType(_I8)

#: Bytes that come into the cache together.
_LINE = 64


class StateType(types.Type):  # type: ignore[misc]
    """A state in a record. Kernels see ``inner``, the state itself."""

    def __init__(self, state_layout: StateLayout, inner: types.Type) -> None:
        self.state_layout = state_layout
        self.inner = inner
        super().__init__(f"State({inner}, {state_layout.leaves})")


class Records(Layout):
    """Records one after the other. The second argument is the address of int32 codes, or 0.

    With codes, row ``i`` has the record of its code; without, each row has its own.
    """

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    @property
    def strides(self) -> Arguments:
        """By how much each argument changes from row to row, without codes."""
        return (self.size, 0, 0, 0)

    @property
    def row_bytes(self) -> int:
        """Bytes of a record."""
        return self.size

    def to_arrow(self, series: Any) -> Any:
        """Raise: records are no Series."""
        raise TypeError(series)

    def arguments(self, array: Any, *, nulls: bool) -> Arguments:
        """Return the arguments of a NumPy array of records."""
        return (array.ctypes.data, 0, 0, 0)


class _StateElement(Element):
    """One record for each row, as a kernel's argument."""

    def layout(self, ty: StateType) -> Layout:
        return Records(ty.state_layout.size)

    def argument_types(self, context: Context, ty: StateType) -> list[ir.Type]:
        return [_BYTES, ir.PointerType(_I32), _BYTES, _I64]

    def load(
        self, context: Context, builder: Builder, ty: StateType, column: Buffers, row: ir.Value
    ) -> ir.Value:
        address = builder.gep(column.values, [builder.mul(row, _I64(ty.state_layout.size))])
        return load(context, builder, ty, address)


register(StateType, _StateElement())


def load(
    context: Context, builder: Builder, ty: StateType, address: ir.Value, *, in_place: bool = False
) -> ir.Value:
    """Return the state of a record. A kernel may change its arrays: copies, or the record's own."""
    left = iter(ty.state_layout.leaves)

    def value(of: types.Type) -> ir.Value:
        if isinstance(of, types.BaseTuple):
            return context.make_tuple(builder, of, [value(item) for item in of])
        leaf = next(left)
        at = builder.gep(address, [_I64(leaf.offset)])
        if isinstance(of, ContainerType):
            has_text = state_items.texts_of(of.dtype) != 0
            state_sequences.begin(builder, at, has_text=has_text)
            return at
        if isinstance(of, types.Array):
            if in_place:
                return _array(context, builder, of, leaf, _typed(context, builder, of.dtype, at))
            return _copied_array(context, builder, of, leaf, at)
        if isinstance(of, types.Optional):
            optional = context.make_helper(builder, of)
            optional.data = _load_scalar(context, builder, of.type, at)
            optional.valid = builder.trunc(builder.load(_presence(context, builder, of.type, at)), _I1)
            return optional._getvalue()
        if isinstance(of, types.NoneType):
            return context.get_dummy_value()
        return _load_scalar(context, builder, of, at)

    return value(ty.inner)


def store(
    context: Context,
    builder: Builder,
    ty: StateType,
    address: ir.Value,
    state: ir.Value,
    given: types.Type,
) -> None:
    """Write a state of the type ``given`` into a record; arrays are of the right shape.

    An array that lies in its place already, changed by the kernel, isn't copied. Any other is put aside
    first: it may be one that lies in another's place.
    """
    left = iter(ty.state_layout.leaves)
    aside: list[Callable[[], None]] = []

    def put(value: ir.Value, value_type: types.Type, of: types.Type) -> None:
        if isinstance(of, types.BaseTuple):
            items = cgutils.unpack_tuple(builder, value, len(of))
            for item, item_type, wanted in zip(items, value_type, of, strict=True):
                put(item, item_type, wanted)
            return
        leaf = next(left)
        at = builder.gep(address, [_I64(leaf.offset)])
        if isinstance(of, ContainerType):
            return  # `has_room` has seen that it is the one of this place
        if leaf.owned:
            view, there = _view_of(
                context, builder, value, value_type, of.type if isinstance(of, types.Optional) else of
            )
            state_cells.store_view(builder, at, view)
            if isinstance(of, types.Optional):
                builder.store(builder.zext(there, _I8), _presence(context, builder, of.type, at))
        elif isinstance(of, types.Array):
            array = make_array(value_type)(context, builder, value)
            aside.append(_put_aside(context, builder, value_type.dtype, of.dtype, leaf, array.data, at))
        elif isinstance(of, types.Optional):
            there = _put_optional(value, value_type, of, at)
            builder.store(builder.zext(there, _I8), _presence(context, builder, of.type, at))
        elif not isinstance(of, types.NoneType):
            _store_scalar(context, builder, _cast(value, value_type, of), of, at)

    def _cast(value: ir.Value, value_type: types.Type, of: types.Type) -> ir.Value:
        if isinstance(of, WideIntType):  # no check: `has_room` was asked
            literal = types.unliteral(value_type)
            return widened(builder, context.cast(builder, value, value_type, literal), literal)
        return context.cast(builder, value, value_type, of)

    def _put_optional(value: ir.Value, value_type: types.Type, of: types.Optional, at: ir.Value) -> ir.Value:
        if isinstance(value_type, types.NoneType):
            return cgutils.false_bit
        there = cgutils.true_bit
        if isinstance(value_type, types.Optional):
            optional = context.make_helper(builder, value_type, value=value)
            value, there, value_type = optional.data, optional.valid, value_type.type
        _store_scalar(context, builder, _cast(value, value_type, of.type), of.type, at)
        return there

    put(state, given, ty.inner)
    for move_in in aside:
        move_in()


def _containers(ty: StateType) -> list[Leaf]:
    return [leaf for leaf in ty.state_layout.owned if not isinstance(leaf.owned, str)]


def has_containers(ty: StateType) -> bool:
    """Whether a state has lists, deques, dicts or sets."""
    return bool(_containers(ty))


def undo(builder: Builder, ty: StateType, address: ir.Value) -> None:
    """Write how containers become what they were before a row that fails."""
    for leaf in _containers(ty):
        width = Items.of(leaf.owned[1]).width
        state_sequences.undo(builder, builder.gep(address, [_I64(leaf.offset)]), width)


def fetch_record(builder: Builder, ty: StateType, address: ir.Value) -> None:
    """Have a record in the cache, which a later row reads."""
    for offset in range(0, ty.state_layout.size, _LINE):
        state_sequences.fetch(builder, builder.gep(address, [_I64(offset)]))


def fetch_items(builder: Builder, ty: StateType, address: ir.Value) -> None:
    """Have the first and last items of a record's containers in the cache."""
    for leaf in _containers(ty):
        cell = builder.gep(address, [_I64(leaf.offset)])
        state_sequences.fetch_ends(builder, cell, Items.of(leaf.owned[1]).width)


def has_room(
    context: Context,
    builder: Builder,
    ty: StateType,
    address: ir.Value,
    state: ir.Value,
    given: types.Type,
) -> ir.Value:
    """Return whether a state fits its record: the shapes of its arrays, and numbers of 64 bits.

    For what lies outside of the record room is made.
    """
    left = iter(ty.state_layout.leaves)
    right = cgutils.true_bit
    new_lists: list[ir.Value] = []

    def make_room(value: ir.Value, value_type: types.Type, of: types.Type, leaf: Leaf) -> ir.Value:
        of = of.type if isinstance(of, types.Optional) else of
        view, _ = _view_of(context, builder, value, value_type, of)
        return state_cells.make_room(builder, builder.gep(address, [_I64(leaf.offset)]), view)

    def take_items(value: ir.Value, value_type: types.Type, of: ContainerType, leaf: Leaf) -> ir.Value:
        at = builder.gep(address, [_I64(leaf.offset)])
        if value_type == of:  # the one that lies there, changed in place
            return builder.icmp_unsigned("==", value, at)
        memory = ListInstance(context, builder, value_type, value).meminfo
        alone = cgutils.true_bit  # in Python one list at two places would go on being one
        for other in new_lists:
            alone = builder.and_(alone, builder.icmp_unsigned("!=", memory, other))
        new_lists.append(memory)
        signature = types.none(of, value_type)
        flags = Flags()
        flags.nrt = flags.no_cpython_wrapper = True
        assign = state_sequence_methods.assign
        function = context.compile_subroutine(builder, assign, signature, flags=flags)
        status, _ = context.call_internal_no_propagate(builder, function.fndesc, signature, [at, value])
        return builder.and_(alone, status.is_ok)

    def check(value: ir.Value, value_type: types.Type, of: types.Type) -> None:
        nonlocal right
        if isinstance(value_type, types.BaseTuple):
            items = cgutils.unpack_tuple(builder, value)
            for item, item_type, wanted in zip(items, value_type, of, strict=True):
                check(item, item_type, wanted)
            return
        leaf = next(left)
        if isinstance(of, ContainerType):
            right = builder.and_(right, take_items(value, value_type, of, leaf))
        elif leaf.owned:
            right = builder.and_(right, make_room(value, value_type, of, leaf))
        if isinstance(of, (types.Optional, NaturalType)):
            fits = _is_short(context, builder, value, value_type, of)
            right = right if fits is None else builder.and_(right, fits)
        if isinstance(value_type, types.Array):
            shape = cgutils.unpack_tuple(builder, make_array(value_type)(context, builder, value).shape)
            for length, wanted in zip(shape, leaf.shape, strict=True):
                right = builder.and_(right, builder.icmp_signed("==", length, length.type(wanted)))

    check(state, given, ty.inner)
    return right


def _is_short(
    context: Context, builder: Builder, value: ir.Value, given: types.Type, of: types.Type
) -> ir.Value | None:
    """Whether a natural number fits 64 bits, or there is none; None if what is stored is something else."""
    of = of.type if isinstance(of, types.Optional) else of
    absent = cgutils.false_bit
    if isinstance(given, types.Optional):
        optional = context.make_helper(builder, given, value=value)
        value, given, absent = optional.data, given.type, builder.not_(optional.valid)
    if of != natural or given != natural:
        return None
    low = builder.icmp_unsigned("==", builder.lshr(value, I128(64)), I128(0))
    return builder.or_(absent, low)


def _typed(context: Context, builder: Builder, ty: types.Type, address: ir.Value) -> ir.Value:
    return builder.bitcast(address, context.get_data_type(ty).as_pointer())


def _view_of(
    context: Context, builder: Builder, value: ir.Value, given: types.Type, of: ViewType
) -> tuple[tuple[ir.Value, ir.Value], ir.Value]:
    """Return the address and bytes of a string, and whether there is one: none has no bytes."""
    there = cgutils.true_bit
    if isinstance(given, types.NoneType):
        return (_BYTES(None), _I64(0)), cgutils.false_bit
    if isinstance(given, types.Optional):
        optional = context.make_helper(builder, given, value=value)
        value, there, given = optional.data, optional.valid, given.type
    value = context.cast(builder, value, given, of)
    view = cgutils.create_struct_proxy(of)(context, builder, value=value)
    return (view.data, builder.select(there, view.nbytes, _I64(0))), there


def _load_scalar(context: Context, builder: Builder, ty: types.Type, address: ir.Value) -> ir.Value:
    if isinstance(ty, ViewType):
        return state_cells.load_view(context, builder, ty, address)
    if isinstance(ty, WideIntType):
        value = builder.load(builder.bitcast(address, _stored(ty).as_pointer()), align=8)
        return builder.zext(value, I128) if isinstance(ty, NaturalType) else value
    return context.unpack_value(builder, ty, _typed(context, builder, ty, address))


def _stored(ty: WideIntType) -> ir.Type:
    return _I64 if isinstance(ty, NaturalType) else I128


def _store_scalar(
    context: Context, builder: Builder, value: ir.Value, ty: types.Type, address: ir.Value
) -> None:
    if isinstance(ty, WideIntType):
        if isinstance(ty, NaturalType):
            value = builder.trunc(value, _I64)
        builder.store(value, builder.bitcast(address, _stored(ty).as_pointer()), align=8)
        return
    context.pack_value(builder, ty, value, _typed(context, builder, ty, address))


def _presence(context: Context, builder: Builder, ty: types.Type, address: ir.Value) -> ir.Value:
    size = dtype_of(ty).itemsize
    return builder.gep(address, [_I64(size)])


def _count(leaf: Leaf) -> int:
    count = 1
    for length in leaf.shape:
        count *= length
    return count


def _scratch(context: Context, builder: Builder, dtype: types.Type, leaf: Leaf) -> ir.Value:
    with builder.goto_entry_block():
        scratch = builder.alloca(context.get_data_type(dtype), _I64(max(_count(leaf), 1)))
        scratch.align = 32
    return scratch


def _copied_array(
    context: Context, builder: Builder, ty: types.Array, leaf: Leaf, address: ir.Value
) -> ir.Value:
    scratch = _scratch(context, builder, ty.dtype, leaf)
    source = _typed(context, builder, ty.dtype, address)
    _copy_array(context, builder, ty.dtype, ty.dtype, leaf, source, scratch)
    return _array(context, builder, ty, leaf, scratch)


def _array(context: Context, builder: Builder, ty: types.Array, leaf: Leaf, data: ir.Value) -> ir.Value:
    itemsize = context.get_abi_sizeof(data.type.pointee)
    shape = [_I64(length) for length in leaf.shape]
    strides: list[ir.Value] = []
    step = itemsize
    for length in reversed(leaf.shape):
        strides.insert(0, _I64(step))
        step *= length
    array = make_array(ty)(context, builder)
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=_I64(itemsize), meminfo=None)
    return array._getvalue()


def _put_aside(
    context: Context,
    builder: Builder,
    given: types.Type,
    wanted: types.Type,
    leaf: Leaf,
    source: ir.Value,
    address: ir.Value,
) -> Callable[[], None]:
    """Copy an array that isn't in its place; return what writes the code that moves it there."""
    target = _typed(context, builder, wanted, address)
    scratch = _scratch(context, builder, wanted, leaf)
    elsewhere = builder.icmp_unsigned("!=", builder.ptrtoint(source, _I64), builder.ptrtoint(target, _I64))
    with builder.if_then(elsewhere):
        _copy_array(context, builder, given, wanted, leaf, source, scratch)

    def move_in() -> None:
        with builder.if_then(elsewhere):
            _copy_array(context, builder, wanted, wanted, leaf, scratch, target)

    return move_in


def _copy_array(
    context: Context,
    builder: Builder,
    given: types.Type,
    wanted: types.Type,
    leaf: Leaf,
    source: ir.Value,
    target: ir.Value,
) -> None:
    count = _I64(_count(leaf))
    if given == wanted:
        cgutils.raw_memcpy(builder, target, source, count, context.get_abi_sizeof(target.type.pointee))
        return
    with cgutils.for_range(builder, count, intp=_I64) as loop:
        value = context.unpack_value(builder, given, builder.gep(source, [loop.index]))
        value = context.cast(builder, value, given, wanted)
        context.pack_value(builder, wanted, value, builder.gep(target, [loop.index]))
