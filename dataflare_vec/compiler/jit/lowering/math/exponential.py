"""Exponentials and logarithms.

Sources: J.-M. Muller, Elementary Functions (3rd edition, 2016), chapters 5 and 11, for the reductions and for
sums in two parts; the form of log(1 + f) is that of fdlibm's documentation (e_log.c, Sun Microsystems, 1993).
All polynomials are our own fits (tools/fit_math.py). Special values follow C99, Annex F.
"""

from __future__ import annotations

import math

from dataflare_vec.compiler.jit.lowering.math import values as v
from dataflare_vec.compiler.jit.lowering.math.coefficients import F32, F64
from dataflare_vec.compiler.jit.lowering.math.values import Format, Value, fma, select


def _table(fmt: Format) -> dict[str, list[float]]:
    return F64 if fmt is v.F64 else F32


def _power_of_two(n: Value) -> Value:
    """2^n for an integer n for which it is a normal number."""
    return ((n + n.fmt.bias) << n.fmt.mantissa).as_float()


def _scaled(value: Value, n: Value) -> Value:
    """value·2^n in two steps, so that it rounds once where the result is subnormal, and may overflow.

    ``n`` as `_nearest` returns it: n + 2·bias, of which half is the biased exponent of the first step.
    """
    mantissa = n.fmt.mantissa
    exponent = (1 << (n.fmt.width - 1)) - (1 << mantissa)  # a mask of its bits
    first = (n << (mantissa - 1)) & exponent
    second = (n << mantissa) - first
    return value * first.as_float() * second.as_float()


def _clamped(x: Value, low: float, high: float) -> Value:
    """X within [low, high]; NaN stays."""
    x = select(x > high, high, x)
    return select(x < low, low, x)


def _limits(fmt: Format) -> tuple[float, float]:
    """Powers of two from which on 2^n is surely 0 and surely infinite."""
    return float(-fmt.bias - fmt.mantissa - 3), float(fmt.bias + 1.5)


def _nearest(x: Value, factor: float) -> tuple[Value, Value]:
    """Return n = x·factor rounded to an integer, as a float, and n + 2·bias in an integer's low bits."""
    shifter = x.fmt.shifter + 2 * x.fmt.bias
    shifted = fma(x, factor, shifter)
    return shifted - shifter, shifted.bits()


def _exp_reduced(x: Value) -> tuple[Value, Value, Value]:
    """n, r, lost: x = n·ln2 + r + lost with |r| ≤ ln(2)/2; n as `_scaled` takes it."""
    table = _table(x.fmt)
    high, low = table["LN2"]
    n, whole = _nearest(x, table["LOG2_E"][0])
    exact = fma(-n, high, x)  # no rounding: the fused product cancels
    r = fma(-n, low, exact)
    return whole, r, fma(-n, low, exact - r)


def _exp_tail(r: Value, lost: Value) -> Value:
    """exp(r + lost) - 1 - r."""
    return fma(r * r, v.estrin(r, [0.5, *_table(r.fmt)["EXP"]]), lost)


def _exp_in_parts(high: Value, low: Value) -> tuple[Value, Value, Value]:
    """n, p, p_low: e^(high + low) = 2^n·(p + p_low); n as `_scaled` takes it."""
    n, r, lost = _exp_reduced(high)
    r, lost = v.fast_two_sum(r, lost + low)  # if r is the smaller one, all is about 0, and e^r 1
    a, a_low = v.fast_two_sum(r, _exp_tail(r, lost))
    power, power_low = v.fast_two_sum(high.constant(1.0), a)
    return n, power, power_low + a_low


def exp(x: Value) -> Value:
    """Return e^x.

    x = n·ln2 + r, e^x = 2^n·e^r. Error below 1 ULP, subnormal results included.
    """
    low, high = _limits(x.fmt)
    n, r, lost = _exp_reduced(_clamped(x, low * math.log(2), high * math.log(2)))
    return _scaled((r + _exp_tail(r, lost)) + 1.0, n)


def exp2(x: Value) -> Value:
    """Return 2^x.

    x = n + f exactly, 2^x = 2^n·e^(f·ln2) with f·ln2 in two parts. Error below 1 ULP; exact for integers.
    """
    high, low = _table(x.fmt)["LN2"]
    x = _clamped(x, *_limits(x.fmt))
    n, whole = _nearest(x, 1.0)
    f = x - n
    r = f * high
    lost = fma(f, low, fma(f, high, -r))
    return _scaled((r + _exp_tail(r, lost)) + 1.0, whole)


def _expm1_halved(x: Value, times: int) -> tuple[Value, Value]:
    """(e^x - 1)/2^times in two parts: 2^n·(e^r - 1) + (2^n - 1), of which 2^n would overflow too early."""
    least, most = -(x.fmt.mantissa + 3), x.fmt.bias + times + 0.25
    n, r, lost = _exp_reduced(_clamped(x, least * math.log(2), most * math.log(2)))
    square = (r * 0.5) * r
    square_lost = fma(r * 0.5, r, -square)
    cube = fma(square * 2.0 * r, v.horner(r, _table(x.fmt)["EXP"]), lost + square_lost)
    large, small = v.fast_two_sum(r, square)
    small = small + cube
    scale = _power_of_two(n - (2 * x.fmt.bias + times))
    start, start_lost = v.two_sum(scale, x.constant(-(2.0**-times)))
    total, total_lost = v.two_sum(start, scale * large)
    return v.fast_two_sum(total, fma(scale, small, start_lost) + total_lost)


def expm1(x: Value) -> Value:
    """Return e^x - 1 without cancellation near 0. Error below 1 ULP."""
    high, low = _expm1_halved(x, 1)
    result = (high + low) * 2.0
    return select(v.fabs(x) < 2.0 ** -(x.fmt.mantissa + 2), x, result)


def _log_parts(x: Value) -> tuple[Value, Value]:
    """k, m: x = 2^k·m with m between √½ and √2; for positive finite x, subnormal ones too."""
    fmt = x.fmt
    up = fmt.mantissa + 2
    tiny = x < fmt.smallest_normal
    bits = select(tiny, x * 2.0**up, x).bits()
    one, root = fmt.bits_of(1.0), fmt.bits_of(math.sqrt(0.5))
    bits = bits + (one - root)
    m = ((bits & ((1 << fmt.mantissa) - 1)) + root).as_float()
    # An integer below 2^mantissa becomes a float by setting it under the exponent of 2^mantissa.
    base = 2.0**fmt.mantissa
    k = ((bits >> fmt.mantissa) | fmt.bits_of(base)).as_float()
    return k - select(tiny, base + fmt.bias + up, base + fmt.bias), m


def _log_of_mantissa(m: Value) -> tuple[Value, Value]:
    """log(m) in two parts, m between √½ and √2.

    With f = m - 1 and s = f/(2 + f): log(m) = f - f²/2 + s·(f²/2 + s²·P(s²)).
    """
    f = m - 1.0
    s = f / (f + 2.0)
    z = s * s
    half = f * 0.5
    square = half * f
    square_lost = fma(half, f, -square)
    high, lost = v.fast_two_sum(f, -square)
    return high, fma(s, fma(z, v.estrin(z, _table(m.fmt)["LOG"]), square), lost - square_lost)


def _log_special(x: Value, result: Value) -> Value:
    """-inf for ±0, inf for inf, NaN for NaN and for negative numbers."""
    outside = select(x == 0.0, x.constant(-math.inf), x.constant(math.nan))
    return select(x > 0.0, select(x <= x.fmt.largest, result, x), outside)


def log(x: Value) -> Value:
    """Return the natural logarithm.

    k·ln2 + f in two parts, where x = 2^k·(1 + f), and what f differs from log(1 + f) by (see
    `_log_of_mantissa`). Error below 1 ULP.
    """
    k, m = _log_parts(x)
    f = m - 1.0
    s = f / (f + 2.0)
    z = s * s
    square = (f * 0.5) * f
    table = _table(x.fmt)
    ln2, ln2_low = table["LN2_SHORT"]
    # k·ln2 is exact: ln2 has as many trailing zeros as k has bits.
    total = fma(k, ln2, f)
    lost = fma(k, ln2, -total) + f
    rest = fma(s, fma(z, v.estrin(z, table["LOG"]), square), fma(k, ln2_low, lost))
    return _log_special(x, total + (rest - square))


def _log_to_base(x: Value, factor: list[float], two: list[float]) -> Value:
    """log(m)·factor + k·two, both in two parts."""
    k, m = _log_parts(x)
    high, low = _log_of_mantissa(m)
    product = high * factor[0]
    product_lost = fma(low, factor[0], fma(high, factor[1], fma(high, factor[0], -product)))
    total, lost = v.fast_two_sum(k * two[0], product)
    return _log_special(x, total + (lost + fma(k, two[1], product_lost)))


def log2(x: Value) -> Value:
    """Return the logarithm to base 2. Error below 0.6 ULP; exact for powers of two."""
    return _log_to_base(x, _table(x.fmt)["LOG2_E"], [1.0, 0.0])


def log10(x: Value) -> Value:
    """Return the logarithm to base 10. Error below 0.6 ULP; exact for powers of ten."""
    table = _table(x.fmt)
    return _log_to_base(x, table["LOG10_E"], table["LOG10_2"])


def _log1p_of_parts(x: Value, rest: Value, doublings: Value) -> Value:
    """log((1 + x + rest)·2^doublings), for finite x > -1.

    With 1 + x = u + c exactly: log(u) + c/u; what is left out is below c².
    """
    u, c = v.two_sum(x.constant(1.0), x)
    c = c + rest
    k, m = _log_parts(u)
    k = k + doublings
    high, low = _log_of_mantissa(m)
    ln2, ln2_low = _table(x.fmt)["LN2_SHORT"]
    total, lost = v.fast_two_sum(k * ln2, high)
    return total + (lost + (fma(k, ln2_low, low) + c / u))


def log1p(x: Value) -> Value:
    """Return log(1 + x) without cancellation near 0. Error below 1 ULP."""
    result = _log1p_of_parts(x, x.constant(0.0), x.constant(0.0))
    outside = select(x == -1.0, x.constant(-math.inf), x.constant(math.nan))
    result = select(x > -1.0, select(x <= x.fmt.largest, result, x), outside)
    return select(v.fabs(x) < 2.0 ** -(x.fmt.mantissa + 2), x, result)
