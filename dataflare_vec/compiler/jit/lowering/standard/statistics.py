"""Functions of `statistics` for lists and tuples of floats, whose results are correctly rounded or exact.

Means of integers, and what is made of squares, Python computes as fractions: these are its interpreter's.
"""

from __future__ import annotations

import statistics

from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings.base import operation


def _are_numbers(data):
    kind = getattr(data, "dtype", None)
    return isinstance(data, types.List | types.UniTuple | types.Array) and isinstance(
        kind, types.Integer | types.Float
    )


def _empty(name):
    return f"no {name} for empty data"


@operation(statistics.median)
def _median(data):
    if not _are_numbers(data):
        return None
    message, error = _empty("median"), statistics.StatisticsError

    def median(data):
        ordered = sorted(data)
        count = len(ordered)
        if count == 0:
            raise error(message)
        middle = count // 2
        if count % 2 == 1:
            return ordered[middle] * 1.0
        return (ordered[middle - 1] + ordered[middle]) / 2

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
