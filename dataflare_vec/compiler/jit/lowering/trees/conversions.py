"""Numbers of one kind as numbers of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflare_vec.compiler.jit.lowering.trees.emitter import TRUE, Maybe, llvm_type, operation
from dataflare_vec.definition.trees.kinds import BOOL, kind_of

if TYPE_CHECKING:
    from llvmlite import ir

    from dataflare_vec.compiler.jit.lowering.trees.emitter import Emitter
    from dataflare_vec.definition.trees.kinds import Kind
    from dataflare_vec.definition.trees.nodes import Node


@operation("convert")
def _convert(emit: Emitter, node: Node) -> Maybe:
    """To a kind that holds any of them, be it the nearest one."""
    value, valid = emit(node.arguments[0])
    source = kind_of(node.arguments[0].dtype)
    assert source is not None
    return Maybe(converted(emit, value, source, emit.kind(node)), valid)


def converted(emit: Emitter, value: ir.Value, source: Kind, target: Kind) -> ir.Value:
    """Return a number as one of another kind; an integer that has no room keeps its last bits."""
    builder, ty = emit.builder, llvm_type(target)
    if source.is_float:
        if target.is_float:
            if source.bits == target.bits:
                return value
            return (builder.fpext if target.bits > source.bits else builder.fptrunc)(value, ty)
        return (builder.fptosi if target.is_signed else builder.fptoui)(value, ty)
    is_signed = source.is_signed
    if target.is_float:
        return (builder.sitofp if is_signed else builder.uitofp)(value, ty)
    if source.bits == target.bits:
        return value
    if source.bits > target.bits:
        return builder.trunc(value, ty)
    return (builder.sext if is_signed and source != BOOL else builder.zext)(value, ty)


@operation("cast")
def _cast(emit: Emitter, node: Node) -> Maybe:
    """To integers of which not all have room: null for one that hasn't, or no row at all if it is strict."""
    builder = emit.builder
    (strict,) = node.options
    value, valid = emit(node.arguments[0])
    source, target = kind_of(node.arguments[0].dtype), emit.kind(node)
    assert source is not None
    low, high = target.range
    if source.is_float:
        # What is cut off may be a fraction: -0.5 has room without a sign. Both bounds are floats exactly.
        whole = emit.intrinsic("trunc", value)
        fits = builder.and_(
            builder.fcmp_ordered(">=", whole, value.type(float(low))),
            builder.fcmp_ordered("<", whole, value.type(float(high + 1))),
        )
        value = builder.select(fits, value, value.type(0.0))
    else:
        compare = builder.icmp_signed if source.is_signed else builder.icmp_unsigned
        fits = TRUE
        if source.range[0] < low:
            fits = emit.both(fits, compare(">=", value, value.type(low)))
        if source.range[1] > high:
            fits = emit.both(fits, compare("<=", value, value.type(high)))
    if strict:
        emit.failed.append(emit.both(valid, emit.neither(fits)))
    else:
        valid = emit.both(valid, fits)
    return Maybe(converted(emit, value, source, target), valid)
