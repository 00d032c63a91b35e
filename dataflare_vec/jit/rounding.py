"""`int`, `math.floor`, `math.ceil`, `math.trunc` and `round`, as Python has them.

Of a float they give an integer, or fail: NaN, infinities and what has more than 64 bits are no integers. With a
number of digits, `round` gives the float next to the exact decimal, half to even, and the integer of an integer.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from dataflare_vec.jit.math import emit
from dataflare_vec.jit.math import rounding as bodies
from dataflare_vec.jit.math import values as v
from dataflare_vec.jit.math.table import MathFunction
from dataflare_vec.jit.overlay import overlay
from dataflare_vec.jit.strings.base import helper
from dataflare_vec.jit.strings.numbers.parse import rounded as nearest_float
from dataflare_vec.jit.strings.numbers.powers import (
    READ_FROM,
    READ_TO,
    WRITE_FROM,
    read_table,
    write_table,
)
from dataflare_vec.jit.strings.numbers.words import bits_of, float_of
from dataflare_vec.jit.strings.numbers.write import magnitude

_FLOATS = (types.float64, types.float32)
_WHOLE = (types.Integer, types.Boolean)
_TOO_LARGE = "the number does not fit a 64-bit integer; keep it a float"

# -- floats to integers -----------------------------------------------------------------------------------


def _whole(name: str) -> Any:
    """Return what makes an integer of a float by one of the roundings of `math.values`."""
    function = getattr(v, name)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        fmt = v.F32 if signature.args[0] == types.float32 else v.F64
        x = function(v.Value(builder, arguments[0], fmt))
        limit = 2.0**63

        def fail(exception: type[Exception], message: str) -> None:
            context.call_conv.return_user_exc(builder, exception, (message,))

        with builder.if_then((~((x >= -limit) & (x < limit))).raw, likely=False):
            with builder.if_then(v.is_nan(x).raw):
                fail(ValueError, "cannot convert float NaN to integer")
            with builder.if_then((v.fabs(x) == math.inf).raw):
                fail(OverflowError, "cannot convert float infinity to integer")
            fail(OverflowError, _TOO_LARGE)
        return x.to_int(ir.IntType(64)).raw

    @intrinsic  # type: ignore[untyped-decorator]
    def whole(typing_context: Any, number: Any) -> Any:
        return types.int64(number), generate

    return whole


_floor, _ceil, _trunc, _rint = (_whole(name) for name in ("floor", "ceil", "trunc", "rint"))


@helper
def _nearest(number, ndigits):
    """Round to an integer: the second argument is None."""
    return _rint(number)


@helper
def _same(number, ndigits=None):
    """Return an integer or a bool as an integer."""
    return np.int64(number)


@helper
def _same_unsigned(number, ndigits=None):
    return np.uint64(number)


def _identity(number: Any) -> Any:
    return _same_unsigned if types.unliteral(number) == types.uint64 else _same


def _to_whole(original: Any, implementation: Any) -> None:
    @overlay(original, "x")
    def choose(x: Any) -> Any:
        if isinstance(x, _WHOLE):
            return _identity(x)
        return implementation if x in _FLOATS else None


_to_whole(math.floor, _floor)
_to_whole(math.ceil, _ceil)
_to_whole(math.trunc, _trunc)


@overlay(int, "x", "base")
def _choose_int(x: Any = None, base: Any = None) -> Any:
    return _trunc if x in _FLOATS and base is None else None


# -- floats to so many digits -----------------------------------------------------------------------------

#: Powers of ten up to this are floats, exactly.
_EXACT = 22
_POWERS = tuple(10.0**i for i in range(_EXACT + 1))
#: Beyond so many digits no float is changed, or all are rounded to 0.
_MOST_PLACES, _MOST_TENS = 323, 308
_RESULT_TOO_LARGE = "rounded value too large to represent"

_TO_PLACES = MathFunction("round_to_places", bodies.round_to_places, (), 0.5, 0.5, 2)
_TO_TENS = MathFunction("round_to_tens", bodies.round_to_tens, (), 0.5, 0.5, 2)


def _by_power(function: MathFunction) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def by_power(typing_context: Any, x: Any, power: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return emit.call(context, builder, function, v.F64, emit.Mode(), arguments)

        return types.float64(types.float64, types.float64), generate

    return by_power


_to_places, _to_tens = _by_power(_TO_PLACES), _by_power(_TO_TENS)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _to_constant(typing_context: Any, number: Any, ndigits: Any) -> Any:
    """Round a float to a constant number of digits, of no more than 22."""
    if not isinstance(ndigits, types.IntegerLiteral):
        return None
    digits = ndigits.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x = context.cast(builder, arguments[0], number, types.float64)
        power = ir.Constant(ir.DoubleType(), 10.0 ** abs(digits))
        function = _TO_PLACES if digits >= 0 else _TO_TENS
        result = emit.call(context, builder, function, v.F64, emit.Mode(), [x, power])
        return context.cast(builder, result, types.float64, number)

    return number(number, ndigits), generate


@intrinsic  # type: ignore[untyped-decorator]
def _multiple(typing_context: Any, significand: Any, high: Any, low: Any, shift: Any) -> Any:
    """Return ``significand * (high, low) / 2**shift`` to the nearest integer, half to even (shift < 256)."""
    wide = ir.IntType(256)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
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
    else it is never so near to a tie that the bits left out could matter (`test_rounding.py` computes how near
    it comes), and never a tie, as 5^|n| would divide a number of 54 bits. From 2^53 on, the result is x (see
    `round_to_places`).
    """
    if ndigits > _MOST_PLACES or x == 0.0 or not math.isfinite(x):
        return x
    if ndigits < -_MOST_TENS:
        return math.copysign(0.0, x)
    bits = bits_of(x)
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
    """The same for a float of 32 bits: the one next to what Python gives for that number."""
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
            raise OverflowError("the result does not fit a 64-bit integer")
        multiple += power
    return multiple


@helper
def _whole_tens(number, ndigits):
    """Round a signed integer or a bool."""
    whole = np.int64(number)
    if ndigits >= 0:
        return whole
    size = _tens(magnitude(whole), np.int64(ndigits), np.uint64(0x7FFFFFFFFFFFFFFF) + np.uint64(whole < 0))
    return np.int64(np.uint64(0) - size) if whole < 0 else np.int64(size)


@helper
def _whole_tens_unsigned(number, ndigits):
    """Round an unsigned integer."""
    if ndigits >= 0:
        return number
    return _tens(number, np.int64(ndigits), np.uint64(0xFFFFFFFFFFFFFFFF))


# -- round ------------------------------------------------------------------------------------------------


@overlay(round, "number", "ndigits")
def _choose_round(number: Any, ndigits: Any = None) -> Any:
    if ndigits is None or isinstance(ndigits, types.NoneType):
        if number in _FLOATS:
            return _rint if ndigits is None else _nearest
        return _identity(number) if isinstance(number, _WHOLE) else None
    if not isinstance(ndigits, _WHOLE):
        return None
    if isinstance(number, _WHOLE):
        return _whole_tens_unsigned if types.unliteral(number) == types.uint64 else _whole_tens
    if number not in _FLOATS:
        return None
    if isinstance(ndigits, types.IntegerLiteral) and abs(ndigits.literal_value) <= _EXACT:
        return _to_constant
    return _to_digits if number == types.float64 else _to_digits_single
