"""Remainders. All are exact, but for the sum in Python's ``%``.

With Q = trunc(|x|/|y|), the quotient rounded, |x| - Q·|y| is a number of the format (it is smaller than |y|
and a multiple of the last place of one of the two), so that one fused multiplication gives it. Q is at most
one too large. That holds below 2^52 (f64) and 2^23 (f32); for larger quotients, which the guarded variant
only reports (see `emit.py`), x is replaced by its remainder by 2y first.
"""

from __future__ import annotations

import math

from dataflare_vec.compiler.jit.lowering.math import values as v
from dataflare_vec.compiler.jit.lowering.math.values import Value, copysign, fabs, fma, select


def is_large(x: Value, y: Value) -> Value:
    """Whether the quotient is too large to be an exact integer."""
    return (fabs(x / y) >= 2.0**x.fmt.mantissa) & v.is_finite(x) & (fabs(y) > 0.0)


def smaller(x: Value, y: Value) -> Value:
    """Return an x of small quotient that leaves the same remainders: a slow call of libm."""
    return x._new(x.builder.frem(x.raw, (y * 2.0).raw))


def _divided(x: Value, y: Value) -> tuple[Value, Value]:
    """Quotient and remainder of |x| by |y|."""
    x, y = fabs(x), fabs(y)
    quotient = v.trunc(x / y)
    rest = fma(-quotient, y, x)
    above = rest < 0.0
    quotient, rest = select(above, quotient - 1.0, quotient), select(above, rest + y, rest)
    return quotient, select((y == math.inf) & v.is_finite(x), x, rest)


def fmod(x: Value, y: Value) -> Value:
    """Return x - y·trunc(x/y), with the sign of x; NaN for infinite x and for y = 0. Exact."""
    _, rest = _divided(x, y)
    return copysign(rest, x)


def remainder(x: Value, y: Value) -> Value:
    """Return x - y·n with n the integer nearest to x/y, ties to even (IEEE 754). Exact."""
    quotient, rest = _divided(x, y)
    left = fabs(y) - rest
    half = quotient * 0.5
    up = (rest > left) | ((rest == left) & (v.trunc(half) != half))
    result = select(up, -left, rest)
    flipped = (result.bits() ^ ((x.bits() >> (x.fmt.width - 1)) << (x.fmt.width - 1))).as_float()
    return flipped


def modulo(x: Value, y: Value) -> Value:
    """Return x - y·floor(x/y), with the sign of y, as Python's ``%``. Rounded once where signs differ."""
    rest = fmod(x, y)
    differ = (rest < 0.0) ^ (y < 0.0)
    result = select((rest != 0.0) & differ, rest + y, rest)
    return select(rest == 0.0, copysign(x.constant(0.0), y), result)
