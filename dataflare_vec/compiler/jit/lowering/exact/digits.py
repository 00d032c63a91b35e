"""`round`, as Python has it, and `numpy.round`.

Of a float, `round` gives the nearest integer, or fails; with a number of digits, the float next to the exact
decimal, half to even; of an integer always an integer. `numpy.round` multiplies and divides, as NumPy does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from dataflare_vec.bits import float_bits
from dataflare_vec.compiler.jit.lowering.builtins import value_of
from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.exact.whole import FLOATS, WHOLE, nearest, same
from dataflare_vec.compiler.jit.lowering.integers.operators import is_wide
from dataflare_vec.compiler.jit.lowering.math import emit
from dataflare_vec.compiler.jit.lowering.math import rounding as bodies
from dataflare_vec.compiler.jit.lowering.math import values as v
from dataflare_vec.compiler.jit.lowering.math.table import MathFunction
from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.lowering.strings.numbers.limbs import float_of
from dataflare_vec.compiler.jit.lowering.strings.numbers.parse import rounded as nearest_float
from dataflare_vec.compiler.jit.lowering.strings.numbers.powers import (
    READ_FROM,
    READ_TO,
    WRITE_FROM,
    read_table,
    write_table,
)
from dataflare_vec.compiler.jit.lowering.strings.numbers.write import magnitude
from dataflare_vec.compiler.jit.types.raised import DoesNotFit

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

# -- floats -----------------------------------------------------------------------------------------------

#: Powers of ten up to this are floats, exactly.
_EXACT = 22
_POWERS = np.multiply.accumulate([1.0, *[10.0] * 308])  # from there on as NumPy computes them
#: Beyond so many digits no float is changed, or all are rounded to 0.
_MOST_PLACES, _MOST_TENS = 323, 308
_RESULT_TOO_LARGE = "rounded value too large to represent"

_TO_PLACES = MathFunction("round_to_places", bodies.round_to_places, (), 0.5, 0.5, 2)
_TO_TENS = MathFunction("round_to_tens", bodies.round_to_tens, (), 0.5, 0.5, 2)


def _by_power(function: MathFunction) -> Any:
    @intrinsic
    def by_power(typing_context: TypingContext, x: Any, power: Any) -> Any:
        def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
            return emit.call(context, builder, function, v.F64, emit.Mode(), arguments)

        return types.float64(types.float64, types.float64), generate

    return by_power


_to_places, _to_tens = _by_power(_TO_PLACES), _by_power(_TO_TENS)


@intrinsic(prefer_literal=True)
def _to_constant(typing_context: TypingContext, number: Any, ndigits: Any) -> Any:
    """Round a float to a constant number of digits, of no more than 22."""
    if not isinstance(ndigits, types.IntegerLiteral):
        return None
    digits = ndigits.literal_value

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        x = context.cast(builder, arguments[0], number, types.float64)
        power = ir.Constant(ir.DoubleType(), 10.0 ** abs(digits))
        function = _TO_PLACES if digits >= 0 else _TO_TENS
        result = emit.call(context, builder, function, v.F64, emit.Mode(), [x, power])
        return context.cast(builder, result, types.float64, number)

    return number(number, ndigits), generate


@intrinsic
def _multiple(typing_context: TypingContext, significand: Any, high: Any, low: Any, shift: Any) -> Any:
    """Return ``significand * (high, low) / 2**shift`` to the nearest integer, half to even (shift < 256)."""
    wide = ir.IntType(256)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        significand, high, low, shift = (builder.zext(argument, wide) for argument in arguments)
        power = builder.or_(builder.shl(high, wide(64)), low)
        product = builder.mul(significand, power)
        quotient = builder.lshr(product, shift)
        rest = builder.sub(product, builder.shl(quotient, shift))
        half = builder.shl(wide(1), builder.sub(shift, wide(1)))
        odd = builder.icmp_unsigned("!=", builder.and_(quotient, wide(1)), wide(0))
        tie = builder.and_(builder.icmp_unsigned("==", rest, half), odd)
        up = builder.or_(builder.icmp_unsigned(">", rest, half), tie)
        return builder.trunc(builder.add(quotient, builder.zext(up, wide)), ir.IntType(64))

    return types.uint64(*[types.uint64] * 4), generate


@helper
def _far(x, ndigits):
    """Round a float to more than 22 digits before or behind the point.

    x·10^n is its 53 bits times 128 bits of the power. Where these are exact (0 ≤ n ≤ 55) so is the product;
    else it is never so near to a tie that the bits left out could matter (`test_digits.py` computes how near
    it comes), and never a tie, as 5^|n| would divide a number of 54 bits. From 2^53 on, the result is x (see
    `math.rounding`).
    """
    if ndigits > _MOST_PLACES or x == 0.0 or not math.isfinite(x):
        return x
    if ndigits < -_MOST_TENS:
        return math.copysign(0.0, x)
    bits = float_bits(x)
    fraction, biased = bits & np.uint64((1 << 52) - 1), np.int64(bits >> np.uint64(52)) & 0x7FF
    if biased:
        fraction |= np.uint64(1 << 52)
    if ndigits <= READ_TO:
        place = (ndigits - READ_FROM) * 2
        high, low = read_table()[place], read_table()[place + 1]
    else:
        place = (ndigits - WRITE_FROM) * 2
        high, low = write_table()[place], write_table()[place + 1]
    # The table has 10^n without its exponent, which is floor(n·log2(10)) - 127.
    shift = 127 - ((217706 * ndigits) >> 16) + 1075 - max(biased, 1)
    if shift > 190:  # the product has 181 bits
        return math.copysign(0.0, x)
    if shift < 118:  # it is above 2^61; those of subnormal numbers have larger shifts
        return x
    multiple = _multiple(fraction, high, low, np.uint64(shift))
    if multiple >= np.uint64(1 << 53):
        return x
    result = float_of(nearest_float(multiple, -ndigits))
    if math.isinf(result):
        raise OverflowError(_RESULT_TOO_LARGE)
    return math.copysign(result, x)


@helper
def _to_digits(number, ndigits):
    """Round a float to any number of digits."""
    x, digits = np.float64(number), np.int64(ndigits)
    if digits > _EXACT or digits < -_EXACT:
        return _far(x, digits)
    power = _POWERS[abs(digits)]
    return _to_places(x, power) if digits >= 0 else _to_tens(x, power)


@helper
def _to_digits_single(number, ndigits):
    """Round a float of 32 bits: to the one next to what Python gives for that number."""
    result = np.float32(_to_digits(number, ndigits))
    if math.isinf(result) and not math.isinf(number):
        raise OverflowError(_RESULT_TOO_LARGE)
    return result


# -- integers to powers of ten ----------------------------------------------------------------------------


@helper
def _tens(size, ndigits, most):
    """Round an unsigned integer to a power of ten, half to even; ``most`` is the largest result."""
    if ndigits < -19:
        return np.uint64(0)
    power = np.uint64(1)
    for _ in range(-ndigits):
        power *= np.uint64(10)
    rest = size % power
    multiple = size - rest
    if rest > power - rest or (rest == power - rest and (size // power) & np.uint64(1)):
        if power > most or multiple > most - power:
            raise DoesNotFit("the result does not fit a 64-bit integer")
        multiple += power
    return multiple


@helper
def _whole_tens(number, ndigits):
    """Round a signed integer or a bool."""
    whole = np.int64(number)
    if ndigits is None or ndigits >= 0:
        return whole
    size = _tens(magnitude(whole), np.int64(ndigits), np.uint64(0x7FFFFFFFFFFFFFFF) + np.uint64(whole < 0))
    return np.int64(np.uint64(0) - size) if whole < 0 else np.int64(size)


@helper
def _whole_tens_unsigned(number, ndigits):
    """Round an unsigned integer."""
    if ndigits is None or ndigits >= 0:
        return number
    return _tens(number, np.int64(ndigits), np.uint64(0xFFFFFFFFFFFFFFFF))


# -- round ------------------------------------------------------------------------------------------------


@intrinsic(prefer_literal=True)
def _itself(typing_context, number, ndigits):
    """Return an integer of 128 bits, of which constant digits behind the point are asked for."""
    if not isinstance(ndigits, types.IntegerLiteral):
        return None

    def generate(context, builder, signature, arguments):
        return arguments[0]

    return number(number, ndigits), generate


@helper
def _to_nearest(number, ndigits):
    """Round a float where the digits are None."""
    return nearest(number)


@helper
def _whole_tens_or_same(number, ndigits):
    """Round a signed integer or a bool where the digits may be None."""
    return np.int64(number) if ndigits is None else _whole_tens(number, value_of(ndigits))


@helper
def _whole_tens_or_same_unsigned(number, ndigits):
    return number if ndigits is None else _whole_tens_unsigned(number, value_of(ndigits))


@helper
def _to_digits_or_nearest(number, ndigits):
    """Round a float whose digits may be None: to a whole number then, which stays a float."""
    return np.float64(nearest(number)) if ndigits is None else _to_digits(number, value_of(ndigits))


@helper
def _to_digits_or_nearest_single(number, ndigits):
    return np.float32(nearest(number)) if ndigits is None else _to_digits_single(number, value_of(ndigits))


@overlay(round, "number", "ndigits", nullable=("ndigits",))
def _choose_round(number: Any, ndigits: Any = None) -> Any:
    if ndigits is None:
        if isinstance(number, WHOLE):
            return same(number)
        return nearest if number in FLOATS else None
    optional = isinstance(ndigits, types.Optional)
    if not isinstance(ndigits.type if optional else ndigits, (*WHOLE, types.NoneType)):
        return None
    if is_wide(number) and isinstance(ndigits, types.IntegerLiteral) and ndigits.literal_value >= 0:
        return _itself
    if isinstance(number, WHOLE):
        if types.unliteral(number) == types.uint64:
            return _whole_tens_or_same_unsigned if optional else _whole_tens_unsigned
        return _whole_tens_or_same if optional else _whole_tens
    if number not in FLOATS:
        return None
    if isinstance(ndigits, types.NoneType):
        return _to_nearest
    if optional:
        return _to_digits_or_nearest if number == types.float64 else _to_digits_or_nearest_single
    if isinstance(ndigits, types.IntegerLiteral) and abs(ndigits.literal_value) <= _EXACT:
        return _to_constant
    return _to_digits if number == types.float64 else _to_digits_single


# -- numpy.round ------------------------------------------------------------------------------------------


@helper
def _scaled(a, power, tens):
    """Round as NumPy does, with an error of the product and one of the quotient, in the format of ``a``."""
    return np.rint(a / power) * power if tens else np.rint(a * power) / power


@helper
def _power_of_ten(exponent):
    return _POWERS[exponent] if exponent < len(_POWERS) else math.inf


@helper
def _numpy_round(a, decimals):
    return _scaled(a, _power_of_ten(abs(np.int64(decimals))), decimals < 0)


@helper
def _numpy_round_single(a, decimals):
    return _scaled(a, np.float32(_power_of_ten(abs(np.int64(decimals)))), decimals < 0)


def _choose_numpy(a: Any, decimals: Any = None, out: Any = None) -> Any:
    if a not in FLOATS or not isinstance(decimals, WHOLE) or out is not None:
        return None
    return _numpy_round if a == types.float64 else _numpy_round_single


overlay(np.round, "a", "decimals", "out")(_choose_numpy)
overlay(np.around, "a", "decimals", "out")(_choose_numpy)
