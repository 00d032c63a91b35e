"""How compiled code reads and writes strings and bytes that lie outside of a state's record.

See `definition.state_memory`: a value is written where the one before the last was, so that a row may return
parts of the state that it got. Room is made first, since there may be none; then nothing can fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir
from numba.core import cgutils, types

from dataflare_vec.compiler.jit.lowering.strings.viewcode import define
from dataflare_vec.definition.state_memory import HEADER_BYTES, NBYTES, ROOM, VALUE

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I1, _I8, _I64 = (ir.IntType(bits) for bits in (1, 8, 64))
_BYTES, _WORDS = _I8.as_pointer(), _I64.as_pointer()

#: Bytes that room is made for at least: short values then never need more.
_LEAST = 24


def load_view(context: Context, builder: Builder, ty: types.Type, address: ir.Value) -> ir.Value:
    """Return the string or bytes of a cell."""
    cell = builder.bitcast(address, _WORDS)
    view = cgutils.create_struct_proxy(ty)(context, builder)
    data = builder.inttoptr(_load(builder, cell, VALUE), _BYTES)
    # Of a cell that is empty the address is that of some byte, as of any other string.
    nothing = builder.icmp_unsigned("==", data, _BYTES(None))
    view.data = builder.select(nothing, address, data)
    view.nbytes = _load(builder, cell, NBYTES)
    return view._getvalue()


def make_room(builder: Builder, address: ir.Value, view: tuple[ir.Value, ir.Value]) -> ir.Value:
    """Return whether a cell has room for a value, which is made."""
    return builder.call(_make_room(builder.module), [builder.bitcast(address, _WORDS), *view])


def store_view(builder: Builder, address: ir.Value, view: tuple[ir.Value, ir.Value]) -> None:
    """Write a value into a cell that has room for it."""
    builder.call(_put(builder.module), [builder.bitcast(address, _WORDS), *view])


def _load(builder: Builder, cell: ir.Value, word: int) -> ir.Value:
    return builder.load(builder.gep(cell, [_I64(word)]))


def _store(builder: Builder, value: ir.Value, cell: ir.Value, word: int) -> None:
    builder.store(value, builder.gep(cell, [_I64(word)]))


def _is_there(builder: Builder, cell: ir.Value, data: ir.Value, nbytes: ir.Value) -> ir.Value:
    """Whether a value is the one that the cell holds."""
    same = builder.icmp_unsigned("==", builder.ptrtoint(data, _I64), _load(builder, cell, VALUE))
    return builder.and_(same, builder.icmp_signed("==", nbytes, _load(builder, cell, NBYTES)))


def function_of(module: ir.Module, name: str, returned: ir.Type, arguments: list[ir.Type]) -> ir.Function:
    """Return a function of the C library."""
    found = module.globals.get(name)
    return found or ir.Function(module, ir.FunctionType(returned, arguments), name)


def _make_room(module: ir.Module) -> ir.Function:
    """Return ``i1 dfv.state.make_room(cell, data, nbytes)``."""
    function, builder = define(module, "dfv.state.make_room", _I1, [_WORDS, _BYTES, _I64])
    if builder is None:
        return function
    cell, data, nbytes = function.args
    done = builder.or_(_is_there(builder, cell, data, nbytes), builder.icmp_signed("==", nbytes, _I64(0)))
    with builder.if_then(done):
        builder.ret(_I1(1))
    room = _load(builder, cell, ROOM)
    held = cgutils.alloca_once_value(builder, _I64(0))
    header = builder.inttoptr(builder.sub(room, _I64(HEADER_BYTES)), _WORDS)
    with builder.if_then(builder.icmp_unsigned("!=", room, _I64(0))):
        builder.store(builder.load(header), held)
    with builder.if_then(builder.icmp_signed(">=", builder.load(held), nbytes), likely=True):
        builder.ret(_I1(1))
    wanted = builder.add(nbytes, builder.lshr(nbytes, _I64(2)))
    wanted = builder.select(builder.icmp_signed("<", wanted, _I64(_LEAST)), _I64(_LEAST), wanted)
    malloc = function_of(module, "malloc", _BYTES, [_I64])
    block = builder.call(malloc, [builder.add(wanted, _I64(HEADER_BYTES))])
    with builder.if_then(builder.icmp_unsigned("==", block, _BYTES(None)), likely=False):
        builder.ret(_I1(0))
    # Of no bytes is what belongs to all records.
    with builder.if_then(builder.icmp_signed(">", builder.load(held), _I64(0))):
        builder.call(function_of(module, "free", ir.VoidType(), [_BYTES]), [builder.bitcast(header, _BYTES)])
    builder.store(wanted, builder.bitcast(block, _WORDS))
    _store(builder, builder.add(builder.ptrtoint(block, _I64), _I64(HEADER_BYTES)), cell, ROOM)
    builder.ret(_I1(1))
    return function


def _put(module: ir.Module) -> ir.Function:
    """Return ``void dfv.state.put(cell, data, nbytes)``."""
    function, builder = define(module, "dfv.state.put", ir.VoidType(), [_WORDS, _BYTES, _I64])
    if builder is None:
        return function
    cell, data, nbytes = function.args
    with builder.if_then(_is_there(builder, cell, data, nbytes)):
        builder.ret_void()
    with builder.if_then(builder.icmp_signed("==", nbytes, _I64(0))):
        _store(builder, nbytes, cell, NBYTES)
        builder.ret_void()
    room, value = _load(builder, cell, ROOM), _load(builder, cell, VALUE)
    cgutils.raw_memcpy(builder, builder.inttoptr(room, _BYTES), data, nbytes, 1)
    _store(builder, room, cell, VALUE)
    _store(builder, nbytes, cell, NBYTES)
    _store(builder, value, cell, ROOM)
    builder.ret_void()
    return function
