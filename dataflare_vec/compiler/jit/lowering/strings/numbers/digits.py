"""The text of a float: as `repr` lays it out, and in the formats e, f, g and %."""

from __future__ import annotations

import numpy as np

from dataflare_vec.bits import float_bits
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_least,
    at_most,
    helper,
)
from dataflare_vec.compiler.jit.lowering.strings.numbers.limbs import scaled
from dataflare_vec.compiler.jit.lowering.strings.numbers.write import all_digits, shortest, write_decimal
from dataflare_vec.compiler.jit.types.strings import ascii_string, make_view, offset_by

_0, _POINT, _E, _PLUS, _MINUS = (ord(c) for c in "0.e+-")
_POWERS = tuple(10**i for i in range(19))


@helper
def is_special(x):
    """Whether a float is infinite or not a number."""
    return (np.int64(float_bits(x) >> np.uint64(52)) & 0x7FF) == 0x7FF


@helper
def special_text(x, letters):
    """Return inf or nan; ``letters`` is 32 for small ones, 0 for capitals."""
    room = allocate(3)
    room[0] = np.uint8((73 if x == x else 78) | letters)
    room[1] = np.uint8((78 if x == x else 65) | letters)
    room[2] = np.uint8((70 if x == x else 78) | letters)
    return make_view(ascii_string, room, 3)


@helper
def put_exponent(room, at, exponent, capital):
    """Write an exponent of two digits or more; return the offset behind it."""
    room[at] = np.uint8(_E - 32 * capital)
    room[at + 1] = np.uint8(_MINUS if exponent < 0 else _PLUS)
    exponent = abs(exponent)
    at += 2
    if exponent >= 100:
        room[at] = np.uint8(_0 + exponent // 100)
        at += 1
    room[at] = np.uint8(_0 + exponent // 10 % 10)
    room[at + 1] = np.uint8(_0 + exponent % 10)
    return at + 2


@helper
def put_plain(room, at, digits, count, point):
    """Write digits with the point behind ``point`` of them, zeros where there are none."""
    if point <= 0:
        room[at] = np.uint8(_0)
        room[at + 1] = np.uint8(_POINT)
        at += 2
        for _ in range(-point):
            room[at] = np.uint8(_0)
            at += 1
        for i in range(count):
            room[at + i] = digits[i]
        return at + count
    for i in range(at_least(count, point)):
        if i == point:
            room[at] = np.uint8(_POINT)
            at += 1
        room[at] = digits[i] if i < count else np.uint8(_0)
        at += 1
    return at


@helper
def put_scientific(room, at, digits, count, exponent, capital):
    """Write digits with the point behind the first, and an exponent."""
    room[at] = digits[0]
    at += 1
    if count > 1:
        room[at] = np.uint8(_POINT)
        at += 1
        for i in range(1, count):
            room[at] = digits[i]
            at += 1
    return put_exponent(room, at, exponent, capital)


@helper
def float_text(x):
    """Return a float as `repr` writes it: the shortest digits that read back as the same."""
    if is_special(x):
        text = special_text(x, 32)
        if x < 0:
            room = allocate(4)
            room[0] = np.uint8(_MINUS)
            for i in range(3):
                room[i + 1] = text._data[i]
            return make_view(ascii_string, room, 4)
        return text
    room = allocate(48)
    at = 0
    if float_bits(x) >> np.uint64(63):
        room[0] = np.uint8(_MINUS)
        at = 1
        x = -x
    if x == 0:
        number, exponent = np.uint64(0), 0
    else:
        number, exponent = shortest(x)
    begin = write_decimal(room, 48, number)
    digits, count = offset_by(room, begin), 48 - begin
    point = count + exponent
    if point > -4 and point <= 16:
        at = put_plain(room, at, digits, count, point)
        if point >= count:
            room[at] = np.uint8(_POINT)
            room[at + 1] = np.uint8(_0)
            at += 2
    else:
        at = put_scientific(room, at, digits, count, point - 1, 0)
    return make_view(ascii_string, room, at)


# -- with a precision -------------------------------------------------------------------------------------


@helper
def round_digits(digits, count, keep, follows):
    """Round digits to the first ``keep``, half to even; whether that carried into a new first digit.

    There is room for a digit before the first. ``follows``: what the digits end in is more than they say.
    """
    if keep >= count:
        return False
    up = keep >= 0 and digits[keep] > _0 + 5
    if keep >= 0 and digits[keep] == _0 + 5:
        up = follows or (keep > 0 and (digits[keep - 1] & 1) == 1)
        for i in range(keep + 1, count):
            up |= digits[i] != _0
    if not up:
        return False
    for i in range(keep - 1, -1, -1):
        if digits[i] < _0 + 9:
            digits[i] += np.uint8(1)
            return False
        digits[i] = np.uint8(_0)
    digits[-1] = np.uint8(_0 + 1)
    return True


@helper
def exact_digits(x):
    """Return digits of a positive float or 0 with room before them, how many, and where the point is."""
    if x == 0:
        room = allocate(2)
        room[1] = np.uint8(_0)
        return offset_by(room, 1), 1, 1
    room, begin, count, exponent = all_digits(x)
    return offset_by(room, begin), count, count + exponent


@helper
def fixed_text(x, precision):
    """Return digits of a positive float with ``precision`` behind the point, rounded half to even.

    Also how many are before the point.
    """
    bits = float_bits(x)
    power = np.int64(bits >> np.uint64(52)) - 1075
    if precision < 19 and power < 0 and power > -120 and x * np.float64(_POWERS[precision]) < 1e18:
        fraction = bits & np.uint64((1 << 52) - 1) | np.uint64(1 << 52)
        number = scaled(fraction, np.uint64(_POWERS[precision]), np.uint64(-power))
        room = allocate(48)
        begin = write_decimal(room, 48, number)
        while 48 - begin <= precision:
            begin -= 1
            room[begin] = np.uint8(_0)
        return offset_by(room, begin), 48 - begin - precision
    digits, count, point = exact_digits(x)
    keep = point + precision
    if round_digits(digits, count, keep, False):
        digits = offset_by(digits, -1)
        count += 1
        point += 1
        keep += 1
    whole = at_least(point, 1)
    room = allocate(whole + precision)
    for i in range(whole + precision):
        place = i + point - whole
        room[i] = digits[place] if place >= 0 and place < at_most(count, keep) else np.uint8(_0)
    return room, whole


@helper
def significant_digits(x, keep):
    """Return ``keep`` digits of a positive float, rounded half to even, and where the point is."""
    digits, count, point = exact_digits(x)
    if round_digits(digits, count, keep, False):
        digits = offset_by(digits, -1)
        point += 1
    room = allocate(keep)
    for i in range(keep):
        room[i] = digits[i] if i < count else np.uint8(_0)
    return room, point
