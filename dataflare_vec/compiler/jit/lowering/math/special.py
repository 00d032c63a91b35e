"""Error functions, cube root and length of a vector.

Sources: M. M. Shepherd & J. G. Laframboise, Chebyshev approximation of (1 + 2x)·exp(x²)·erfc(x) in 0 ≤ x < ∞
(Mathematics of Computation 36, 1981); T. J. Dekker (1971) for products and quotients in two parts. All
polynomials are our own fits (tools/fit_math.py). Special values follow C99, Annex F.
"""

from __future__ import annotations

import math

from dataflare_vec.compiler.jit.lowering.math import exponential as e
from dataflare_vec.compiler.jit.lowering.math import values as v
from dataflare_vec.compiler.jit.lowering.math.coefficients import F32, F64
from dataflare_vec.compiler.jit.lowering.math.values import Format, Value, copysign, fabs, fma, select


def _table(fmt: Format) -> dict[str, list[float]]:
    return F64 if fmt is v.F64 else F32


def _erfc_of_positive(y: Value) -> Value:
    """erfc(y), y ≥ 0: (1 + u·P(u - 1))·e^(-y²)/(1 + 2y) with u = 2y/(y + 3), all but P in two parts."""
    end = 28.0 if y.fmt is v.F64 else 11.0  # e^(-y²) is 0 from there on
    y = select(y > end, end, y)
    twice = y + y
    u = twice / (y + 3.0)
    p, p_low = v.fast_two_sum(y.constant(1.0), u * v.estrin(u - 1.0, _table(y.fmt)["ERFC"]))
    square = y * y
    n, power, power_low = e._exp_in_parts(-square, fma(-y, y, square))
    above = p * power
    above_low = fma(p_low, power, fma(p, power_low, fma(p, power, -above)))
    below = twice + 1.0
    below_low = twice - (below - 1.0)  # exact
    inverse = 1.0 / below
    quotient = above * inverse
    rest = fma(-quotient, below_low, fma(-quotient, below, above) + above_low)
    return e._scaled(fma(rest, inverse, quotient), n)


def _erf_near_zero(x: Value, near: Value) -> Value:
    """erf(x) = x + x·P(x²) where x is ``near``, at most 1/2."""
    return fma(x, v.horner(select(near, x * x, 0.0), _table(x.fmt)["ERF"]), x)


def erfc(x: Value) -> Value:
    """Return the complementary error function. Error below 2 ULP, subnormal results included."""
    result = _erfc_of_positive(fabs(x))
    return select(x < 0.0, 2.0 - result, result)


def erf(x: Value) -> Value:
    """Return the error function, 1 - erfc(|x|) above 1/2. Error below 1.5 ULP."""
    near = fabs(x) <= 0.5
    far = copysign(1.0 - _erfc_of_positive(fabs(x)), x)
    return select(near, _erf_near_zero(x, near), far)


def cbrt(x: Value) -> Value:
    """Return the cube root.

    x = 2^(3q + r)·m. R ≈ m^(-1/3) by a polynomial and one step of third order; the root m·R² is corrected
    by (m - root³)·R²/3, the cube in two parts. Error below 1 ULP.
    """
    size = fabs(x)
    k, m = e._log_parts(size)
    q, whole = v.round_to_int(k * (1.0 / 3.0))
    r = k - q * 3.0
    reciprocal = v.horner(m, _table(x.fmt)["CBRT"])
    lack = fma(-(m * reciprocal), reciprocal * reciprocal, 1.0)
    step = lack * fma(lack, 2.0 / 9.0, 1.0 / 3.0)
    reciprocal = fma(reciprocal, step, reciprocal)
    # Now times 2^(r/3), r one of -1, 0, 1.
    (two,), (half,) = _table(x.fmt)["CUBE_ROOT_2"], _table(x.fmt)["CUBE_ROOT_HALF"]
    reciprocal = reciprocal * select(r > 0.5, half, select(r < -0.5, two, x.constant(1.0)))
    m = m * select(r > 0.5, 2.0, select(r < -0.5, 0.5, x.constant(1.0)))
    square = reciprocal * reciprocal
    root = m * square
    product = root * root
    product_low = fma(root, root, -product)
    rest = fma(-product, root, m) - product_low * root
    result = fma(rest, square * (1.0 / 3.0), root) * e._power_of_two(whole)
    result = select(size <= x.fmt.largest, result, size)
    return select(size > 0.0, copysign(result, x), x)


def hypot(x: Value, y: Value) -> Value:
    """Return √(x² + y²), without overflow before the result does.

    Both are scaled by a power of two where squares would leave the range. Error below 1.5 ULP.
    """
    high, low, scale = (2.0**500, 2.0**-400, 2.0**600) if x.fmt is v.F64 else (2.0**60, 2.0**-40, 2.0**96)
    a, b = fabs(x), fabs(y)
    largest = select(a > b, a, b)
    up = select(largest < low, scale, x.constant(1.0))
    up = select(largest > high, 1.0 / scale, up)
    down = select(largest < low, 1.0 / scale, x.constant(1.0))
    down = select(largest > high, scale, down)
    first, second = a * up, b * up
    result = v.sqrt(fma(first, first, second * second)) * down
    infinite = (a == math.inf) | (b == math.inf)
    return select(infinite, math.inf, result)
