"""Fit the polynomials of `dataflare_vec/compiler/jit/lowering/math` and write `coefficients.py`.

Each polynomial P minimises the largest weighted error max |w(x)·(P(x) - f(x))| over an interval: Remez's
exchange algorithm (E. Remez, 1934; see J.-M. Muller, Elementary Functions, 3rd edition, chapter 3), in 60
digits. The coefficients are then rounded to the format one after the other, from the lowest power up, and
after each the ones above are fitted again, so that they make up for what the rounding lost.

Run as ``python tools/fit_math.py``; needs mpmath.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mpmath as mp
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

mp.mp.dps = 60
TARGET = Path(__file__).parent.parent / "dataflare_vec/compiler/jit/lowering/math/coefficients.py"


@dataclass(frozen=True)
class Fit:
    """What one polynomial approximates: ``f`` over [low, high], error weighted by ``weight``."""

    f: Callable[[mp.mpf], mp.mpf]
    low: mp.mpf
    high: mp.mpf
    weight: Callable[[mp.mpf], mp.mpf]
    degrees: tuple[int, int]  # for f64, f32


def remez(f, weight, low, high, powers, rounds=12, grid=1500):
    """Return the minimax coefficients for the given powers of x, and the weighted error."""
    count = len(powers)
    middle, half = (high + low) / 2, (high - low) / 2
    points = [middle - half * mp.cos(mp.pi * (mp.mpf(i) + 0.5) / (count + 1)) for i in range(count + 1)]
    xs = [middle - half * mp.cos(mp.pi * mp.mpf(i) / grid) for i in range(grid + 1)]
    fs, ws = [f(x) for x in xs], [weight(x) for x in xs]
    solution = None
    for _ in range(rounds):
        matrix = mp.matrix(count + 1, count + 1)
        right = mp.matrix(count + 1, 1)
        for row, x in enumerate(points):
            for column, power in enumerate(powers):
                matrix[row, column] = x**power
            matrix[row, count] = (-1) ** row / weight(x)
            right[row] = f(x)
        solution = mp.lu_solve(matrix, right)
        errors = [
            w * (sum(solution[k] * x**p for k, p in enumerate(powers)) - y)
            for x, y, w in zip(xs, fs, ws, strict=True)
        ]
        extrema = _alternating(errors, count + 1)
        if extrema is None:
            break
        new = [xs[i] for i in extrema]
        worst = max(abs(e) for e in errors)
        points = new
        if abs(solution[count]) > 0 and worst / abs(solution[count]) < 1.02:
            break
    return [solution[k] for k in range(count)], abs(solution[count])


def _alternating(errors, wanted):
    """Return the indices of ``wanted`` extrema of alternating sign."""
    groups: list[int] = []
    for i, error in enumerate(errors):
        if groups and (errors[groups[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[groups[-1]]):
                groups[-1] = i
        else:
            groups.append(i)
    while len(groups) > wanted:
        if abs(errors[groups[0]]) < abs(errors[groups[-1]]):
            groups.pop(0)
        else:
            groups.pop()
    return groups if len(groups) == wanted else None


def rounded(number, single: bool) -> float:
    """Return the nearest number of the format."""
    return float(np.float32(float(number))) if single else float(number)


def fit(spec: Fit, *, single: bool) -> list[float]:
    """Return the coefficients of one polynomial, rounded to the format."""
    degree = spec.degrees[1 if single else 0]
    powers = list(range(degree + 1))
    coefficients, _ = remez(spec.f, spec.weight, spec.low, spec.high, powers)
    if spec.low < 0:  # x, x², … can't be fitted by exchange across 0, where they all vanish
        return [rounded(c, single) for c in coefficients]
    done: list[float] = []
    for first in range(
        min(4, degree)
    ):  # what a rounding of higher ones loses is too little to be made up for
        done.append(rounded(coefficients[0], single))

        def rest(x, done=tuple(done)):
            return spec.f(x) - sum(mp.mpf(c) * x**k for k, c in enumerate(done))

        coefficients, _ = remez(rest, spec.weight, spec.low, spec.high, powers[first + 1 :])
    return done + [rounded(c, single) for c in coefficients]


LN2 = mp.log(2)
QUARTER = mp.pi / 4 * (1 + mp.mpf(2) ** -4)  # reduced angles: a rounded quotient may be off by 2^-5
HALF_LN2 = LN2 / 2 * (1 + mp.mpf(2) ** -20)
S_MAX = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)


def _exp_tail(r):
    if abs(r) < mp.mpf(10) ** -15:
        return mp.mpf(1) / 6 + r / 24 + r**2 / 120
    return (mp.expm1(r) - r - r**2 / 2) / r**3


def _sin_tail(z):
    if z < mp.mpf(10) ** -25:
        return -mp.mpf(1) / 6 + z / 120
    r = mp.sqrt(z)
    return (mp.sin(r) - r) / r**3


def _cos_tail(z):
    if z < mp.mpf(10) ** -20:
        return mp.mpf(1) / 24 - z / 720
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def _log_tail(z):
    """Return (log((1+s)/(1-s)) - 2s)/(s·z) with z = s²: 2/3 + 2z/5 + and so on."""
    if z < mp.mpf(10) ** -25:
        return mp.mpf(2) / 3 + 2 * z / 5
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / (s * z)


def _log_rest(z):
    """Return (_log_tail(z) - 2/3)/z."""
    if z < mp.mpf(10) ** -12:
        return sum(mp.mpf(2) / (5 + 2 * k) * z**k for k in range(6))
    return (_log_tail(z) - mp.mpf(2) / 3) / z


def _atan_tail(z):
    if z < mp.mpf(10) ** -25:
        return -mp.mpf(1) / 3 + z / 5
    t = mp.sqrt(z)
    return (mp.atan(t) - t) / (t * z)


def _asin_tail(z):
    if z < mp.mpf(10) ** -25:
        return mp.mpf(1) / 6 + 3 * z / 40
    t = mp.sqrt(z)
    return (mp.asin(t) - t) / (t * z)


ERFC_MIDDLE = 3  # what `special.erfc` maps to 0


def _erfc_scaled(t):
    """Return ((1 + 2y)·e^(y²)·erfc(y) - 1)/(1 + t) with t = (y - 3)/(y + 3)."""
    if t < -1 + mp.mpf(10) ** -25:
        return ERFC_MIDDLE * (1 - 1 / mp.sqrt(mp.pi))  # its limit
    y = ERFC_MIDDLE * (1 + t) / (1 - t)
    return ((1 + 2 * y) * mp.exp(y * y) * mp.erfc(y) - 1) / (1 + t)


def _gamma_of(t, f):
    """Return f(z), its limit where z is infinite, with t = (z - 1)/(z + 1)."""
    return f((1 + t) / (1 - t) if t < 1 else mp.mpf(10) ** 25)


def _log_stirling(z):
    """Return log(Γ(1 + z)) - w·(log(w) - 1) with w = z + 1/2."""
    w = z + mp.mpf(1) / 2
    with mp.workdps(100):
        return mp.loggamma(1 + z) - w * (mp.log(w) - 1)


def _lgamma_rest(t):
    """Return log(Γ(x))/((x - 1)·(x - 2)) with t = (x - 11/8)/(x + 11/8)."""
    x = mp.mpf(11) / 8 * (1 + t) / (1 - t)
    for zero, limit in ((1, mp.euler), (2, 1 - mp.euler)):
        if abs(x - zero) < mp.mpf(10) ** -25:
            return limit
    return mp.loggamma(x) / ((x - 1) * (x - 2))


def _erf_rest(z):
    """Return erf(x)/x - 1 with z = x²."""
    if z < mp.mpf(10) ** -25:
        return 2 / mp.sqrt(mp.pi) * (1 - z / 3) - 1
    return mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1


_ONE = lambda x: mp.mpf(1)  # noqa: E731
TAN_EIGHTH = mp.tan(mp.pi / 8)

FITS: dict[str, Fit] = {
    # exp(r) = 1 + r + r²/2 + r³·P(r), |r| ≤ ln(2)/2
    "EXP": Fit(_exp_tail, -HALF_LN2, HALF_LN2, lambda r: abs(r**3) + mp.mpf(10) ** -6, (9, 3)),
    # sin(r) = r + r³·P(r²), |r| ≤ π/4
    "SIN": Fit(_sin_tail, mp.mpf(0), QUARTER**2, lambda z: z + mp.mpf(10) ** -4, (5, 3)),
    # cos(r) = 1 - r²/2 + r⁴·P(r²)
    "COS": Fit(_cos_tail, mp.mpf(0), QUARTER**2, lambda z: z**2 + mp.mpf(10) ** -4, (5, 2)),
    # log((1+s)/(1-s)) = 2s + s·z·P(z), z = s²
    "LOG": Fit(
        _log_tail, mp.mpf(0), S_MAX**2 * (1 + mp.mpf(2) ** -10), lambda z: z + mp.mpf(10) ** -4, (6, 2)
    ),
    # the same as 2s + s·z·(2/3 + z·P(z)), exact enough for powers
    "LOG_REST": Fit(
        _log_rest,
        mp.mpf(0),
        S_MAX**2 * (1 + mp.mpf(2) ** -10),
        lambda z: z**2 + mp.mpf(10) ** -6,
        (7, 3),
    ),
    # atan(t) = t + t·z·P(z), z = t², |t| ≤ tan(π/8)
    "ATAN": Fit(
        _atan_tail, mp.mpf(0), TAN_EIGHTH**2 * (1 + mp.mpf(2) ** -10), lambda z: z + mp.mpf(10) ** -4, (10, 4)
    ),
    # (1 + 2y)·e^(y²)·erfc(y) = 1 + (1 + t)·P(t), t = (y - 3)/(y + 3), 0 ≤ y ≤ 28
    "ERFC": Fit(_erfc_scaled, mp.mpf(-1), mp.mpf(25) / 31, lambda t: 1 + t + mp.mpf(2) ** -4, (21, 9)),
    # erf(x) = x + x·P(x²), |x| ≤ 1/2
    "ERF": Fit(_erf_rest, mp.mpf(0), mp.mpf(1) / 4, _ONE, (8, 4)),
    # Γ(1 + z) = (w/e)^w·(39/16 + P(t)), w = z + 1/2, t = (z - 1)/(z + 1), z ≥ 0
    "GAMMA": Fit(
        lambda t: _gamma_of(t, lambda z: mp.exp(_log_stirling(z))) - mp.mpf(39) / 16,
        mp.mpf(-1),
        mp.mpf(1),
        _ONE,
        (22, 8),
    ),
    # the same as its logarithm: 7/8 + P(t)
    "STIRLING": Fit(
        lambda t: _gamma_of(t, _log_stirling) - mp.mpf(7) / 8, mp.mpf(-1), mp.mpf(1), _ONE, (22, 8)
    ),
    # log(Γ(x)) = (x - 1)·(x - 2)·(1/2 + P(t)), t = (x - 11/8)/(x + 11/8), 3/4 ≤ x ≤ 5/2
    "LGAMMA": Fit(lambda t: _lgamma_rest(t) - mp.mpf(1) / 2, -mp.mpf(5) / 17, mp.mpf(9) / 31, _ONE, (19, 9)),
    # m^(-1/3) ≈ P(m), √½ ≤ m ≤ √2, to be refined
    "CBRT": Fit(lambda m: m ** (-mp.mpf(1) / 3), mp.sqrt(0.5) * 0.999, mp.sqrt(2) * 1.001, _ONE, (6, 4)),
    # asin(t) = t + t·z·P(z), z = t² ≤ 1/4
    "ASIN": Fit(_asin_tail, mp.mpf(0), mp.mpf(1) / 4, lambda z: z + mp.mpf(10) ** -4, (11, 5)),
}


def split(number, bits: list[int]) -> list[float]:
    """Return ``number`` as a sum of floats with that many bits each."""
    parts = []
    for width in bits:
        _, exponent = mp.frexp(number)
        scale = mp.mpf(2) ** (width - exponent)
        part = mp.nint(number * scale) / scale
        parts.append(float(part))
        number = number - part
    return parts


def constants(*, single: bool) -> dict[str, list[float]]:
    """Return numbers that are needed more exactly than the format has room for."""
    full = 24 if single else 53
    short = full - 11  # times an exponent, still exact
    return {
        "LN2": split(LN2, [full, full]),
        "LN2_SHORT": split(LN2, [short if not single else full - 8, full]),
        "TWO_THIRDS": split(mp.mpf(2) / 3, [full, full]),
        "LOG2_E": split(1 / LN2, [full, full]),
        "LOG10_E": split(1 / mp.log(10), [full, full]),
        "LOG10_2": split(LN2 / mp.log(10), [short if not single else full - 8, full]),
        "HALF_PI": split(mp.pi / 2, [full, full, full]),
        "THREE_QUARTER_PI": split(mp.pi * 3 / 4, [full, full]),
        "LOG_PI": split(mp.log(mp.pi), [full, full]),
        "CUBE_ROOT_2": split(mp.cbrt(2), [full]),
        "CUBE_ROOT_HALF": split(mp.cbrt(mp.mpf(1) / 2), [full]),
        "TWO_OVER_PI": split(2 / mp.pi, [full]),
        "DEGREE": split(mp.pi / 180, [full, full]),
        "RADIAN": split(180 / mp.pi, [full, full]),
    }


#: Bits after the point of 2/π as an integer; enough for the largest double (see trigonometric.py).
TWO_OVER_PI_SCALE = 1232


def two_over_pi() -> int:
    """Return floor(2/π · 2^TWO_OVER_PI_SCALE)."""
    with mp.workdps(450):
        return int(mp.floor(2 / mp.pi * mp.mpf(2) ** TWO_OVER_PI_SCALE))


HEADER = '''"""Polynomials and constants of the mathematical functions. Generated: don't edit.

By ``python tools/fit_math.py``: minimax polynomials by Remez's algorithm in 60 digits, coefficients rounded
to the format one after the other. Each is a list from the constant term up; what it approximates is said in
the script.
"""

from __future__ import annotations

'''


def main() -> None:
    """Write the module."""
    lines = [HEADER]
    for single in (False, True):
        name = "F32" if single else "F64"
        lines.append(f"{name}: dict[str, list[float]] = {{\n")
        for key, spec in FITS.items():
            lines.append(f'    "{key}": {_shown(fit(spec, single=single))},\n')
            print(name, key, file=sys.stderr)  # noqa: T201
        for key, values in constants(single=single).items():
            lines.append(f'    "{key}": {_shown(values)},\n')
        lines.append("}\n\n")
    lines.append(f"TWO_OVER_PI_SCALE = {TWO_OVER_PI_SCALE}\n")
    lines.append("#: floor(2/π · 2^TWO_OVER_PI_SCALE)\n")
    lines.append(f'TWO_OVER_PI = int(\n    "{two_over_pi():x}", 16\n)\n')
    TARGET.write_text("".join(lines), encoding="utf-8")


def _shown(values: list[float]) -> str:
    return "[" + ", ".join(repr(v) for v in values) + "]"


if __name__ == "__main__":
    main()
