"""Fit the normal tail in `kernels/dataflare_vec_kernels/finance/options.py` and print its numbers.

A rational function N(y)/D(y) that interpolates Φ(-y)·e^(y²/2) at the Chebyshev points of t = (y - 4)/(y + 4),
0 ≤ y ≤ 12, so that it is nearly the best one there (2^-53 of the value), and still within 2·10⁻¹⁰ at y = 38,
where e^(-y²/2) ends. All its coefficients are positive: nothing cancels. The first one is exact.

Run as ``python tools/fit_normal_tail.py``; needs mpmath.
"""

from __future__ import annotations

import mpmath as mp

mp.mp.dps = 60
DEGREE, MIDDLE, END = 8, 4, 12


def tail(y: mp.mpf) -> mp.mpf:
    """Return Φ(-y)·e^(y²/2)."""
    return mp.exp(y * y / 2) * mp.erfc(y / mp.sqrt(2)) / 2


def fit() -> tuple[list[float], list[float]]:
    """Return the coefficients of N and D, from the constant term up."""
    count = 2 * DEGREE + 1
    last = mp.mpf(END - MIDDLE) / (END + MIDDLE)
    matrix, right = mp.matrix(count, count), mp.matrix(count, 1)
    for row in range(count):
        t = (last - 1) / 2 + (last + 1) / 2 * mp.cos(mp.pi * (row + mp.mpf(1) / 2) / count)
        y = MIDDLE * (1 + t) / (1 - t)
        right[row] = tail(y) - mp.mpf(1) / 2
        for power in range(1, DEGREE + 1):
            matrix[row, power - 1] = y**power
        for power in range(1, DEGREE + 2):
            matrix[row, DEGREE - 1 + power] = -tail(y) * y**power
    solution = [float(c) for c in mp.lu_solve(matrix, right)]
    return [0.5, *solution[:DEGREE]], [1.0, *solution[DEGREE:]]


if __name__ == "__main__":
    for name, values in zip(("TAIL_ABOVE", "TAIL_BELOW"), fit(), strict=True):
        print(f"{name} = ({', '.join(map(repr, values))})")  # noqa: T201
