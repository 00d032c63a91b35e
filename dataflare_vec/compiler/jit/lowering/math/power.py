"""Powers.

x^y = e^(y·log x). An error of the exponent becomes a relative error of the power, and the exponent may be
as large as 745: the logarithm is computed in two parts, to about 2^-65 (f64) and 2^-36 (f32) of itself.

Sources: T. J. Dekker, A floating-point technique for extending the available precision (1971), for sums and
products in two parts; J.-M. Muller, Elementary Functions, 3rd edition, chapter 11. The polynomial is our own
fit (tools/fit_math.py). Special values follow C99, Annex F, as `math.pow` does where it doesn't raise.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dataflare_vec.compiler.jit.lowering.math import exponential
from dataflare_vec.compiler.jit.lowering.math import values as v
from dataflare_vec.compiler.jit.lowering.math.coefficients import F32, F64
from dataflare_vec.compiler.jit.lowering.math.values import Format, Value, fabs, fma, select

if TYPE_CHECKING:
    from collections.abc import Callable

Pair = tuple[Value, Value]  # high + low, |low| about an ulp of high at most

#: Largest integer exponent that is computed by multiplications.
MULTIPLIED = 16


def _table(fmt: Format) -> dict[str, list[float]]:
    return F64 if fmt is v.F64 else F32


def _log_in_parts(x: Value) -> Pair:
    """log(x) for positive finite x.

    x = 2^k·m, s = (m - 1)/(m + 1), log(m) = 2s + s·z·(2/3 + z·P(z)) with z = s²; all but z·P(z) in two parts.
    """
    table = _table(x.fmt)
    k, m = exponential._log_parts(x)
    f = m - 1.0  # exact
    below = f + 2.0
    below_low = f - (below - 2.0)
    inverse = 1.0 / below
    s = f * inverse
    s_low = fma(-s, below_low, fma(-s, below, f)) * inverse
    z = s * s
    z_low = fma(s * 2.0, s_low, fma(s, s, -z))
    third, third_low = table["TWO_THIRDS"]
    c, c_low = v.fast_two_sum(x.constant(third), z * v.horner(z, table["LOG_REST"]))
    c_low = c_low + third_low
    w = z * c
    w_low = fma(z_low, c, fma(z, c_low, fma(z, c, -w)))
    cube = s * w
    cube_low = fma(s_low, w, fma(s, w_low, fma(s, w, -cube)))
    high, low = v.fast_two_sum(s * 2.0, cube)
    low = low + fma(s_low, 2.0, cube_low)
    ln2, ln2_low = table["LN2_SHORT"]
    total, lost = v.fast_two_sum(k * ln2, high)  # k·ln2 is exact
    return total, lost + fma(k, ln2_low, low)


def _exp_of_parts(high: Value, low: Value) -> Value:
    """e^(high + low), 0 and infinity where high is out of range."""
    least, most = (limit * math.log(2) for limit in exponential._limits(high.fmt))
    low = select((high > least) & (high < most), low, 0.0)
    n, r, lost = exponential._exp_reduced(exponential._clamped(high, least, most))
    r, lost = v.fast_two_sum(r, lost + low)  # if r is the smaller one, all is about 0, and e^r 1
    return exponential._scaled((r + exponential._exp_tail(r, lost)) + 1.0, n)


def pow(x: Value, y: Value) -> Value:
    """Return x^y.

    Error below 1.1 ULP (f64 and f32), subnormal results included.

    Notes
    -----
    Negative x with a y that isn't an integer gives NaN (Python: a complex number), ``0 ** -1`` infinity
    (Python: an error), as in C and NumPy. ``x ** 0`` and ``1 ** y`` are 1, NaN or not.
    """
    size = fabs(x)
    high, low = _log_in_parts(size)
    finite = size <= x.fmt.largest
    high = select(size == 0.0, x.constant(-math.inf), select(finite, high, size))
    product = y * high
    result = _exp_of_parts(product, fma(y, low, fma(y, high, -product)))
    whole = v.trunc(y) == y
    half = y * 0.5
    odd = whole & (v.trunc(half) != half)
    negative = x.bits() < 0
    result = select(negative & odd, -result, result)
    result = select((x < 0.0) & finite & ~whole, x.constant(math.nan), result)
    one = (y == 0.0) | (x == 1.0) | ((x == -1.0) & (fabs(y) == math.inf))
    return select(one, 1.0, result)


# -- constant exponents -----------------------------------------------------------------------------------


def _times(a: Pair, b: Pair) -> Pair:
    high = a[0] * b[0]
    return high, fma(a[1], b[0], fma(a[0], b[1], fma(a[0], b[0], -high)))


def _multiplied(x: Pair, n: int) -> Value:
    """Return the n-th power by repeated squaring, in two parts."""
    result: Pair | None = None
    while n:
        if n & 1:
            result = x if result is None else _times(result, x)
        n >>= 1
        if n:
            x = _times(x, x)
    assert result is not None
    total = result[0] + result[1]
    # The low part is NaN where the high one is infinite or came from that, and +0 where the high one is -0.
    return select(fabs(total) > 0.0, select(fabs(total) <= total.fmt.largest, total, result[0]), result[0])


def integer_power(n: int) -> Callable[[Value, Value], Value] | None:
    """Return what computes x^n for the constant n, None where no float has that exponent.

    Up to n = 4 by plain multiplications (error below 2 ULP: 0.5 for the square, 1.5 for the cube); up to 16
    by such in two parts (below 1 ULP). The reciprocal is rounded once, its square below 2 ULP.
    """
    if not -MULTIPLIED <= n <= MULTIPLIED:
        return pow if abs(n) < 2**23 else None  # a float32, too
    plain: dict[int, Callable[[Value], Value]] = {
        0: lambda x: x.constant(1.0),
        1: lambda x: x,
        2: lambda x: x * x,
        3: lambda x: x * x * x,
        4: lambda x: (x * x) * (x * x),
        -1: lambda x: 1.0 / x,
        -2: lambda x: (1.0 / x) * (1.0 / x),
    }
    if n in plain:
        return lambda x, _: plain[n](x)
    if n > 0:
        return lambda x, _: _multiplied((x, x.constant(0.0)), n)

    def reciprocal(x: Value, _: Value) -> Value:
        inverse = 1.0 / x
        return _multiplied((inverse, fma(-inverse, x, 1.0) * inverse), -n)

    return reciprocal


def root(x: Value, _: Value) -> Value:
    """Return x^0.5: the square root, but 0 for -0 and infinity for -infinity. Error below 0.5 ULP."""
    return select(x == -math.inf, x.constant(math.inf), v.sqrt(x + 0.0))
