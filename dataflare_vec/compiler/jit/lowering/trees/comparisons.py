"""Comparisons, in Polars' total order of floats (NaN is equal to itself and greater than all), and logic.

Source: polars-utils, ``total_ord.rs``; Kleene's three-valued logic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflare_vec.compiler.jit.lowering.trees.emitter import TRUE, Maybe, operation
from dataflare_vec.definition.trees.kinds import kind_of

if TYPE_CHECKING:
    from llvmlite import ir

    from dataflare_vec.compiler.jit.lowering.trees.emitter import Emitter
    from dataflare_vec.definition.trees.nodes import Node

_INTEGERS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


@operation(*_INTEGERS)
def _compare(emit: Emitter, node: Node) -> Maybe:
    (left, right), valid = emit.all_of(node)
    return Maybe(compared(emit, node.operation, node, left, right), valid)


def compared(emit: Emitter, name: str, node: Node, left: ir.Value, right: ir.Value) -> ir.Value:
    """Compare two values of what a node's arguments are."""
    builder = emit.builder
    kind = kind_of(node.arguments[0].dtype)
    assert kind is not None
    if not kind.is_float:
        compare = builder.icmp_signed if kind.is_signed else builder.icmp_unsigned
        return compare(_INTEGERS[name], left, right)
    if name in ("gt", "ge"):
        name, left, right = {"gt": "lt", "ge": "le"}[name], right, left
    if name in ("eq", "ne"):
        same = builder.or_(
            builder.fcmp_ordered("==", left, right),
            builder.and_(emit.is_nan(left), emit.is_nan(right)),
        )
        return same if name == "eq" else builder.not_(same)
    if name == "le":
        return builder.or_(builder.fcmp_ordered("<=", left, right), emit.is_nan(right))
    # Less, unless it is at least as much, which NaN is.
    return builder.not_(builder.or_(builder.fcmp_ordered(">=", left, right), emit.is_nan(left)))


@operation("eq_missing", "ne_missing")
def _missing(emit: Emitter, node: Node) -> Maybe:
    """Two nulls are equal."""
    left, right = map(emit, node.arguments)
    same = compared(emit, "eq", node, left.value, right.value)
    there = emit.both(left.valid, right.valid)
    absent = emit.neither(emit.either(left.valid, right.valid))
    found = emit.either(emit.both(there, same), absent)
    return Maybe(found if node.operation == "eq_missing" else emit.neither(found))


@operation("and", "or")
def _logic(emit: Emitter, node: Node) -> Maybe:
    """Tell what is known of nulls, which may be either."""
    left, right = map(emit, node.arguments)
    decides = emit.neither if node.operation == "and" else lambda bit: bit
    decided = emit.either(*(emit.both(one.valid, decides(one.value)) for one in (left, right)))
    combine = emit.both if node.operation == "and" else emit.either
    if left.valid is TRUE and right.valid is TRUE:
        return Maybe(combine(left.value, right.value))
    valid = emit.either(emit.both(left.valid, right.valid), decided)
    return Maybe(emit.neither(decided) if node.operation == "and" else decided, valid)


@operation("xor", "bit_xor")
def _xor(emit: Emitter, node: Node) -> Maybe:
    (left, right), valid = emit.all_of(node)
    return Maybe(emit.builder.xor(left, right), valid)


@operation("bit_and")
def _bit_and(emit: Emitter, node: Node) -> Maybe:
    (left, right), valid = emit.all_of(node)
    return Maybe(emit.builder.and_(left, right), valid)


@operation("bit_or")
def _bit_or(emit: Emitter, node: Node) -> Maybe:
    (left, right), valid = emit.all_of(node)
    return Maybe(emit.builder.or_(left, right), valid)


@operation("not", "bit_not")
def _not(emit: Emitter, node: Node) -> Maybe:
    (value,), valid = emit.all_of(node)
    return Maybe(emit.builder.not_(value), valid)


@operation("is_null", "is_not_null")
def _is_null(emit: Emitter, node: Node) -> Maybe:
    valid = emit(node.arguments[0]).valid
    return Maybe(valid if node.operation == "is_not_null" else emit.neither(valid))


@operation("is_nan", "is_not_nan")
def _is_nan(emit: Emitter, node: Node) -> Maybe:
    (value,), valid = emit.all_of(node)
    found = emit.is_nan(value)
    return Maybe(found if node.operation == "is_nan" else emit.builder.not_(found), valid)


@operation("is_finite", "is_infinite")
def _is_finite(emit: Emitter, node: Node) -> Maybe:
    (value,), valid = emit.all_of(node)
    size = emit.intrinsic("fabs", value)
    name = "<" if node.operation == "is_finite" else "=="
    return Maybe(emit.builder.fcmp_ordered(name, size, value.type(float("inf"))), valid)


@operation("is_not_zero")
def _is_not_zero(emit: Emitter, node: Node) -> Maybe:
    """Return a number as a Boolean."""
    value, valid = emit(node.arguments[0])
    kind = kind_of(node.arguments[0].dtype)
    assert kind is not None
    if kind.is_float:
        return Maybe(emit.builder.fcmp_unordered("!=", value, value.type(0.0)), valid)
    return Maybe(emit.builder.icmp_unsigned("!=", value, value.type(0)), valid)
