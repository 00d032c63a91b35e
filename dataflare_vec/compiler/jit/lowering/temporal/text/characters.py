"""Spaces, digits of all scripts and offsets from UTC in the text of a date."""

from __future__ import annotations

from functools import cache

import numpy as np

from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at, width_at
from dataflare_vec.compiler.jit.lowering.strings.strip import is_ascii_space, is_space
from dataflare_vec.compiler.jit.lowering.strings.unicode import DECIMAL, VALUE_SHIFT, flags_of
from dataflare_vec.compiler.jit.lowering.temporal.civil import SECOND

#: Where something ends that isn't there, and the value of a digit that is none.
NOWHERE, NO_DIGIT = -1, 10


@cache
def behind_spaces(*, is_ascii):
    """Return a function that says where the white space at a place ends."""
    if is_ascii:

        def behind(data, nbytes, at):
            end = at
            while end < nbytes and is_ascii_space(data[end]):
                end += 1
            return end if end > at else NOWHERE

        return behind

    def behind_any(data, nbytes, at):
        end = at
        while end < nbytes and is_space(decode_at(data, end)):
            end += width_at(data, end)
        return end if end > at else NOWHERE

    return behind_any


@helper
def _ascii_digit(data, nbytes, at):
    """Return the value of a digit, and where it ends."""
    if at >= nbytes:
        return NO_DIGIT, at
    value = np.int64(data[at]) - 48
    if value < 0 or value > 9:
        return NO_DIGIT, at
    return value, at + 1


@helper
def _any_digit(data, nbytes, at):
    """Return the value of a decimal digit of any script, and where it ends."""
    if at >= nbytes or data[at] < 128:
        return _ascii_digit(data, nbytes, at)
    flags = flags_of(decode_at(data, at))
    return (flags >> VALUE_SHIFT if flags & DECIMAL else NO_DIGIT), at + width_at(data, at)


def number_of_any_digits(data, nbytes, at, count, low, high):
    """Return a number of so many digits within bounds, and where it ends.

    A digit may be of any script if all ten make a number within the bounds, whatever is behind it.
    """
    number, left = 0, 1
    for _ in range(count):
        left *= 10
    for _ in range(count):
        least, most = number * left, number * left + left - 1
        digit, behind = _any_digit(data, nbytes, at)
        if digit == NO_DIGIT:
            return 0, NOWHERE
        if (least < low or most > high) and data[at] >= 128:
            return 0, NOWHERE
        left //= 10
        number, at = number * 10 + digit, behind
    if number < low or number > high:
        return 0, NOWHERE
    return number, at


@cache
def offset_reader(*, is_ascii):
    """Return a function that reads an offset from UTC: its microseconds, and where it ends.

    Colons are between all of its parts or between none, or Python fails.
    """
    digit_at = _ascii_digit if is_ascii else _any_digit

    @helper
    def pair_at(data, nbytes, at):
        """Return a number of two digits, of which the first is ASCII's and at most 5, and where it ends."""
        if at >= nbytes or data[at] < 48 or data[at] > 53:
            return 0, NOWHERE
        second, end = digit_at(data, nbytes, at + 1)
        if second == NO_DIGIT:
            return 0, NOWHERE
        return (np.int64(data[at]) - 48) * 10 + second, end

    def offset(data, nbytes, at):
        if data[at] == 90:  # Z
            return 0, at + 1
        if data[at] != 43 and data[at] != 45:
            return 0, NOWHERE
        tens, end = digit_at(data, nbytes, at + 1)
        ones, end = digit_at(data, nbytes, end)
        if tens == NO_DIGIT or ones == NO_DIGIT:
            return 0, NOWHERE
        has_colon = end < nbytes and data[end] == 58
        minutes, end = pair_at(data, nbytes, end + np.int64(has_colon))
        if end == NOWHERE:
            return 0, NOWHERE
        total = ((tens * 10 + ones) * 60 + minutes) * 60 * SECOND
        again = end < nbytes and data[end] == 58
        seconds, behind = pair_at(data, nbytes, end + np.int64(again))
        if behind != NOWHERE:
            if again != has_colon:
                return 0, NOWHERE
            total += seconds * SECOND
            end = behind
            if end < nbytes and data[end] == 46:
                digit, behind = digit_at(data, nbytes, end + 1)
                unit = SECOND // 10
                while digit != NO_DIGIT and unit > 0:
                    total += digit * unit
                    unit //= 10
                    end = behind
                    digit, behind = digit_at(data, nbytes, end)
        return (-total if data[at] == 45 else total), end

    return offset
