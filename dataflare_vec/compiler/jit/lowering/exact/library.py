"""`math.gcd` of -2^63, and `math.ldexp` with exponents of 64 bits, of which C's function takes 32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.core import types

from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.exact.whole import FLOATS, WHOLE
from dataflare_vec.compiler.jit.lowering.integers.operators import is_wide
from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.lowering.strings.numbers.write import magnitude
from dataflare_vec.compiler.jit.types.raised import DoesNotFit

#: Exponents beyond which any float has become 0 or infinite.
_MOST = 2200


@helper
def greatest_divisor(a, b):
    """Return the greatest common divisor of unsigned integers."""
    while b != 0:
        a, b = b, a % b
    return a


@helper
def _gcd(a, b):
    found = greatest_divisor(magnitude(np.int64(a)), magnitude(np.int64(b)))
    if found > np.uint64(0x7FFFFFFFFFFFFFFF):
        raise DoesNotFit("the result does not fit a 64-bit integer")
    return np.int64(found)


@helper
def _gcd_unsigned(a, b):
    return greatest_divisor(magnitude(a), magnitude(b))


@helper
def _gcd_wide(a, b):
    x, y = a + 0 * b, b + 0 * a  # of the same type
    while y != 0:
        x, y = y, x % y
    return abs(x)


@overlay(math.gcd, "a", "b")
def _choose_gcd(a: Any = None, b: Any = None) -> Any:
    if is_wide(a) or is_wide(b):
        return _gcd_wide
    if not (isinstance(a, WHOLE) and isinstance(b, WHOLE)):
        return None
    unsigned = types.uint64 in (types.unliteral(a), types.unliteral(b))
    return _gcd_unsigned if unsigned else _gcd


@helper
def scaled(x, i):
    """Return ``x`` times 2 to the power of an integer of 64 bits."""
    exponent = np.int64(_MOST if i > _MOST else -_MOST if i < -_MOST else i)
    return math.ldexp(x, np.int32(exponent))


@overlay(math.ldexp, "x", "i")
def _choose_ldexp(x: Any, i: Any = None) -> Any:
    return scaled if x in FLOATS and isinstance(i, WHOLE) else None
