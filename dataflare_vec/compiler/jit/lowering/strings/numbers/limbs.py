"""Unsigned words: 128-bit products, large integers in the arena, floats of bits."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.types.strings import byte_pointer

word_pointer = types.CPointer(types.uint64)
_I64, _I128 = ir.IntType(64), ir.IntType(128)


@intrinsic
def high_product(typing_context, a, b):
    """Return the upper half of a 128-bit product."""

    def generate(context, builder, signature, arguments):
        wide = [builder.zext(argument, _I128) for argument in arguments]
        return builder.trunc(builder.lshr(builder.mul(*wide), _I128(64)), _I64)

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def scaled(typing_context, a, b, shift):
    """Return ``a * b / 2**shift`` (0 < shift < 128), half to even; the caller knows that it fits 64 bits."""

    def generate(context, builder, signature, arguments):
        a, b, shift = (builder.zext(argument, _I128) for argument in arguments)
        product = builder.mul(a, b)
        quotient = builder.lshr(product, shift)
        rest = builder.sub(product, builder.shl(quotient, shift))
        half = builder.shl(_I128(1), builder.sub(shift, _I128(1)))
        odd = builder.icmp_unsigned("!=", builder.and_(quotient, _I128(1)), _I128(0))
        up = builder.or_(
            builder.icmp_unsigned(">", rest, half),
            builder.and_(builder.icmp_unsigned("==", rest, half), odd),
        )
        return builder.trunc(builder.add(quotient, builder.zext(up, _I128)), _I64)

    return types.uint64(types.uint64, types.uint64, types.uint64), generate


@intrinsic
def float_of(typing_context, bits):
    """Return the float with some bits."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.uint64), generate


@intrinsic
def _as_words(typing_context, data):
    def generate(context, builder, signature, arguments):
        address = builder.add(builder.ptrtoint(arguments[0], _I64), _I64(7))
        return builder.inttoptr(builder.and_(address, _I64(~7)), _I64.as_pointer())

    return word_pointer(byte_pointer), generate


# -- large integers: limbs of 32 bits, the lowest first, one in each word ----------------------------------

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


@helper
def allocate_words(count):
    """Return room for some words in the arena."""
    return _as_words(allocate(count * 8 + 7))


@helper
def set_number(limbs, value):
    """Store a number of 64 bits; return how many limbs it has."""
    limbs[0], limbs[1] = value & _LOW, value >> _32
    return np.int64(value != 0) + np.int64(value > _LOW)


@helper
def times_plus(limbs, size, factor, addend):
    """Multiply by and add a number of 32 bits each; return the new size."""
    carry = np.uint64(addend)
    for i in range(size):
        total = limbs[i] * np.uint64(factor) + carry
        limbs[i], carry = total & _LOW, total >> _32
    if carry:
        limbs[size] = carry
        size += 1
    return size


@helper
def times_power_of_5(limbs, size, exponent):
    """Multiply by a power of 5; return the new size."""
    while exponent >= 13:
        size = times_plus(limbs, size, 1220703125, 0)
        exponent -= 13
    factor = 1
    for _ in range(exponent):
        factor *= 5
    return times_plus(limbs, size, factor, 0)


@helper
def shift_left(limbs, size, distance):
    """Multiply by a power of 2; return the new size."""
    if size == 0:
        return 0
    size = times_plus(limbs, size, 1 << (distance & 31), 0)
    whole = distance >> 5
    for i in range(size - 1, -1, -1):
        limbs[i + whole] = limbs[i]
    for i in range(whole):
        limbs[i] = np.uint64(0)
    return size + whole


@helper
def divide(limbs, size, divisor):
    """Divide by a number of 32 bits; return the remainder."""
    rest = np.uint64(0)
    for i in range(size - 1, -1, -1):
        total = rest << _32 | limbs[i]
        limbs[i], rest = total // np.uint64(divisor), total % np.uint64(divisor)
    return np.int64(rest)


@helper
def compare_numbers(a, size_a, b, size_b):
    """Return a number below, equal to or above 0, as ``a`` is below, equal to or above ``b``."""
    if size_a != size_b:
        return size_a - size_b
    for i in range(size_a - 1, -1, -1):
        if a[i] != b[i]:
            return 1 if a[i] > b[i] else -1
    return 0
