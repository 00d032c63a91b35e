"""Roots, powers, angles and the like, which are ours; rounding, which is Polars'.

Polars' own functions aren't exact either: ours are within the bounds of `lowering.math.table`.
Source of the rounding: polars-ops, ``series/ops/round.rs``, Polars 2.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir

from dataflare_vec.compiler.jit.lowering.math import emit as math
from dataflare_vec.compiler.jit.lowering.math.table import FUNCTIONS
from dataflare_vec.compiler.jit.lowering.math.values import F32, F64
from dataflare_vec.compiler.jit.lowering.trees.emitter import Maybe, operation

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.lowering.trees.emitter import Emitter
    from dataflare_vec.definition.trees.nodes import Node

_BY_NAME = {function.name: function for function in FUNCTIONS}
_ROUNDINGS = {"HalfToEven": "roundeven", "HalfAwayFromZero": "round", "ToZero": "trunc"}


@operation("function")
def _function(emit: Emitter, node: Node) -> Maybe:
    values, valid = emit.all_of(node)
    function = _BY_NAME[node.options[0]]
    fmt = F32 if emit.kind(node).bits == 32 else F64
    result = math.call(emit.context, emit.builder, function, fmt, emit.mode, values)
    if function.is_guarded and not emit.mode.general:
        emit.rare.append(emit.both(valid, emit.builder.extract_value(result, 1)))
        result = emit.builder.extract_value(result, 0)
    return Maybe(result, valid)


def has_guarded(node: Node) -> bool:
    """Whether a tree calls a function whose guarded variant reports some arguments."""
    own = node.operation == "function" and _BY_NAME[node.options[0]].is_guarded
    return own or any(map(has_guarded, node.arguments))


@operation("floor", "ceil")
def _floor(emit: Emitter, node: Node) -> Maybe:
    (value,), valid = emit.all_of(node)
    return Maybe(emit.intrinsic(node.operation, value), valid)


@operation("round")
def _round(emit: Emitter, node: Node) -> Maybe:
    """To some decimals: of a float of 32 bits in 64; what has no room then stays as it is."""
    builder = emit.builder
    mode, decimals = node.options
    (value,), valid = emit.all_of(node)
    if not decimals:
        return Maybe(emit.intrinsic(_ROUNDINGS[mode], value), valid)
    wide = ir.DoubleType()
    factor = wide(10.0**decimals)
    given = value if value.type == wide else builder.fpext(value, wide)
    found = builder.fdiv(emit.intrinsic(_ROUNDINGS[mode], builder.fmul(given, factor)), factor)
    if value.type != wide:
        found = builder.fptrunc(found, value.type)
    size = emit.intrinsic("fabs", found)
    is_finite = builder.fcmp_ordered("<", size, found.type(float("inf")))
    return Maybe(builder.select(is_finite, found, value), valid)
