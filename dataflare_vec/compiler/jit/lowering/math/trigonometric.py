"""Sines, cosines, tangents and their inverses.

An angle is reduced to within π/4. Up to a bound (2^48 for f64, 2^19 for f32) by subtracting n·π/2, with
π/2 in three parts (W. Cody & W. Waite, Software Manual for the Elementary Functions, 1980), the
differences kept in two. Above it by M. Payne & R. Hanek, Radian reduction for trigonometric functions
(SIGNUM Newsletter 18, 1983), in `payne_hanek.py`: that is rare, takes integers of 256 bits and can't be
vectorised, so the fast loop only reports such an angle (see `emit.py`).

Other sources: J.-M. Muller, Elementary Functions, 3rd edition, chapter 11. Polynomials are our own fits
(tools/fit_math.py). Special values follow C99, Annex F.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dataflare_vec.compiler.jit.lowering.math import values as v
from dataflare_vec.compiler.jit.lowering.math.coefficients import F32, F64
from dataflare_vec.compiler.jit.lowering.math.values import Format, Value, copysign, fabs, fma, select


class Reduced(NamedTuple):
    """An angle as quadrant·π/2 + high + low, |high| at most about π/4."""

    quadrant: Value  # integer; only its two lowest bits count
    high: Value
    low: Value


def _table(fmt: Format) -> dict[str, list[float]]:
    return F64 if fmt is v.F64 else F32


def bound(fmt: Format) -> float:
    """Angles below it are reduced by `reduce_small`."""
    return 2.0**48 if fmt is v.F64 else 2.0**19


def is_large(x: Value) -> Value:
    """Whether the angle, which isn't negative, is too large for `reduce_small`; infinity is."""
    return x >= bound(x.fmt)


def reduce_small(x: Value) -> Reduced:
    """Reduce an angle from 0 to `bound`; infinity and NaN give NaN."""
    table = _table(x.fmt)
    first, second, third = table["HALF_PI"]
    shifted = fma(x, table["TWO_OVER_PI"][0], x.fmt.shifter)
    n = shifted - x.fmt.shifter
    a = fma(-n, first, x)  # exact: both are multiples of 2^-mantissa, and the result is small
    product = n * second
    product_lost = fma(n, second, -product)
    high, lost = v.fast_two_sum(a, -product)  # exact in any order of size: a is a multiple of ulp(product)
    # The two may overlap where they cancelled; what follows takes low as linear, and it is below 2^-58 then.
    low = fma(-n, third, lost - product_lost)
    return Reduced(shifted.bits(), high, low)  # the shifter's own two lowest bits are 0


def _parts(r: Reduced) -> tuple[tuple[Value, Value], tuple[Value, Value]]:
    """Sin and cos of high + low, each as a number and what is to be added to it.

    sin = x + (x³·P(x²) + low·(1 - x²/2)) and cos = c + (rest + x⁴·Q(x²) - x·low) with c = 1 - x²/2 rounded.
    """
    x, table = r.high, _table(r.high.fmt)
    z = x * x
    half = x * 0.5
    start = fma(-half, x, 1.0)
    rest = fma(-half, x, 1.0 - start)  # exact: what the rounding of c lost
    sine_tail = fma(z * x, v.estrin(z, table["SIN"]), r.low * start)
    cosine_tail = fma(z * z, v.estrin(z, table["COS"]), fma(-x, r.low, rest))
    return (x, sine_tail), (start, cosine_tail)


def _with_sign(value: Value, signs: Value) -> Value:
    """Change the sign where the highest bit of the integer ``signs`` is set."""
    return (value.bits() ^ (signs & -(1 << (value.fmt.width - 1)))).as_float()


def _sine(r: Reduced, quadrant: Value, signs: Value) -> Value:
    sine, cosine = _parts(r)
    # Bit 0 as a sign: on x86 a blend looks at signs, and the comparison costs nothing.
    odd = (quadrant << (quadrant.fmt.width - 1)) < 0
    return _with_sign(select(odd, cosine[0] + cosine[1], sine[0] + sine[1]), signs)


def sin(x: Value, r: Reduced) -> Value:
    """Return the sine, from the reduced |x|. Error below 0.6 ULP."""
    return _sine(r, r.quadrant, (r.quadrant << (x.fmt.width - 2)) ^ x.bits())


def cos(x: Value, r: Reduced) -> Value:
    """Return the cosine: the sine a quadrant further. Error below 0.6 ULP."""
    quadrant = r.quadrant + 1
    return _sine(r, quadrant, quadrant << (x.fmt.width - 2))


def tan(x: Value, r: Reduced) -> Value:
    """Return the tangent: sine by cosine, both in two parts, the quotient corrected. Error below 1 ULP."""
    (sine, sine_low), (cosine, cosine_low) = _parts(r)
    sine, sine_low = v.fast_two_sum(sine, sine_low)
    cosine, cosine_low = v.fast_two_sum(cosine, cosine_low)
    even = (r.quadrant & 1) == 0
    above, above_low = select(even, sine, -cosine), select(even, sine_low, -cosine_low)
    below, below_low = select(even, cosine, sine), select(even, cosine_low, sine_low)
    quotient = above / below
    rest = fma(-quotient, below, above) + fma(-quotient, below_low, above_low)
    return _with_sign(quotient + rest / below, x.bits())


# -- inverses ---------------------------------------------------------------------------------------------


def _asin_tail(t: Value, z: Value) -> Value:
    """asin(t) - t, z = t² ≤ 1/4."""
    return t * z * v.estrin(z, _table(t.fmt)["ASIN"])


def asin(x: Value) -> Value:
    """Return the arc sine, NaN outside of [-1, 1].

    Above 1/2: π/2 - 2·asin(√((1 - x)/2)). Error below 2 ULP.
    """
    half_pi, half_pi_low, _ = _table(x.fmt)["HALF_PI"]
    size = fabs(x)
    near = size <= 0.5
    z = select(near, x * x, (1.0 - size) * 0.5)
    t = select(near, size, v.sqrt(z))
    tail = _asin_tail(t, z)
    far = half_pi - (t * 2.0 - fma(tail, -2.0, half_pi_low))
    return copysign(select(near, t + tail, far), x)


def acos(x: Value) -> Value:
    """Return the arc cosine, NaN outside of [-1, 1].

    π/2 - asin(x); above 1/2: 2·asin(√((1 - x)/2)); below -1/2: π minus that of -x. Error below 2 ULP.
    """
    half_pi, half_pi_low, _ = _table(x.fmt)["HALF_PI"]
    size = fabs(x)
    near = size <= 0.5
    z = select(near, x * x, (1.0 - size) * 0.5)
    t = select(near, x, v.sqrt(z))
    tail = _asin_tail(t, z)
    middle = half_pi - (t - (half_pi_low - tail))
    right = (t + tail) * 2.0
    left = 2.0 * half_pi - (t * 2.0 - fma(tail, -2.0, 2.0 * half_pi_low))
    return select(near, middle, select(x > 0.0, right, left))


def _arc(above: Value, below: Value, left: Value | None = None) -> Value:
    """Angle of the point (below, above), both ≥ 0; π minus it where ``left``; NaN where one is NaN.

    atan(q) = c + atan(t) with t = q, (q - 1)/(q + 1), -1/q around c = 0, π/4, π/2, so that |t| ≤
    tan(π/8).
    """
    steep = above > below * (1.0 + math.sqrt(2.0))
    flat = above <= below * (math.sqrt(2.0) - 1.0)
    middle_above, middle_below = above - below, above + below
    top = select(steep, -below, select(flat, above, middle_above))
    bottom = select(steep, above, select(flat, below, middle_below))
    t = top / select(bottom == 0.0, 1.0, bottom)
    z = t * t
    tail = t * z * v.estrin(z, _table(t.fmt)["ATAN"])
    table = _table(t.fmt)
    half, (quarters, quarters_low) = table["HALF_PI"], table["THREE_QUARTER_PI"]
    zero, middle, middle_low = t.constant(0.0), t.constant(half[0] / 2), t.constant(half[1] / 2)
    beginning, beginning_low = zero, zero
    if left is not None:
        t, tail = select(left, -t, t), select(left, -tail, tail)
        middle, middle_low = select(left, quarters, middle), select(left, quarters_low, middle_low)
        beginning = select(left, 2.0 * half[0], zero)
        beginning_low = select(left, 2.0 * half[1], zero)
    base = select(steep, half[0], select(flat, beginning, middle))
    low = select(steep, half[1], select(flat, beginning_low, middle_low))
    return base + (t + (tail + low))


def atan(x: Value) -> Value:
    """Return the arc tangent. Error below 2 ULP."""
    return copysign(_arc(fabs(x), x.constant(1.0)), x)


def atan2(y: Value, x: Value) -> Value:
    """Return the angle of the point (x, y), in [-π, π]. Error below 2 ULP.

    Notes
    -----
    Signs of zeros and infinities as C99 says: ``atan2(±0, -0)`` is ±π, ``atan2(inf, -inf)`` is 3π/4.
    """
    above, below = fabs(y), fabs(x)
    # Two infinities are a diagonal; sums of huge numbers mustn't overflow, nor those of tiny ones round.
    both = (above == math.inf) & (below == math.inf)
    above, below = select(both, 1.0, above), select(both, 1.0, below)
    largest = select(above > below, above, below)
    scale = select(largest > y.fmt.largest / 8, 2.0**-3, y.constant(1.0))
    scale = select(
        largest < y.fmt.smallest_normal * 2.0 ** (y.fmt.mantissa + 4), 2.0 ** (y.fmt.mantissa + 4), scale
    )
    return copysign(_arc(above * scale, below * scale, left=x.bits() < 0), y)


def degrees(x: Value) -> Value:
    """Return x·(180/π), computed as CPython does."""
    return x * (180.0 / math.pi)


def radians(x: Value) -> Value:
    """Return x·(π/180), computed as CPython does."""
    return x * (math.pi / 180.0)
