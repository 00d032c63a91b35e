"""Powers of ten to 128 bits, made of Python's integers, for reading and writing floats."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings.symbols import symbol, table

#: Exponents of the table that reading uses, and of the one that writing uses.
READ_FROM, READ_TO = -342, 308
WRITE_FROM, WRITE_TO = -292, 324


def _words(values: list[int]) -> np.ndarray:
    return np.array([[value >> 64, value & (1 << 64) - 1] for value in values], np.uint64)


def _leading(exponent: int) -> tuple[int, bool]:
    """Return the leading 128 bits of a power of ten, truncated; and whether that is exact."""
    power = 10 ** abs(exponent)
    if exponent >= 0:
        shift = power.bit_length() - 128
        return (power >> shift, power & (1 << shift) - 1 == 0) if shift > 0 else (power << -shift, True)
    shift = power.bit_length() + 127
    value = (1 << shift) // power
    return value, False


@symbol("dfv_powers_read")
@cache
def powers_read() -> np.ndarray:
    """Return high and low words, as D. Lemire's paper has them: rounded up where the exponent is negative."""
    values = []
    for exponent in range(READ_FROM, READ_TO + 1):
        leading, _ = _leading(exponent)
        values.append(leading + (exponent < 0))
    return _words(values)


@symbol("dfv_powers_write")
@cache
def powers_write() -> np.ndarray:
    """Return high and low words, as Schubfach has them: rounded up where inexact."""
    values = []
    for exponent in range(WRITE_FROM, WRITE_TO + 1):
        leading, exact = _leading(exponent)
        values.append(leading + (not exact))
    return _words(values)


read_table = table("dfv_powers_read", types.uint64)
write_table = table("dfv_powers_write", types.uint64)
