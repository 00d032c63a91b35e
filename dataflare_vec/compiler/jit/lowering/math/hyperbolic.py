"""Hyperbolic functions and their inverses, from e^x - 1 and log(1 + x) in two parts.

Sources: J.-M. Muller, Elementary Functions, 3rd edition, chapter 11; N. J. Higham, Accuracy and Stability of
Numerical Algorithms (2nd edition, 2002), for forms without cancellation; T. J. Dekker (1971) for quotients in
two parts. Special values follow C99, Annex F.
"""

from __future__ import annotations

import math

from dataflare_vec.compiler.jit.lowering.math import exponential as e
from dataflare_vec.compiler.jit.lowering.math import values as v
from dataflare_vec.compiler.jit.lowering.math.values import Value, copysign, fabs, fma, select


def _odd(x: Value, result: Value) -> Value:
    """Give the sign of x to the result, which is x itself where x is so small that f(x) = x."""
    return select(fabs(x) < 2.0 ** -(x.fmt.mantissa // 2 + 2), x, copysign(result, x))


def sinh(x: Value) -> Value:
    """Return the hyperbolic sine.

    2·(Q + Q/(4Q + 1)) with Q = (e^|x| - 1)/4. Error below 2 ULP.
    """
    high, low = e._expm1_halved(fabs(x), 2)
    total = high + low
    return _odd(x, (high + (total / fma(total, 4.0, 1.0) + low)) * 2.0)


def cosh(x: Value) -> Value:
    """Return the hyperbolic cosine.

    h + 1/(4h) with h = e^|x|/2. Error below 2 ULP.
    """
    size = fabs(x)
    size = select(size > (x.fmt.bias + 3) * math.log(2), (x.fmt.bias + 3) * math.log(2), size)
    n, r, lost = e._exp_reduced(size)
    half = e._scaled((r + e._exp_tail(r, lost)) + 1.0, n - 1)
    return half + 0.25 / half


def tanh(x: Value) -> Value:
    """Return the hyperbolic tangent.

    H/(H + 1) with H = (e^(2|x|) - 1)/2, all in two parts. Error below 1 ULP.
    """
    size = fabs(x)
    end = (x.fmt.mantissa + 5) * math.log(2) / 2  # above it, the result rounds to 1
    size = select(size > end, end, size)
    high, low = e._expm1_halved(size * 2.0, 1)
    below, below_low = v.two_sum(high, x.constant(1.0))
    quotient = high / below
    rest = fma(-quotient, below, high) + fma(-quotient, below_low + low, low)
    return _odd(x, quotient + rest / below)


def _large(x: Value) -> Value:
    """Whether x² + 1 and x² - 1 round to x²."""
    return x > 2.0 ** (x.fmt.mantissa // 2 + 3)


def _log_of_sum(x: Value, first: Value, second: Value) -> Value:
    """log(1 + first + second), or log(2x) where x is large."""
    large = _large(x)
    u, lost = v.two_sum(first, second)
    u, lost = select(large, x, u), select(large, -1.0, lost)
    result = e._log1p_of_parts(u, lost, select(large, x.constant(1.0), x.constant(0.0)))
    return select(x <= x.fmt.largest, result, x)


def asinh(x: Value) -> Value:
    """Return the inverse hyperbolic sine.

    log(1 + |x| + x²/(1 + √(x² + 1))). Error below 2 ULP.
    """
    size = fabs(x)
    near = select(_large(size), 1.0, size)
    square = near * near
    return _odd(x, _log_of_sum(size, near, square / (v.sqrt(fma(near, near, 1.0)) + 1.0)))


def acosh(x: Value) -> Value:
    """Return the inverse hyperbolic cosine, NaN below 1.

    log(1 + t + √(2t + t²)) with t = x - 1. Error below 2 ULP.
    """
    t = select(_large(x), 1.0, x - 1.0)
    result = _log_of_sum(x, t, v.sqrt(fma(t, t, t * 2.0)))
    return select(x >= 1.0, result, x.constant(math.nan))


def atanh(x: Value) -> Value:
    """Return the inverse hyperbolic tangent, NaN outside of [-1, 1].

    log(1 + 2|x|/(1 - |x|))/2, the quotient in two parts. Error below 2 ULP.
    """
    size = fabs(x)
    inside = size < 1.0
    near = select(inside, size, 0.5)
    below = 1.0 - near
    below_low = (1.0 - below) - near
    above = near * 2.0
    quotient = above / below
    rest = (fma(-quotient, below, above) - quotient * below_low) / below
    result = e._log1p_of_parts(quotient, rest, x.constant(0.0)) * 0.5
    outside = select(size == 1.0, x.constant(math.inf), x.constant(math.nan))
    return _odd(x, select(inside, result, outside))
