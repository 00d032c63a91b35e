"""Bytes in LLVM IR, loaded and stored. No byte outside of a value is ever read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder

_I8, _I32, _I64, _I128 = (ir.IntType(bits) for bits in (8, 32, 64, 128))
_BYTES = _I8.as_pointer()


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
