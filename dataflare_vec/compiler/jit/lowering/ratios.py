"""The float nearest to a quotient of integers, rounded once, as Python's own division rounds it.

A division of two floats does that where both integers are floats exactly. Beyond, the bits of the quotient
are made one by one, with 128 bits for each of the two integers: a call, which only such large numbers make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, register_jitable

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

I128 = ir.IntType(128)
#: Integers up to here are floats exactly.
EXACT = 1 << 53

_I1, _I64, _F64 = ir.IntType(1), ir.IntType(64), ir.DoubleType()
_NAME = "dfv.ratio"
_TOP = 126  # where the highest bit of both is brought: a remainder below 2 * denominator then has 128 bits


def ratio_function(module: ir.Module) -> ir.Function:
    """Return ``double ratio(i128 numerator, i128 denominator)`` of unsigned integers, the second not 0."""
    known = module.globals.get(_NAME)
    if known is not None:
        return known
    function = ir.Function(module, ir.FunctionType(_F64, [I128, I128]), _NAME)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    entry, loop, done = (function.append_basic_block(name) for name in ("entry", "loop", "done"))
    builder = ir.IRBuilder(entry)
    numerator, shift = _at_top(builder, function.args[0])
    denominator, by = _at_top(builder, function.args[1])
    # Of the quotient, which is between 1/2 and 2, 64 bits, the last of them "is there anything below?"
    builder.branch(loop)
    builder.position_at_end(loop)
    rest, bits, count = builder.phi(I128), builder.phi(_I64), builder.phi(_I64)
    goes = builder.icmp_unsigned(">=", rest, denominator)
    left = builder.select(goes, builder.sub(rest, denominator), rest)
    more = builder.or_(builder.shl(bits, _I64(1)), builder.zext(goes, _I64))
    next_ = builder.add(count, _I64(1))
    doubled = builder.shl(left, I128(1))
    for phi, first, following in (
        (rest, numerator, doubled),
        (bits, _I64(0), more),
        (count, _I64(0), next_),
    ):
        phi.add_incoming(first, entry)
        phi.add_incoming(following, loop)
    builder.cbranch(builder.icmp_unsigned("<", next_, _I64(64)), loop, done)
    builder.position_at_end(done)
    sticky = builder.or_(more, builder.zext(builder.icmp_unsigned("!=", left, I128(0)), _I64))
    power = builder.add(builder.sub(by, shift), _I64(1023 - 63))
    scale = builder.bitcast(builder.shl(power, _I64(52)), _F64)
    builder.ret(builder.fmul(builder.uitofp(sticky, _F64), scale))
    return function


def _at_top(builder: Builder, value: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return an integer moved so that bit 126 is its highest, and by how far to the left; 0 stays 0."""
    distance = builder.sub(builder.ctlz(value, _I1(0)), I128(127 - _TOP))
    is_highest = builder.icmp_signed("<", distance, I128(0))  # 2^127, of which no bit is lost
    is_zero = builder.icmp_unsigned("==", value, I128(0))
    by = builder.select(builder.or_(is_highest, is_zero), I128(0), distance)
    moved = builder.select(is_highest, builder.lshr(value, I128(1)), builder.shl(value, by))
    return moved, builder.trunc(builder.select(is_highest, I128(-1), by), _I64)


@intrinsic  # type: ignore[untyped-decorator]
def _long_ratio(typing_context: TypingContext, numerator: Any, denominator: Any) -> Any:
    """Return the quotient of two unsigned integers of 64 bits."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        wide = [builder.zext(argument, I128) for argument in arguments]
        return builder.call(ratio_function(builder.module), wide)

    return types.float64(types.uint64, types.uint64), generate


@register_jitable
def ratio(a, b):  # type: ignore[no-untyped-def]
    """Return ``a / b`` of two signed integers of 64 bits, the second not 0."""
    if abs(a) <= EXACT and abs(b) <= EXACT:
        return np.float64(a) / np.float64(b)
    value = _long_ratio(np.uint64(abs(a)), np.uint64(abs(b)))
    return -value if (a < 0) != (b < 0) else value


@register_jitable(forceinline=True)
def millionth(ticks):  # type: ignore[no-untyped-def]
    """Return ``ticks / 10**6``, without a branch.

    Notes
    -----
    Beyond 2^53 the whole part has at least 33 bits, and is exact; so is the rest. The sum of the two, with
    the rest's quotient rounded, is the float next to the exact quotient: that is 6e-11 away from what is
    half-way between two floats, if it isn't there, and the rest's quotient is rounded by 1e-16 only.
    """
    near = np.float64(ticks) / 1e6
    whole = np.int64(near)
    rest = np.float64(ticks - whole * 1_000_000) / 1e6
    return near if abs(ticks) <= EXACT else np.float64(whole) + rest
