"""The error function and its complement.

Source: M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of (1 + 2x)exp(x²)erfc x in 0 ≤ x < ∞",
Mathematics of Computation 36 (1981), 249–253, for the form: one polynomial for all positive numbers. The
polynomials are our own fits (tools/fit_math.py).
"""

from __future__ import annotations

from dataflare_vec.jit.math import exponential as e
from dataflare_vec.jit.math import values as v
from dataflare_vec.jit.math.values import Value, fma, select

#: erfc is a polynomial of (x - MIDDLE)/(x + MIDDLE).
MIDDLE = 4.0

#: From here on erfc is 0, by the bias of the format.
LARGEST = {1023: 27.5, 127: 10.5}


def _erfc_of_positive(x: Value) -> Value:
    """erfc(x) for x ≥ 0: exp(-x²)·P((x - 4)/(x + 4))/(1 + 2x), with x² in two parts."""
    square = x * x
    n, r, lost = e._exp_reduced(-square)
    power = (r + e._exp_tail(r, lost)) + 1.0
    power = fma(power, -fma(x, x, -square), power)
    # Near 4, x - 4 is exact; elsewhere the polynomial is flat.
    scaled = v.estrin((x - MIDDLE) / (x + MIDDLE), e._table(x.fmt)["ERFC"])
    return e._scaled(power * (scaled / fma(x, 2.0, 1.0)), n)


def _clamped(x: Value) -> Value:
    """|x|, at most where erfc is 0; NaN stays."""
    size = v.fabs(x)
    limit = LARGEST[x.fmt.bias]
    return select(size > limit, limit, size)


def _erf_of_small(x: Value) -> Value:
    """erf(x) for |x| ≤ 1: x·P(x²), its first coefficient in two parts."""
    table = e._table(x.fmt)
    z = x * x
    high, low = table["TWO_OVER_SQRT_PI"]
    return fma(x, high, x * fma(z, v.estrin(z, table["ERF"]), low))


def erfc(x: Value) -> Value:
    """Return 1 - erf(x), without cancellation where that is small. Error below 5 ULP."""
    size = _clamped(x)
    result = _erfc_of_positive(size)
    result = select(x < 0.0, 2.0 - result, result)
    return select(size < 0.75, 1.0 - _erf_of_small(x), result)


def erf(x: Value) -> Value:
    """Return the error function: a polynomial up to 1, then 1 - erfc. Error below 2 ULP."""
    size = _clamped(x)
    result = select(size < 1.0, _erf_of_small(size), 1.0 - _erfc_of_positive(size))
    return v.copysign(result, x)
