"""``int(s)``, ``int(s, base)``, ``float(s)``.

Floats are rounded correctly: by one multiplication or division where digits and power of ten are exact
(W. D. Clinger, "How to read floating point numbers accurately", 1990), else by the product of the digits with
128 bits of the power (D. Lemire, "Number parsing at a gigabyte per second", 2021); where more than 19 digits
leave it open, by comparing all of them with the number half-way between two floats, in large integers.
"""

from __future__ import annotations

import numpy as np
from numba.core import types

from dataflare_vec.bits import float_bits
from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_least,
    at_most,
    helper,
    is_ascii,
    is_string,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at
from dataflare_vec.compiler.jit.lowering.strings.memory import last_bytes, leading_zeros
from dataflare_vec.compiler.jit.lowering.strings.numbers.limbs import (
    allocate_words,
    compare_numbers,
    float_of,
    high_product,
    set_number,
    shift_left,
    times_plus,
    times_power_of_5,
)
from dataflare_vec.compiler.jit.lowering.strings.numbers.powers import READ_FROM, READ_TO, read_table
from dataflare_vec.compiler.jit.lowering.strings.strip import is_byte_space, is_space, next_offset
from dataflare_vec.compiler.jit.lowering.strings.unicode import DECIMAL, VALUE_SHIFT, flags_of
from dataflare_vec.compiler.jit.types.raised import DoesNotFit
from dataflare_vec.compiler.jit.types.strings import ViewType
from dataflare_vec.definition.python_values import TOO_LARGE_INTEGER

_0, _9, _A, _F, _I, _N, _E, _X, _O, _B = (ord(c) for c in "09afinexob")
_PLUS, _MINUS, _POINT, _UNDERSCORE = (ord(c) for c in "+-._")
_OTHER = ord("?")


def plain_at(view, offset):
    """Return the character at an offset as ASCII: any decimal digit as 0–9, other spaces as ``" "``."""
    raise TypeError(view, offset)


@operation(plain_at)
def _plain_at(view, offset):
    if not is_string(view) or is_ascii(view):
        return lambda view, offset: np.int64(view._data[offset])

    def plain(view, offset):
        byte = view._data[offset]
        if byte < 127:
            return np.int64(byte)
        point = decode_at(view._data, offset)
        if is_space(point):
            return 32
        flags = flags_of(point)
        return _0 + (flags >> VALUE_SHIFT) if flags & DECIMAL else _OTHER

    return plain


@helper
def char_at(view, offset):
    """Return the plain character at an offset; 0 behind the end, which is part of no number."""
    return plain_at(view, offset) if offset < view._nbytes else 0


@helper
def skip_space(view, offset):
    """Return the offset of what follows any spaces."""
    while offset < view._nbytes and is_byte_space(plain_at(view, offset)):
        offset = next_offset(view, offset)
    return offset


@helper
def digit_of(char):
    """Return the value of a digit in base 36; 99 for what is none."""
    if char >= _0 and char <= _9:
        return char - _0
    letter = char | 32
    return letter - _A + 10 if letter >= _A and letter < _A + 26 else 99


@helper
def parse_int(view, base):
    """Return the integer that a string holds, as `int` reads it."""
    if base != 0 and (base < 2 or base > 36):
        raise ValueError("int() base must be >= 2 and <= 36, or 0")
    offset = skip_space(view, 0)
    char = char_at(view, offset)
    negative = char == _MINUS
    if negative or char == _PLUS:
        offset += 1
        char = char_at(view, offset)
    only_zeros = False
    if char == _0 and base != 10:
        following = next_offset(view, offset)
        mark = char_at(view, following) | 32
        named = 16 if mark == _X else 8 if mark == _O else 2 if mark == _B else 0
        if named and (base == 0 or base == named):
            base = named
            offset = following + 1
            offset += np.int64(char_at(view, offset) == _UNDERSCORE)
        elif base == 0:
            only_zeros = True
    if base == 0:
        base = 10
    value = np.uint64(0)
    most = np.uint64(0x7FFFFFFFFFFFFFFF) + np.uint64(negative)
    too_large, after_digit = False, False
    radix = np.uint64(base)
    while offset < view._nbytes:
        char = plain_at(view, offset)
        if char == _UNDERSCORE and after_digit:
            after_digit = False
        else:
            digit = digit_of(char)
            if digit >= base:
                break
            if value > np.uint64(0x0700000000000000):  # in base 36 the next may not fit
                too_large |= value > (most - np.uint64(digit)) // radix
            value = value * radix + np.uint64(digit)
            after_digit = True
        offset = next_offset(view, offset)
    if not after_digit or skip_space(view, offset) != view._nbytes:
        raise ValueError("invalid literal for int()")
    if only_zeros and value != 0:
        raise ValueError("invalid literal for int() with base 0")
    if too_large:
        raise DoesNotFit(TOO_LARGE_INTEGER)
    return -np.int64(value) if negative else np.int64(value)


@helper
def parse_decimal(view):
    """Return the integer that a string holds in base 10: a small part of `parse_int`, quicker to compile."""
    if view._nbytes > 0 and view._nbytes <= _FEW:
        small, digits_only = np.int64(0), True
        for i in range(view._nbytes):
            digit = np.int64(view._data[i]) - _0
            digits_only &= digit >= 0 and digit <= 9
            small = small * 10 + digit
        if digits_only:
            return small
    offset = skip_space(view, 0)
    char = char_at(view, offset)
    negative = char == _MINUS
    offset += np.int64(negative or char == _PLUS)
    value, too_large, after_digit = np.uint64(0), False, False
    while offset < view._nbytes:
        char = plain_at(view, offset)
        if char == _UNDERSCORE and after_digit:
            after_digit = False
        elif char >= _0 and char <= _9:
            too_large |= value > _SAFE and value > (_MOST + np.uint64(negative + _0 - char)) // _TEN
            value = value * _TEN + np.uint64(char - _0)
            after_digit = True
        else:
            break
        offset = next_offset(view, offset)
    if not after_digit or skip_space(view, offset) != view._nbytes:
        raise ValueError("invalid literal for int() with base 10")
    if too_large:
        raise DoesNotFit(TOO_LARGE_INTEGER)
    return -np.int64(value) if negative else np.int64(value)


#: So many digits always fit. Most numbers are that and nothing else: a loop without branches reads them.
_FEW = 18
#: In eight bytes: the digit 0, what makes more than 9 have the high bit, that bit.
_ZEROS, _NO_DIGIT, _HIGH_BITS = (np.uint64(byte * 0x0101010101010101) for byte in (0x30, 0x76, 0x80))
#: The largest integer; and one that another digit can always follow.
_MOST, _SAFE, _TEN = np.uint64((1 << 63) - 1), np.uint64((1 << 63) // 10 - 1), np.uint64(10)


@helper
def number_of_digits(word, count):
    """Return the number that 1 to 8 bytes hold, which end at a word's highest; -1 if not all are digits."""
    digits = word ^ _ZEROS << np.uint64(64 - 8 * count)
    if (digits + _NO_DIGIT | digits) & _HIGH_BITS:
        return -1
    # All at once, in the bytes of the word: pairs, then fours, then all eight are added up.
    pairs = (digits * _TEN + (digits >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    fours = (pairs * np.uint64(100) + (pairs >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return np.int64((fours * np.uint64(10_000) + (fours >> np.uint64(32))) & np.uint64(0xFFFFFFFF))


@operation(int, inlined=True)
def _int(value, base=10):
    if not isinstance(types.unliteral(value), ViewType):
        return None
    if getattr(base, "value", base) != 10:
        return lambda value, base=10: parse_int(value, base)

    def decimal(value, base=10):
        nbytes = value._nbytes
        if nbytes > 0 and nbytes <= 8:
            number = number_of_digits(last_bytes(value._data, nbytes), nbytes)
            if number >= 0:
                return number
        return parse_decimal(value)

    return decimal


# -- floats -----------------------------------------------------------------------------------------------

_INFINITY = np.uint64(0x7FF0000000000000)
#: 10.0 ** 0 … 22, which are exact.
_EXACT = tuple(float(f"1e{i}") for i in range(23))
#: So many digits tell any number from any that is half-way between two floats (those have 767 at most).
_DIGITS = 800


@helper
def rounded(digits, exponent):
    """Return the bits of the float next to ``digits * 10**exponent`` (D. Lemire, 2021)."""
    if digits == 0 or exponent < READ_FROM:
        return np.uint64(0)
    if exponent > READ_TO:
        return _INFINITY
    zeros = leading_zeros(digits)
    digits <<= np.uint64(zeros)
    place = (exponent - READ_FROM) * 2
    high_power, low_power = read_table()[place], read_table()[place + 1]
    high, low = high_product(digits, high_power), digits * high_power
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):
        more = high_product(digits, low_power)
        low += more
        high += np.uint64(more > low)
    upper = high >> np.uint64(63)
    mantissa = high >> (upper + np.uint64(9))
    power = ((217706 * exponent) >> 16) + 63 + np.int64(upper) - zeros + 1023
    if power <= 0:
        if power <= -63:
            return np.uint64(0)
        mantissa >>= np.uint64(1 - power)
        mantissa += mantissa & np.uint64(1)
        return mantissa >> np.uint64(1)  # a carry into the exponent is the smallest normal number
    is_tie = low <= 1 and exponent >= -4 and exponent <= 23 and mantissa & np.uint64(3) == 1
    if is_tie and mantissa << (upper + np.uint64(9)) == high:
        mantissa &= ~np.uint64(1)
    mantissa += mantissa & np.uint64(1)
    mantissa >>= np.uint64(1)
    if mantissa >= np.uint64(1 << 53):
        mantissa = np.uint64(1 << 52)
        power += 1
    if power >= 0x7FF:
        return _INFINITY
    return np.uint64(power) << np.uint64(52) | (mantissa & np.uint64((1 << 52) - 1))


@helper
def decide(view, start, exponent, low):
    """Return ``low``, the bits of a float, or those of the next, whichever is nearer to all of the digits.

    The digits begin at ``start``; ``exponent`` is the power of ten of the 19th significant one.
    """
    number, size = allocate_words(512), 0
    taken, rest = 0, False
    offset = start
    while offset < view._nbytes:
        char = plain_at(view, offset)
        if char >= _0 and char <= _9:
            if taken > 0 or char > _0:
                if taken < _DIGITS:
                    size = times_plus(number, size, 10, char - _0)
                    taken += 1
                    exponent -= np.int64(taken > 19)
                else:
                    rest |= char > _0
        elif char != _POINT and char != _UNDERSCORE:
            break
        offset = next_offset(view, offset)
    fraction, power = low & np.uint64((1 << 52) - 1), np.int64(low >> np.uint64(52))
    if power:
        fraction |= np.uint64(1 << 52)
    power = at_least(power, 1) - 1076  # of the number half-way, which has one bit more
    half = allocate_words(512)
    half_size = set_number(half, fraction * np.uint64(2) + np.uint64(1))
    if exponent >= 0:
        size = times_power_of_5(number, size, exponent)
    else:
        half_size = times_power_of_5(half, half_size, -exponent)
    power -= exponent
    if power >= 0:
        half_size = shift_left(half, half_size, power)
    else:
        size = shift_left(number, size, -power)
    order = compare_numbers(number, size, half, half_size)
    if order == 0:
        order = 1 if rest else np.int64(low & np.uint64(1)) * 2 - 1
    return low + np.uint64(order > 0)


@helper
def word_follows(view, offset, first, second, third):
    """Whether three letters, in any case, begin at an offset."""
    return (
        char_at(view, offset) | 32 == first
        and char_at(view, offset + 1) | 32 == second
        and char_at(view, offset + 2) | 32 == third
    )


@helper
def parse_float(view):
    """Return the number that a string holds, as `float` reads it."""
    offset = skip_space(view, 0)
    char = char_at(view, offset)
    sign = np.uint64(char == _MINUS) << np.uint64(63)
    if char == _MINUS or char == _PLUS:
        offset += 1
    start = offset
    digits, count, dropped, exponent = np.uint64(0), 0, 0, 0
    seen_digit, seen_point, after_digit, after_line = False, False, False, False
    while offset < view._nbytes:
        char = plain_at(view, offset)
        if char >= _0 and char <= _9:
            if count < 19:
                digits = digits * np.uint64(10) + np.uint64(char - _0)
                count += np.int64(digits != 0)
                exponent -= np.int64(seen_point)
            else:
                dropped += 1
                exponent += np.int64(not seen_point)
            seen_digit, after_digit, after_line = True, True, False
        elif char == _UNDERSCORE and after_digit:
            after_digit, after_line = False, True
        elif char == _POINT and not seen_point and not after_line:
            seen_point, after_digit = True, False
        else:
            break
        offset = next_offset(view, offset)
    bits = np.uint64(0)
    if not seen_digit:
        offset = start
        if word_follows(view, offset, _I, _N, _F):
            offset += 3
            if word_follows(view, offset, _I, _N, _I) and word_follows(view, offset + 2, _I, 116, 121):
                offset += 5
            bits = _INFINITY
        elif word_follows(view, offset, _N, _A, _N):
            offset += 3
            bits = np.uint64(0x7FF8000000000000)
        else:
            raise ValueError("could not convert string to float")
    else:
        if after_line:
            raise ValueError("could not convert string to float")
        if char_at(view, offset) | 32 == _E:
            offset += 1
            char = char_at(view, offset)
            negative = char == _MINUS
            if negative or char == _PLUS:
                offset += 1
            power, after_digit = 0, False
            while offset < view._nbytes:
                char = plain_at(view, offset)
                if char >= _0 and char <= _9:
                    power = at_most(power * 10 + char - _0, 1 << 40)
                    after_digit = True
                elif char == _UNDERSCORE and after_digit:
                    after_digit = False
                else:
                    break
                offset = next_offset(view, offset)
            if not after_digit:
                raise ValueError("could not convert string to float")
            exponent += -power if negative else power
        if dropped == 0 and digits <= np.uint64(1 << 53) and exponent >= -22 and exponent <= 22:
            number = np.float64(digits)
            number = number / _EXACT[-exponent] if exponent < 0 else number * _EXACT[exponent]
            bits = float_bits(number)
        else:
            bits = rounded(digits, exponent)
            if dropped > 0 and bits != rounded(digits + np.uint64(1), exponent):
                bits = decide(view, start, exponent, bits)
    if skip_space(view, offset) != view._nbytes:
        raise ValueError("could not convert string to float")
    return float_of(bits | sign)


@operation(float)
def _float(value):
    if not isinstance(types.unliteral(value), ViewType):
        return None
    return lambda value: parse_float(value)
