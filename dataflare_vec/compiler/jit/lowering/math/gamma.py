"""The gamma function and its logarithm.

Γ(1 + z) = √(2π)·(w/e)^w·G(z) with w = z + 1/2: G runs from 0.93 at z = 0 to 1 at infinity, as a polynomial
in t = (z - 1)/(z + 1). The exponent w·(log(w) - 1) is computed in two parts. Γ(x) is Γ(1 + x)/x; negative
numbers are reflected: Γ(x) = π/(sin(πx)·Γ(1 - x)), with z = |x| both times, which is exact.

Sources: R. W. Gosper, Decision procedure for indefinite hypergeometric summation (1978), for the form of
Stirling's formula; M. Abramowitz & I. Stegun, Handbook of Mathematical Functions, 6.1.17, for the reflection.
Polynomials are our own fits (tools/fit_math.py). Special values follow C99, Annex F, where `math.gamma` and
`math.lgamma` raise.
"""

from __future__ import annotations

import math

from dataflare_vec.compiler.jit.lowering.math import exponential as e
from dataflare_vec.compiler.jit.lowering.math import power, trigonometric
from dataflare_vec.compiler.jit.lowering.math import values as v
from dataflare_vec.compiler.jit.lowering.math.coefficients import F32, F64
from dataflare_vec.compiler.jit.lowering.math.power import Pair
from dataflare_vec.compiler.jit.lowering.math.values import Format, Value, fabs, fma, select

#: What the polynomials are added to, so that their rounding errors count little.
GAMMA_START, STIRLING_START, LGAMMA_START = 2.4375, 0.875, 0.5
#: Where lgamma is (x - 1)·(x - 2)·R(t) with t = (x - LGAMMA_MIDDLE)/(x + LGAMMA_MIDDLE).
LGAMMA_FROM, LGAMMA_TO, LGAMMA_MIDDLE = 0.75, 2.5, 1.375


def _table(fmt: Format) -> dict[str, list[float]]:
    return F64 if fmt is v.F64 else F32


def _stirling(z: Value) -> Pair:
    """w·(log(w) - 1) in two parts, w = z + 1/2."""
    w, w_low = v.two_sum(z, z.constant(0.5))
    log, log_low = power._log_in_parts(w)
    less, less_low = v.two_sum(log, z.constant(-1.0))
    high = w * less
    low = fma(w_low, log, fma(w, less_low + log_low, fma(w, less, -high)))
    return high, low


def _added(start: float, t: Value, coefficients: list[float]) -> Pair:
    """Start + P(t) in two parts."""
    return v.fast_two_sum(t.constant(start), v.estrin(t, coefficients))


def _sine_of_pi(size: Value) -> Pair:
    """|sin(π·size)| in two parts."""
    pi, pi_low = (2.0 * part for part in _table(size.fmt)["HALF_PI"][:2])
    r = fabs(size - v.rint(size))
    far = r > 0.25
    r = select(far, 0.5 - r, r)
    high = r * pi
    low = fma(r, pi_low, fma(r, pi, -high))
    sine, cosine = trigonometric._parts(trigonometric.Reduced(r, high, low))
    return v.fast_two_sum(*(select(far, c, s) for c, s in zip(cosine, sine, strict=True)))


def gamma(x: Value) -> Value:
    """Return the gamma function.

    Error below 1 ULP, subnormal results included.

    Notes
    -----
    NaN for negative integers and -infinity, ±infinity for ±0; infinite from 171.7 on (f32: 35.1).
    """
    fmt = x.fmt
    table = _table(fmt)
    size, negative = fabs(x), x < 0.0
    end, overflow = (200.0, 171.7) if fmt is v.F64 else (50.0, 35.1)
    z = select(size > end, end, size)
    n, exp, exp_low = e._exp_in_parts(*_stirling(z))
    g, g_low = _added(GAMMA_START, (z - 1.0) / (z + 1.0), table["GAMMA"])
    product = g * exp
    product_low = fma(g, exp_low, fma(g_low, exp, fma(g, exp, -product)))
    sine, sine_low = _sine_of_pi(size)
    below = sine * product
    below_low = fma(sine, product_low, fma(sine_low, product, fma(sine, product, -below)))
    # Γ(1 + x)/x, or π/(sin(πx)·Γ(1 - x)).
    pi, pi_low = (2.0 * part for part in table["HALF_PI"][:2])
    above, above_low = select(negative, pi, product), select(negative, pi_low, product_low)
    below, below_low = select(negative, below, size), select(negative, below_low, 0.0)
    n = select(negative, n.whole(4 * fmt.bias) - n, n)
    tiny = size < 2.0 ** -(fmt.mantissa + 8)  # Γ(x) = 1/x
    inverse = 1.0 / select(tiny, x, below)
    quotient = above * inverse
    rest = fma(-quotient, below_low, fma(-quotient, below, above) + above_low)
    result = e._scaled(fma(rest, inverse, quotient), n)
    floor = v.floor(x)
    half = floor * 0.5
    result = select(negative & (v.floor(half) != half), -result, result)
    result = select(negative & (floor == x), x.constant(math.nan), result)
    return select(tiny, inverse, select(x > overflow, math.inf, result))


def lgamma(x: Value) -> Value:
    """Return the natural logarithm of the gamma function's absolute value.

    Error below 2 ULP for x ≥ 0. Between the poles of negative x it crosses 0, and next to these zeros the
    error is below 2^-54 (f32: 2^-25) instead of being relative to the result.

    Notes
    -----
    Infinity for 0, negative integers and ±infinity.
    """
    fmt = x.fmt
    table = _table(fmt)
    size, negative = fabs(x), x < 0.0
    high, low = _stirling(size)
    overflows = high > fmt.largest
    start, start_low = _added(STIRLING_START, (size - 1.0) / (size + 1.0), table["STIRLING"])
    high, lost = v.two_sum(high, start)
    low = low + (start_low + lost)
    # log(Γ(1 + x)) - log(x), or log(π) - log(sin(πx)) - log(Γ(1 - x)); next to 0 the sine would be subnormal,
    # and is πx.
    mirrored = negative & (size >= 2.0 ** -(fmt.mantissa + 8))
    sine, sine_low = _sine_of_pi(size)
    sine_low = select(mirrored & (sine > 0.0), sine_low / sine, 0.0)
    log, log_low = power._log_in_parts(select(mirrored, sine, size))
    log, lost = v.two_sum(log, select(mirrored, x.constant(-table["LOG_PI"][0]), 0.0))
    log_low = log_low + (lost + select(mirrored, sine_low - table["LOG_PI"][1], 0.0))
    high, low = select(negative, -high, high), select(negative, -low, low)
    high, lost = v.two_sum(high, -log)
    result = high + (lost + (low - log_low))

    near = (x >= LGAMMA_FROM) & (x <= LGAMMA_TO)
    t = (x - LGAMMA_MIDDLE) / (size + LGAMMA_MIDDLE)
    r, r_low = _added(LGAMMA_START, select(near, t, 0.0), table["LGAMMA"])
    first, second = x - 1.0, x - 2.0
    product = first * second
    product_low = fma(first, second, -product)
    by_zeros = product * r
    lost = fma(product, r, -by_zeros)
    result = select(near, by_zeros + fma(product_low, r, fma(product, r_low, lost)), result)
    infinite = (v.floor(x) == x) & (x <= 0.0) | overflows
    return select(infinite, math.inf, select(size <= fmt.largest, result, x))
