"""Functions of `statistics` for lists and tuples of floats, whose results are correctly rounded or exact.

Means of integers, and what is made of squares, Python computes as fractions: these are its interpreter's.
"""

from __future__ import annotations

import statistics

import numpy as np
from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings.base import helper, operation


def _are_numbers(data):
    kind = getattr(data, "dtype", None)
    return isinstance(data, types.List | types.UniTuple | types.Array) and isinstance(
        kind, types.Integer | types.Float
    )


def _empty(name):
    return f"no {name} for empty data"


@helper
def _half(a, b):
    """Return half the sum of two floats."""
    return (a + b) / 2


@helper
def _half_of_integers(a, b):
    """Return half the sum of two integers, which may have 65 bits, rounded once."""
    total = np.int64(a) + np.int64(b)
    if (a < 0) == (b < 0) and (total < 0) != (a < 0):
        # Half of it has 62 bits or more: what is lost below only has to break ties.
        return np.float64(((a >> 1) + (b >> 1) + (a & b & 1)) | ((a ^ b) & 1))
    return total / 2


@operation(statistics.median)
def _median(data):
    if not _are_numbers(data):
        return None
    if data.dtype == types.uint64:
        return None
    half = _half if isinstance(data.dtype, types.Float) else _half_of_integers
    message, error = _empty("median"), statistics.StatisticsError

    def median(data):
        ordered = sorted(data)
        count = len(ordered)
        if count == 0:
            raise error(message)
        middle = count // 2
        if count % 2 == 1:
            return ordered[middle] * 1.0
        return half(ordered[middle - 1], ordered[middle])

    return median


def _of_middle(function, is_high):
    message, error = _empty("median"), statistics.StatisticsError

    @operation(function)
    def of_middle(data):
        if not _are_numbers(data):
            return None

        def median(data):
            ordered = sorted(data)
            if len(ordered) == 0:
                raise error(message)
            return ordered[len(ordered) // 2 if is_high else (len(ordered) - 1) // 2]

        return median


_of_middle(statistics.median_low, False)
_of_middle(statistics.median_high, True)
