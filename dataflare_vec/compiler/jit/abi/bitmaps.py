"""Bitmaps to bytes and back, as LLVM functions.

Words of 64 rows are read and written whole, with the bits turned into bytes by one vector instruction;
what is left over goes bit by bit, so that no byte outside of the bitmap is ever touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder

_I1, _I8, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)
_BYTES = ir.PointerType(_I8)
_WORD = 64
_BIT_LANES = ir.VectorType(_I1, _WORD)
_BYTE_LANES = ir.VectorType(_I8, _WORD)


def _helper(module: ir.Module, name: str, scratch_at: int) -> tuple[ir.Function, ir.IRBuilder | None]:
    """Return the internal function ``name(bitmap, bit offset, rows, scratch)``; a builder if it is new."""
    if name in module.globals:
        return module.globals[name], None
    signature = ir.FunctionType(ir.VoidType(), [_BYTES, _I64, _I64, _BYTES])
    function = ir.Function(module, signature, name)
    function.linkage = "internal"
    function.args[0].add_attribute("noalias")
    function.args[scratch_at].add_attribute("noalias")
    return function, ir.IRBuilder(function.append_basic_block("entry"))


def _bit_address(builder: Builder, bitmap: ir.Value, position: ir.Value) -> tuple[Any, Any]:
    byte = builder.gep(bitmap, [builder.lshr(position, _I64(3))])
    return byte, builder.and_(position, _I64(7))


def _load_word(builder: Builder, bitmap: ir.Value, position: ir.Value) -> ir.Value:
    """64 bits from any bit position on; reads the ninth byte only where bits of it are wanted."""
    byte, shift = _bit_address(builder, bitmap, position)
    low = builder.load(builder.bitcast(byte, ir.PointerType(_I64)), align=1)
    shifted = builder.icmp_unsigned("!=", shift, _I64(0))
    ninth = builder.load(builder.gep(byte, [builder.select(shifted, _I64(8), _I64(7))]))
    # Two shifts, because a shift by 64 is undefined: with shift = 0 nothing of the byte is left.
    high = builder.shl(builder.zext(ninth, _I64), _I64(1))
    high = builder.shl(high, builder.sub(_I64(63), shift))
    return builder.or_(builder.lshr(low, shift), high)


def _words_and_rest(builder: Builder, rows: ir.Value, word: Any, bit: Any) -> None:
    """Call ``word(row)`` for each 64 rows and ``bit(row)`` for each of the rest."""
    whole = builder.and_(rows, _I64(-_WORD))
    with cgutils.for_range_slice(builder, _I64(0), whole, _I64(_WORD), _I64) as (row, _):
        word(row)
    with cgutils.for_range_slice(builder, whole, rows, _I64(1), _I64) as (row, _):
        bit(row)


def unpack(module: ir.Module) -> ir.Function:
    """scratch[i] = bit i of the bitmap, as a byte; all 1 where there is no bitmap."""
    return _unpack_with(module, "dfv.unpack", combine=False)


def unpack_and(module: ir.Module) -> ir.Function:
    """scratch[i] &= bit i of the bitmap; nothing to do where there is no bitmap."""
    return _unpack_with(module, "dfv.unpack_and", combine=True)


def _unpack_with(module: ir.Module, name: str, *, combine: bool) -> ir.Function:
    function, builder = _helper(module, name, scratch_at=3)
    if builder is None:
        return function
    bitmap, offset, rows, scratch = function.args
    absent = builder.icmp_unsigned("==", bitmap, ir.Constant(_BYTES, None))

    def put(row: ir.Value, value: ir.Value) -> None:
        address = builder.gep(scratch, [row])
        target = builder.bitcast(address, ir.PointerType(value.type))
        if combine:
            value = builder.and_(value, builder.load(target, align=1))
        builder.store(value, target, align=1)

    def word(row: ir.Value) -> None:
        bits = builder.bitcast(_load_word(builder, bitmap, builder.add(offset, row)), _BIT_LANES)
        put(row, builder.zext(bits, _BYTE_LANES))

    def bit(row: ir.Value) -> None:
        byte, shift = _bit_address(builder, bitmap, builder.add(offset, row))
        value = builder.lshr(builder.load(byte), builder.trunc(shift, _I8))
        put(row, builder.and_(value, _I8(1)))

    with builder.if_then(absent):
        if not combine:
            cgutils.memset(builder, scratch, rows, 1)
        builder.ret_void()
    _words_and_rest(builder, rows, word, bit)
    builder.ret_void()
    return function


def pack(module: ir.Module) -> ir.Function:
    """Bit i of the bitmap = scratch[i]; other bits of its first and last byte stay."""
    function, builder = _helper(module, "dfv.pack", scratch_at=3)
    if builder is None:
        return function
    bitmap, offset, rows, scratch = function.args

    def bit(row: ir.Value) -> None:
        byte, shift = _bit_address(builder, bitmap, builder.add(offset, row))
        shift = builder.trunc(shift, _I8)
        others = builder.and_(builder.load(byte), builder.not_(builder.shl(_I8(1), shift)))
        value = builder.load(builder.gep(scratch, [row]))
        builder.store(builder.or_(others, builder.shl(value, shift)), byte)

    def word(row: ir.Value) -> None:
        lanes = builder.bitcast(builder.gep(scratch, [row]), ir.PointerType(_BYTE_LANES))
        bits = builder.icmp_unsigned("!=", builder.load(lanes, align=1), ir.Constant(_BYTE_LANES, None))
        byte, _ = _bit_address(builder, bitmap, builder.add(offset, row))
        target = builder.bitcast(byte, ir.PointerType(_I64))
        builder.store(builder.bitcast(bits, _I64), target, align=1)

    # Rows up to the next whole byte of the bitmap go one by one; then words can be stored whole.
    odd = builder.and_(builder.sub(_I64(0), offset), _I64(7))
    fewer = builder.icmp_unsigned("<", rows, odd)
    head = builder.select(fewer, rows, odd)
    with cgutils.for_range_slice(builder, _I64(0), head, _I64(1), _I64) as (row, _):
        bit(row)
    whole = builder.add(head, builder.and_(builder.sub(rows, head), _I64(-_WORD)))
    with cgutils.for_range_slice(builder, head, whole, _I64(_WORD), _I64) as (row, _):
        word(row)
    with cgutils.for_range_slice(builder, whole, rows, _I64(1), _I64) as (row, _):
        bit(row)
    builder.ret_void()
    return function
