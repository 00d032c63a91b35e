"""Digits of numbers: integers in any base, the shortest of a float, all of a float.

The shortest digits that read back as the same float are found with Schubfach (R. Giulietti, "The Schubfach
way to render doubles", 2020): three products with 128 bits of a power of ten. All digits of a float are
those of a large integer.
"""

from __future__ import annotations

import numpy as np
from numba.core import types

from dataflare_vec.bits import float_bits
from dataflare_vec.compiler.jit.lowering.integers.functions import Large
from dataflare_vec.compiler.jit.lowering.integers.narrow import low_word
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_least,
    at_most,
    helper,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.numbers.limbs import (
    allocate_words,
    divide,
    high_product,
    set_number,
    shift_left,
    times_power_of_5,
)
from dataflare_vec.compiler.jit.lowering.strings.numbers.powers import WRITE_FROM, write_table

_WORDS = Large(1 << 64)


@helper
def write_digits(room, end, value, base, letters):
    """Write the digits of an unsigned number so that they end at an offset; return where they begin.

    ``letters`` is what is added to 10 for the digit behind 9: ``"a"`` or ``"A"`` less 10.
    """
    radix = np.uint64(base)
    while True:
        digit = np.int64(value % radix)
        value //= radix
        end -= 1
        room[end] = np.uint8(digit + (48 if digit < 10 else letters))
        if value == 0:
            return end


@helper
def write_wide(room, end, value, base, letters):
    """Write the digits of a natural number of 128 bits like `write_digits`."""
    while value >= _WORDS:
        rest = value // base
        digit = np.int64(low_word(value - rest * base))
        value = rest
        end -= 1
        room[end] = np.uint8(digit + (48 if digit < 10 else letters))
    return write_digits(room, end, low_word(value), base, letters)


@helper
def write_decimal(room, end, value):
    """Write the decimal digits of an unsigned number so that they end at an offset; return the first's."""
    while value >= np.uint64(10):
        rest = value // np.uint64(10)
        end -= 1
        room[end] = np.uint8(np.uint64(48) + value - rest * np.uint64(10))
        value = rest
    end -= 1
    room[end] = np.uint8(np.uint64(48) + value)
    return end


@helper
def magnitude(value):
    """Return the absolute value of an integer as an unsigned one."""
    return np.uint64(0) - np.uint64(value) if value < 0 else np.uint64(value)


@helper
def _round_to_odd(high, low, factor):
    middle = high * factor
    total = middle + high_product(low, factor)
    top = high_product(high, factor) + np.uint64(total < middle)
    return top | np.uint64(total > 1)


def _parts(x):
    """Return what a float is of a power of 2, that power, and whether the float below it is nearer.

    Nearer, that is, than the one above: those of the next lower power of 2 are closer together.
    """
    raise NotImplementedError  # compiled only


@operation(_parts)
def _parts_of(x):
    if x == types.float64:
        return _parts_of_double
    return _parts_of_single if x == types.float32 else None


def _parts_of_double(x):
    bits = float_bits(x)
    fraction, biased = bits & np.uint64((1 << 52) - 1), np.int64(bits >> np.uint64(52)) & 0x7FF
    if biased == 0:
        return fraction, -1074, False
    return fraction | np.uint64(1 << 52), biased - 1075, fraction == 0 and biased > 1


def _parts_of_single(x):
    bits = float_bits(x)  # of the same number as a double, which has none that is subnormal here
    fraction, biased = bits & np.uint64((1 << 52) - 1), np.int64(bits >> np.uint64(52)) & 0x7FF
    dropped = 29 + at_least(897 - biased, 0)
    significand = (fraction | np.uint64(1 << 52)) >> np.uint64(dropped)
    return significand, biased - 1075 + dropped, fraction == 0 and biased > 897


@helper
def shortest(x):
    """Return digits and exponent of the shortest decimal that reads back as a positive, finite float."""
    significand, power, closer = _parts(x)
    if power <= 0 and power > -53:
        whole = significand >> np.uint64(-power)
        if whole << np.uint64(-power) == significand:
            return without_zeros(whole, 0)
    odd = significand & np.uint64(1)
    left = significand * np.uint64(4) - np.uint64(2) + np.uint64(closer)
    right = significand * np.uint64(4) + np.uint64(2)
    k = (power * 1262611 - (524031 if closer else 0)) >> 22
    shift = np.uint64(power + ((-k * 1741647) >> 19) + 1)
    place = (-k - WRITE_FROM) * 2
    high, low = write_table()[place], write_table()[place + 1]
    lower = _round_to_odd(high, low, left << shift) + odd
    middle = _round_to_odd(high, low, significand * np.uint64(4) << shift)
    upper = _round_to_odd(high, low, right << shift) - odd
    s = middle // np.uint64(4)
    if s >= np.uint64(10):
        tenth = s // np.uint64(10)
        below = lower <= np.uint64(40) * tenth
        above = np.uint64(40) * tenth + np.uint64(40) <= upper
        if below != above:
            return without_zeros(tenth + np.uint64(above), k + 1)
    below = lower <= np.uint64(4) * s
    above = np.uint64(4) * s + np.uint64(4) <= upper
    if below != above:
        return without_zeros(s + np.uint64(above), k)
    half = np.uint64(4) * s + np.uint64(2)
    up = middle > half or (middle == half and s & np.uint64(1) != 0)
    return without_zeros(s + np.uint64(up), k)


@helper
def without_zeros(digits, exponent):
    """Return digits that end in no zero, and the exponent that goes with them."""
    while digits >= np.uint64(10):
        rest = digits // np.uint64(10)
        if rest * np.uint64(10) != digits:
            break
        digits = rest
        exponent += 1
    return digits, exponent


@helper
def all_digits(x):
    """Return all digits of a positive, finite float: bytes, how many, and the exponent of the last."""
    bits = float_bits(x)
    fraction, biased = bits & np.uint64((1 << 52) - 1), np.int64(bits >> np.uint64(52)) & 0x7FF
    if biased:
        fraction |= np.uint64(1 << 52)
    power = at_least(biased, 1) - 1075
    while power < 0 and fraction & np.uint64(1) == 0:
        fraction >>= np.uint64(1)
        power += 1
    limbs = allocate_words(100)
    size = set_number(limbs, fraction)
    size = times_power_of_5(limbs, size, -power) if power < 0 else shift_left(limbs, size, power)
    most = size * 10 + 10  # a limb is less than ten digits
    room = allocate(most)
    end = most
    while size > 0:
        rest = divide(limbs, size, 1000000000)
        while size > 0 and limbs[size - 1] == 0:
            size -= 1
        for _ in range(9):
            end -= 1
            room[end] = np.uint8(48 + rest % 10)
            rest //= 10
    while end < most - 1 and room[end] == 48:
        end += 1
    return room, end, most - end, at_most(power, 0)
