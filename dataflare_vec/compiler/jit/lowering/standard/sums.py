"""Sums of floats that are rounded once: `math.fsum` and `statistics.fmean`; and `math.dist` in a plane."""

from __future__ import annotations

import math
import statistics

import numpy as np
from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings.base import helper, operation

_NUMBERS = (types.Integer, types.Boolean, types.Float)
_OVERFLOW, _BOTH = "intermediate overflow in fsum", "-inf + inf in fsum"


def are_numbers(data):
    """Whether it is a list, a tuple or an array of numbers that Python takes as floats of 64 bits."""
    if isinstance(data, types.BaseTuple):
        items = [types.unliteral(item) for item in data]
        return len(items) > 0 and all(
            isinstance(item, _NUMBERS) and item not in (types.uint64, types.float16) for item in items
        )
    if isinstance(data, types.Array) and data.ndim != 1:
        return False
    kind = getattr(data, "dtype", None)
    is_sequence = isinstance(data, types.List | types.Array)
    return is_sequence and isinstance(kind, _NUMBERS) and kind not in (types.uint64, types.float16)


@helper
def exact_sum(values):
    """Return the sum of floats, rounded once: by partial sums that don't overlap, as Python's."""
    parts = np.empty(len(values) + 1, np.float64)
    count = 0
    special, infinite = 0.0, 0.0
    for i in range(len(values)):
        x = values[i]
        kept = 0
        for j in range(count):
            y = parts[j]
            if abs(x) < abs(y):
                x, y = y, x
            high = x + y
            low = y - (high - x)
            if low != 0.0:
                parts[kept] = low
                kept += 1
            x = high
        count = kept
        if x != 0.0:
            if math.isfinite(x):
                parts[count] = x
                count += 1
            else:
                if math.isfinite(values[i]):
                    raise OverflowError(_OVERFLOW)
                if np.isinf(values[i]):
                    infinite += values[i]
                special += values[i]
                count = 0
    if special != 0.0:
        if np.isnan(infinite):
            raise ValueError(_BOTH)
        return special
    return _rounded(parts, count)


@helper
def _rounded(parts, count):
    """Return the sum of parts that don't overlap; ties are even by what is below them."""
    if count == 0:
        return 0.0
    count -= 1
    high, low = parts[count], 0.0
    while count > 0:
        x = high
        count -= 1
        y = parts[count]
        high = x + y
        low = y - (high - x)
        if low != 0.0:
            break
    if count > 0 and ((low < 0.0 and parts[count - 1] < 0.0) or (low > 0.0 and parts[count - 1] > 0.0)):
        twice = low * 2.0
        x = high + twice
        if twice == x - high:
            high = x
    return high


def _as_array(data):
    """Return what makes an array of floats of a sequence; of a tuple its items differ in type."""
    if isinstance(data, types.BaseTuple):
        lines = [f"    made[{i}] = np.float64(data[{i}])" for i in range(len(data))]
    else:
        lines = ["    for i in range(len(data)):", "        made[i] = np.float64(data[i])"]
    text = "\n".join(
        ["def made_of(data):", "    made = np.empty(len(data), np.float64)", *lines, "    return made"]
    )
    scope = {"np": np}
    exec(text, scope)
    return helper(scope["made_of"])


@operation(math.fsum)
def _fsum(seq):
    if not are_numbers(seq):
        return None
    made_of = _as_array(seq)
    return lambda seq: exact_sum(made_of(seq))


@operation(statistics.fmean)
def _fmean(data):
    if not are_numbers(data):
        return None
    made_of, error = _as_array(data), statistics.StatisticsError

    def fmean(data):
        if len(data) == 0:
            raise error("fmean requires at least one data point")
        return exact_sum(made_of(data)) / len(data)

    return fmean


@operation(math.dist)
def _dist(p, q):
    points = [getattr(point, "types", ()) for point in (p, q)]
    if [len(point) for point in points] != [2, 2] or not (are_numbers(p) and are_numbers(q)):
        return None

    def dist(p, q):
        return math.hypot(np.float64(p[0]) - np.float64(q[0]), np.float64(p[1]) - np.float64(q[1]))

    return dist
