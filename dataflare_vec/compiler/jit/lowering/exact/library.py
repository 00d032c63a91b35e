"""`math.gcd` of -2^63, `math.ldexp` with exponents of 64 bits, of which C's takes 32, and `cmath.sqrt`.

Of Numba's roots of large complex numbers one part is half of what it should be; those of the least fail.
"""

from __future__ import annotations

import cmath
import math
import sys
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
_LEAST_NORMAL = sys.float_info.min


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


@helper
def _complex_root(z):
    """Return the root with a real part that isn't negative, as Python computes it."""
    real, imag = z.real, z.imag
    x, y = abs(real), abs(imag)
    if x == 0.0 and y == 0.0:
        return complex(0.0, imag)
    if math.isinf(imag):
        return complex(math.inf, imag)
    if math.isinf(real):
        other = math.nan if math.isnan(imag) else 0.0
        if real > 0.0:
            return complex(real, math.copysign(other, imag))
        return complex(other, math.copysign(math.inf, imag))
    if x < _LEAST_NORMAL and y < _LEAST_NORMAL:
        x *= 2.0**53
        larger = math.sqrt(x + math.hypot(x, y * 2.0**53)) * 2.0**-27
    else:
        x *= 0.125
        larger = 2.0 * math.sqrt(x + math.hypot(x, y * 0.125))
    smaller = y / (2.0 * larger)
    if real >= 0.0:
        return complex(larger, math.copysign(smaller, imag))
    return complex(smaller, math.copysign(larger, imag))


@overlay(cmath.sqrt, "z")
def _choose_root(z: Any) -> Any:
    return _complex_root if z == types.complex128 else None
