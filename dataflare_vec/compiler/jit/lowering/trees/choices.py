"""One of several values: when/then/otherwise, what stands for a null, bounds, least and greatest.

Source: polars-ops, ``series/ops/{clip,horizontal}.rs``, Polars 2.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflare_vec.compiler.jit.lowering.trees.comparisons import compared
from dataflare_vec.compiler.jit.lowering.trees.emitter import Maybe, operation

if TYPE_CHECKING:
    from llvmlite import ir

    from dataflare_vec.compiler.jit.lowering.trees.emitter import Emitter
    from dataflare_vec.definition.trees.nodes import Node


@operation("when")
def _when(emit: Emitter, node: Node) -> Maybe:
    """Choose by a condition, which isn't met where it is null."""
    condition, truthy, falsy = map(emit, node.arguments)
    met = emit.both(condition.valid, condition.value)
    valid = _choose_bit(emit, met, truthy.valid, falsy.valid)
    return Maybe(emit.choose(met, truthy.value, falsy.value), valid)


def _choose_bit(emit: Emitter, met: ir.Value, then: ir.Value, otherwise: ir.Value) -> ir.Value:
    if then is otherwise:
        return then
    return emit.either(emit.both(met, then), emit.both(emit.neither(met), otherwise))


@operation("coalesce")
def _coalesce(emit: Emitter, node: Node) -> Maybe:
    """Return the first value that is there."""
    found = emit(node.arguments[-1])
    for argument in reversed(node.arguments[:-1]):
        one = emit(argument)
        found = Maybe(emit.choose(one.valid, one.value, found.value), emit.either(one.valid, found.valid))
    return found


@operation("clip")
def _clip(emit: Emitter, node: Node) -> Maybe:
    """Bounds that are null don't bound; NaN is within any, and bounds nothing."""
    builder = emit.builder
    value, *bounds = map(emit, node.arguments)
    has_min, has_max = node.options
    is_float, is_signed = emit.kind(node).is_float, emit.kind(node).is_signed
    found = value.value
    left = list(bounds)

    def outside(sign: str, bound: Maybe) -> ir.Value:
        if is_float:
            bit = builder.fcmp_ordered(sign, value.value, bound.value)
        else:
            bit = (builder.icmp_signed if is_signed else builder.icmp_unsigned)(
                sign, value.value, bound.value
            )
        return emit.both(bit, bound.valid)

    least = left.pop(0) if has_min else None
    if has_max:
        found = emit.choose(outside(">", left[0]), left[0].value, found)
    if least is not None:  # which is looked at first
        found = emit.choose(outside("<", least), least.value, found)
    return Maybe(found, value.valid)


@operation("min_horizontal", "max_horizontal")
def _least(emit: Emitter, node: Node) -> Maybe:
    """Return the least or the greatest of what is there."""
    is_min = node.operation == "min_horizontal"
    first, *others = map(emit, node.arguments)
    for one in others:
        if emit.kind(node).is_float:
            best = emit.intrinsic("minnum" if is_min else "maxnum", first.value, one.value)
        else:
            less = compared(emit, "lt", node, first.value, one.value)
            best = emit.builder.select(less, *(first.value, one.value)[:: 1 if is_min else -1])
        best = emit.choose(one.valid, emit.choose(first.valid, best, one.value), first.value)
        first = Maybe(best, emit.either(first.valid, one.valid))
    return first
