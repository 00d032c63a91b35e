"""Arithmetic as Polars does it: integers wrap around, and constants take ways of their own.

A float divided by a constant is multiplied by its reciprocal; a constant of 0 is not added, one of 1 not
multiplied by. That shows: in last bits, and in the sign of a zero.
Source: polars-compute, ``arithmetic/{float,signed,unsigned}.rs``, Polars 2.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir

from dataflare_vec.compiler.jit.lowering.trees.emitter import Maybe, operation

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.lowering.trees.emitter import Emitter
    from dataflare_vec.definition.trees.nodes import Node


@operation("add")
def _add(emit: Emitter, node: Node) -> Maybe:
    builder = emit.builder
    (left, right), valid = emit.all_of(node)
    if not emit.kind(node).is_float:
        return Maybe(builder.add(left, right), valid)
    total = builder.fadd(left, right)
    for argument, value, other in zip(node.arguments, (left, right), (right, left), strict=True):
        if argument.is_constant:
            total = builder.select(_is_zero(emit, value), other, total)
    return Maybe(total, valid)


@operation("sub")
def _sub(emit: Emitter, node: Node) -> Maybe:
    builder = emit.builder
    (left, right), valid = emit.all_of(node)
    if not emit.kind(node).is_float:
        return Maybe(builder.sub(left, right), valid)
    rest = builder.fsub(left, right)
    first, second = node.arguments
    if second.is_constant:
        rest = builder.select(_is_zero(emit, right), left, rest)
    elif first.is_constant:
        rest = builder.select(_is_zero(emit, left), builder.fneg(right), rest)
    return Maybe(rest, valid)


@operation("mul")
def _mul(emit: Emitter, node: Node) -> Maybe:
    (left, right), valid = emit.all_of(node)
    if emit.kind(node).is_float:
        return Maybe(emit.builder.fmul(left, right), valid)
    return Maybe(emit.builder.mul(left, right), valid)


@operation("div")
def _div(emit: Emitter, node: Node) -> Maybe:
    """Divide floats."""
    builder = emit.builder
    (left, right), valid = emit.all_of(node)
    if node.arguments[1].is_constant:
        return Maybe(builder.fmul(left, _reciprocal(emit, right)), valid)
    return Maybe(builder.fdiv(left, right), valid)


@operation("quotient")
def _quotient(emit: Emitter, node: Node) -> Maybe:
    """Divide floats, in a function that does so itself."""
    (left, right), valid = emit.all_of(node)
    return Maybe(emit.builder.fdiv(left, right), valid)


@operation("floor_div", "mod")
def _floor_div(emit: Emitter, node: Node) -> Maybe:
    builder = emit.builder
    (left, right), valid = emit.all_of(node)
    if node.arguments[1].is_constant:
        exact = builder.fmul(left, _reciprocal(emit, right))
    else:
        exact = builder.fdiv(left, right)
    quotient = emit.intrinsic("floor", exact)
    if node.operation == "floor_div":
        return Maybe(quotient, valid)
    return Maybe(builder.fsub(left, builder.fmul(right, quotient)), valid)


def _reciprocal(emit: Emitter, value: ir.Value) -> ir.Value:
    return emit.builder.fdiv(value.type(1.0), value)


def _is_zero(emit: Emitter, value: ir.Value) -> ir.Value:
    return emit.builder.fcmp_ordered("==", value, value.type(0.0))


@operation("int_floor_div", "int_mod")
def _int_floor_div(emit: Emitter, node: Node) -> Maybe:
    """Divide integers towards negative infinity; by zero there is no result."""
    builder = emit.builder
    (left, right), valid = emit.all_of(node)
    ty = left.type
    is_zero = builder.icmp_unsigned("==", right, ty(0))
    divisor = builder.select(is_zero, ty(1), right)
    valid = emit.both(valid, emit.neither(is_zero))
    if not emit.kind(node).is_signed:
        divide = builder.udiv if node.operation == "int_floor_div" else builder.urem
        return Maybe(divide(left, divisor), valid)
    # The least integer divided by -1 has no room: it traps. It wraps around to itself, and leaves 0.
    is_minus_one = builder.icmp_signed("==", divisor, ty(-1))
    divisor = builder.select(is_minus_one, ty(1), divisor)
    quotient, rest = builder.sdiv(left, divisor), builder.srem(left, divisor)
    differ = builder.icmp_signed("<", builder.xor(left, divisor), ty(0))
    goes_down = builder.and_(builder.icmp_signed("!=", rest, ty(0)), differ)
    if node.operation == "int_mod":
        return Maybe(builder.select(goes_down, builder.add(rest, divisor), rest), valid)
    quotient = builder.sub(quotient, builder.zext(goes_down, ty))
    return Maybe(builder.select(is_minus_one, builder.neg(left), quotient), valid)


@operation("neg")
def _neg(emit: Emitter, node: Node) -> Maybe:
    (value,), valid = emit.all_of(node)
    negate = emit.builder.fneg if emit.kind(node).is_float else emit.builder.neg
    return Maybe(negate(value), valid)


@operation("abs")
def _abs(emit: Emitter, node: Node) -> Maybe:
    builder = emit.builder
    (value,), valid = emit.all_of(node)
    if emit.kind(node).is_float:
        return Maybe(emit.intrinsic("fabs", value), valid)
    is_negative = builder.icmp_signed("<", value, value.type(0))
    return Maybe(builder.select(is_negative, builder.neg(value), value), valid)


@operation("sign")
def _sign(emit: Emitter, node: Node) -> Maybe:
    """-1, 0 or 1; of a zero itself, of NaN NaN."""
    builder, kind = emit.builder, emit.kind(node)
    (value,), valid = emit.all_of(node)
    ty = value.type
    if not kind.is_float:
        compare = builder.icmp_signed if kind.is_signed else builder.icmp_unsigned
        found = builder.select(compare(">", value, ty(0)), ty(1), ty(0))
        if kind.is_signed:
            found = builder.select(compare("<", value, ty(0)), ty(-1), found)
        return Maybe(found, valid)
    one = emit.intrinsic("copysign", ty(1.0), value)
    stays = builder.or_(_is_zero(emit, value), emit.is_nan(value))
    return Maybe(builder.select(stays, value, one), valid)


@operation("power")
def _power(emit: Emitter, node: Node) -> Maybe:
    """Raise to a small whole power, as Polars does: multiply again and again."""
    (value,), valid = emit.all_of(node)
    multiply = emit.builder.fmul if emit.kind(node).is_float else emit.builder.mul
    found = value
    for _ in range(1, node.options[0]):
        found = multiply(found, value)
    return Maybe(found, valid)


@operation("mean_horizontal")
def _mean_horizontal(emit: Emitter, node: Node) -> Maybe:
    """Divide a sum, the first argument, by how many of the others are there."""
    builder = emit.builder
    total, *others = map(emit, node.arguments)
    wide = ir.IntType(32)
    count: ir.Value = wide(0)
    for one in others:
        count = builder.add(count, builder.zext(one.valid, wide))
    valid = emit.both(total.valid, emit.either(*(one.valid for one in others)))
    return Maybe(builder.fdiv(total.value, builder.uitofp(count, total.value.type)), valid)


@operation("sum_horizontal")
def _sum_horizontal(emit: Emitter, node: Node) -> Maybe:
    """Add what is there."""
    is_float = emit.kind(node).is_float
    found = None
    for argument in node.arguments:
        value, valid = emit(argument)
        value = emit.choose(valid, value, ir.Constant(value.type, 0.0 if is_float else 0))
        if found is None:
            found = value
        else:
            found = emit.builder.fadd(found, value) if is_float else emit.builder.add(found, value)
    assert found is not None
    return Maybe(found)
