"""``//``, ``%`` and `divmod` of decimals: exact, cut off towards zero, the rest with the dividend's sign."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, register_jitable

from dataflare_vec.compiler.jit.lowering.decimals.floats import magnitude_of
from dataflare_vec.compiler.jit.types.wide_integers import I128, DecimalType, rescaled, widened

_I1, _I64 = ir.IntType(1), ir.IntType(64)
_PAIR = ir.LiteralStructType([I128, I128])
_NAME = "dfv.divide"


def _divide_function(module):
    """Return ``{quotient, rest} divide(numerator, denominator)``, of unsigned integers of 128 bits.

    By hand: the instruction would be a call of the compiler's library, which isn't linked.
    """
    known = module.globals.get(_NAME)
    if known is not None:
        return known
    function = ir.Function(module, ir.FunctionType(_PAIR, [I128, I128]), _NAME)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    numerator, denominator = function.args
    entry, short, start, loop, done = map(
        function.append_basic_block, ("entry", "short", "start", "loop", "done")
    )
    builder = ir.IRBuilder(entry)
    either = builder.lshr(builder.or_(numerator, denominator), I128(64))
    builder.cbranch(builder.icmp_unsigned("==", either, I128(0)), short, start)

    builder.position_at_end(short)
    words = [builder.trunc(arg, _I64) for arg in function.args]
    builder.ret(_pair(builder, *(builder.zext(op(*words), I128) for op in (builder.udiv, builder.urem))))

    builder.position_at_end(start)
    zeros = builder.ctlz(builder.or_(numerator, I128(1)), _I1(1))
    first = builder.sub(I128(127), zeros)
    builder.branch(loop)
    builder.position_at_end(loop)
    place, quotient, rest = (builder.phi(I128) for _ in range(3))
    bit = builder.and_(builder.lshr(numerator, place), I128(1))
    doubled = builder.or_(builder.shl(rest, I128(1)), bit)
    goes = builder.icmp_unsigned(">=", doubled, denominator)
    left = builder.select(goes, builder.sub(doubled, denominator), doubled)
    more = builder.or_(builder.shl(quotient, I128(1)), builder.zext(goes, I128))
    for phi, begins, follows in (
        (place, first, builder.sub(place, I128(1))),
        (quotient, I128(0), more),
        (rest, I128(0), left),
    ):
        phi.add_incoming(begins, start)
        phi.add_incoming(follows, loop)
    builder.cbranch(builder.icmp_unsigned("==", place, I128(0)), done, loop)
    builder.position_at_end(done)
    builder.ret(_pair(builder, more, left))
    return function


def _pair(builder, quotient, rest):
    pair = builder.insert_value(ir.Constant(_PAIR, ir.Undefined), quotient, 0)
    return builder.insert_value(pair, rest, 1)


@intrinsic
def _divided(typing_context, a, b):
    """Return quotient and remainder of two decimals, the second of which isn't 0."""
    scales = [ty.scale if isinstance(ty, DecimalType) else 0 for ty in (a, b)]
    scale = max(scales)
    result = types.Tuple([DecimalType(0), DecimalType(scale)])

    def generate(context, builder, signature, arguments):
        digits = [widened(builder, v, ty) for v, ty in zip(arguments, (a, b), strict=True)]
        digits = [
            rescaled(context, builder, v, given, scale) for v, given in zip(digits, scales, strict=True)
        ]
        (x, falls), (y, turns) = (magnitude_of(builder, v) for v in digits)
        pair = builder.call(_divide_function(builder.module), [x, y])
        quotient, rest = (builder.extract_value(pair, i) for i in range(2))
        negative = builder.xor(falls, turns)
        quotient = builder.select(negative, builder.neg(quotient), quotient)
        rest = builder.select(falls, builder.neg(rest), rest)
        return context.make_tuple(builder, result, [quotient, rest])

    return result(a, b), generate


@register_jitable
def divided(a, b):
    """Return quotient and remainder."""
    if b == 0:
        raise ZeroDivisionError("a decimal is divided by zero")
    return _divided(a, b)
