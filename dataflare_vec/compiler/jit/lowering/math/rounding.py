"""Functions that are one LLVM instruction or a test of bits, all exact, and rounding to decimal digits."""

from __future__ import annotations

import math

from dataflare_vec.compiler.jit.lowering.math import values as v
from dataflare_vec.compiler.jit.lowering.math.values import Value, fma, select

sqrt = v.sqrt
floor = v.floor
ceil = v.ceil
trunc = v.trunc
rint = v.rint
fabs = v.fabs
copysign = v.copysign
isnan = v.is_nan
isfinite = v.is_finite


def isinf(x: Value) -> Value:
    """Whether x is ±infinity."""
    return v.fabs(x) == math.inf


# -- to so many digits ------------------------------------------------------------------------------------
#
# The result is the float next to m/p (or m·p), where p is a power of ten and m the integer next to x·p (x/p),
# a tie going to the even one. Below 2^53, m and p are floats, so one division or multiplication rounds this
# once: to the float that one reads in the decimal, as of Python's own `round`.
#
# y is x·p rounded, and its error e, |e| ≤ ulp(y)/2, is what one fused operation gives. Below 2^52, 1/2 is a
# multiple of ulp(y): if y isn't half-way between integers it is at least ulp(y) away from that, and e can't
# lead over it, so m = rint(y). If it is, the sign of e decides. From 2^52 on y is an integer, and e at most
# 1/2: that only where rounding has already chosen the even one. Of the quotient, the remainder has the sign
# of e.
#
# If |x·p| ≥ 2^53 the result is x: then ulp(x) > x·2^-53 ≥ 1/p, and m/p is no farther from x than 1/(2p),
# below ulp(x)/2. So it is if x is a power of two, below which floats are nearer: there 1/p ≤ ulp(x)/2,
# because x·2^-53 is that. Where y is 2^53 but x·p a little less, m is 2^53, and m/p would be another number
# than x only if p were within 2^-54 of a power of two, and not one. With a quotient, all this holds for p in
# place of 1/p.


def _nearest(y: Value, error: Value) -> Value:
    whole = v.rint(y)
    rest = y - whole
    up, down = (rest == 0.5) & (error > 0.0), (rest == -0.5) & (error < 0.0)
    return select(up, whole + 1.0, select(down, whole - 1.0, whole))  # rint keeps the sign of 0


def round_to_places(x: Value, power: Value) -> Value:
    """Return x rounded to n digits behind the point, half to even; ``power`` is 10^n, n ≤ 22 (f64)."""
    y = x * power
    m = _nearest(y, fma(x, power, -y))
    return select(v.fabs(y) < 2.0**53, m / power, x)


def round_to_tens(x: Value, power: Value) -> Value:
    """Return x rounded to a multiple of ``power`` = 10^n, n ≤ 22, half to even (f64)."""
    y = x / power
    m = _nearest(y, fma(-y, power, x))
    return select(v.fabs(y) < 2.0**53, m * power, x)
