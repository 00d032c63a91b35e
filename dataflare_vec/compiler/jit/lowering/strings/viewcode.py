"""Bytes in LLVM IR: loaded, stored, put into a column. No byte outside of a value is ever read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir
from numba.core import cgutils

from dataflare_vec.arrow.layouts.string_views import INLINE_BYTES

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder

_I1, _I8, _I32, _I64, _I128 = (ir.IntType(bits) for bits in (1, 8, 32, 64, 128))
_BYTES, _WORDS = _I8.as_pointer(), _I64.as_pointer()
_LANES = ir.VectorType(_I8, 16)
_LANE_BYTES = 16
#: Words of a data builder.
NEXT, END, START, INDEX, RESTART, OBJECT, ROOM = range(7)
_ROOM_FUNCTION = ir.FunctionType(_I64, [_I64, _I64]).as_pointer()


def load(builder: Builder, address: ir.Value, offset: int | ir.Value, ty: ir.Type) -> ir.Value:
    """Return what lies ``offset`` bytes behind an address, aligned or not."""
    at = builder.gep(address, [offset if isinstance(offset, ir.Value) else _I64(offset)])
    return builder.load(builder.bitcast(at, ty.as_pointer()), align=1)


def store(builder: Builder, value: ir.Value, address: ir.Value, offset: int | ir.Value) -> None:
    """Write a value ``offset`` bytes behind an address, aligned or not."""
    at = builder.gep(address, [offset if isinstance(offset, ir.Value) else _I64(offset)])
    builder.store(value, builder.bitcast(at, value.type.as_pointer()), align=1)


def define(
    module: ir.Module, name: str, returned: ir.Type, arguments: list[ir.Type]
) -> tuple[ir.Function, ir.IRBuilder | None]:
    """Return a function that is the same in all modules, and a builder for its body if it isn't there yet."""
    if name in module.globals:
        return module.globals[name], None
    function = ir.Function(module, ir.FunctionType(returned, arguments), name)
    function.linkage = "linkonce_odr"
    return function, ir.IRBuilder(function.append_basic_block("entry"))


def put(module: ir.Module) -> ir.Function:
    """Return ``void dfv.put(view, builder, address, bytes)``: write a value into a column of views.

    It may already lie where the data builder's next byte goes (see `arena`), or overlap with that place.
    """
    function, builder = define(module, "dfv.put", ir.VoidType(), [_BYTES, _WORDS, _BYTES, _I64])
    if builder is None:
        return function
    function.attributes.add("alwaysinline")
    view, data_builder, data, nbytes = function.args
    with builder.if_then(builder.icmp_unsigned("<=", nbytes, _I64(INLINE_BYTES))):
        word = builder.call(payload(module), [data, nbytes])
        word = builder.or_(builder.shl(word, _I128(32)), builder.zext(nbytes, _I128))
        store(builder, word, view, 0)
        builder.ret_void()
    left = builder.sub(_word(builder, data_builder, END), _word(builder, data_builder, NEXT))
    with builder.if_then(builder.icmp_unsigned("<", left, nbytes), likely=False):
        room = builder.inttoptr(_word(builder, data_builder, ROOM), _ROOM_FUNCTION)
        failed = builder.call(room, [_word(builder, data_builder, OBJECT), nbytes])
        with builder.if_then(builder.icmp_unsigned("!=", failed, _I64(0)), likely=False):
            store(builder, _I128(0), view, 0)  # the run will end with an error
            builder.ret_void()
    target = _word(builder, data_builder, NEXT)
    address = builder.inttoptr(target, _BYTES)
    offset = builder.trunc(builder.sub(target, _word(builder, data_builder, START)), _I32)
    store(builder, builder.trunc(nbytes, _I32), view, 0)
    store(builder, load(builder, data, 0, _I32), view, 4)
    store(builder, builder.trunc(_word(builder, data_builder, INDEX), _I32), view, 8)
    store(builder, offset, view, 12)
    builder.store(builder.add(target, nbytes), _at(builder, data_builder, NEXT))
    with builder.if_then(builder.icmp_unsigned("!=", data, address)):
        _copy(builder, address, data, nbytes)
    builder.ret_void()
    return function


def _copy(builder: Builder, target: ir.Value, data: ir.Value, nbytes: ir.Value) -> None:
    """Copy at least 8 bytes, and return. Up to 32 in line: a call takes longer than the copy."""
    for least, ty in ((8, _I64), (16, _LANES)):
        with builder.if_then(builder.icmp_unsigned("<=", nbytes, _I64(2 * least))):
            last = builder.sub(nbytes, _I64(least))
            head, tail = load(builder, data, 0, ty), load(builder, data, last, ty)
            store(builder, head, target, 0)
            store(builder, tail, target, last)
            builder.ret_void()
    cgutils.raw_memmove(builder, target, data, nbytes, itemsize=1)


def payload(module: ir.Module) -> ir.Function:
    """Return ``i128 dfv.payload(address, bytes)``: up to 12 bytes as a number, the first one the lowest."""
    function, builder = define(module, "dfv.payload", _I128, [_BYTES, _I64])
    if builder is None:
        return function
    data, nbytes = function.args

    def overlapping(ty: ir.IntType) -> None:
        behind = builder.sub(nbytes, _I64(ty.width // 8))
        low = builder.zext(load(builder, data, 0, ty), _I128)
        high = builder.zext(load(builder, data, behind, ty), _I128)
        shift = builder.zext(builder.shl(behind, _I64(3)), _I128)
        builder.ret(builder.or_(low, builder.shl(high, shift)))

    for ty in (_I64, _I32):
        with builder.if_then(builder.icmp_unsigned(">=", nbytes, _I64(ty.width // 8))):
            overlapping(ty)
    with builder.if_then(builder.icmp_unsigned("==", nbytes, _I64(0))):
        builder.ret(_I128(0))
    word = builder.zext(load(builder, data, 0, _I8), _I64)
    for at in (builder.lshr(nbytes, _I64(1)), builder.sub(nbytes, _I64(1))):
        byte = builder.zext(load(builder, data, at, _I8), _I64)
        word = builder.or_(word, builder.shl(byte, builder.shl(at, _I64(3))))
    builder.ret(builder.zext(word, _I128))
    return function


# -- the thread's data builder -------------------------------------------------------------------------------


def _at(builder: Builder, data_builder: ir.Value, word: int) -> ir.Value:
    return builder.gep(data_builder, [_I64(word)])


def _word(builder: Builder, data_builder: ir.Value, word: int) -> ir.Value:
    return builder.load(_at(builder, data_builder, word))


def begin(builder: Builder, data_builder: ir.Value) -> ir.Value:
    """Start the data builder over if it wants that; return where its next byte goes."""
    restart = builder.icmp_unsigned("!=", _word(builder, data_builder, RESTART), _I64(0))
    start, following = _word(builder, data_builder, START), _word(builder, data_builder, NEXT)
    following = builder.select(restart, start, following)
    builder.store(following, _at(builder, data_builder, NEXT))
    return following


def undo(builder: Builder, data_builder: ir.Value, mark: ir.Value) -> None:
    """Give back the room that was used since `begin`, as far as it is in the buffer that is there now."""
    start, end = _word(builder, data_builder, START), _word(builder, data_builder, END)
    after = builder.icmp_unsigned(">=", mark, start)
    same = builder.and_(after, builder.icmp_unsigned("<=", mark, end))
    builder.store(builder.select(same, mark, start), _at(builder, data_builder, NEXT))
