"""How values get into a column of views, in LLVM IR: `put`, and the data builder that it writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir

from dataflare_vec.arrow.layouts.string_views import INLINE_BYTES
from dataflare_vec.compiler.jit.lowering.strings.vectorcode import copy_some
from dataflare_vec.compiler.jit.lowering.strings.viewcode import define, load, payload, store

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder

_I8, _I32, _I64, _I128 = (ir.IntType(bits) for bits in (8, 32, 64, 128))
_BYTES, _WORDS = _I8.as_pointer(), _I64.as_pointer()
#: Words of a data builder.
NEXT, END, START, INDEX, RESTART, OBJECT, ROOM = range(7)
_ROOM_FUNCTION = ir.FunctionType(_I64, [_I64, _I64]).as_pointer()


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
        copy_some(builder, address, data, nbytes, builder.sub(_word(builder, data_builder, END), target))
    builder.ret_void()
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
