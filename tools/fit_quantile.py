"""Fit the start of `normal_quantile` in `kernels/dataflare_vec_kernels/stats.py` and print its numbers.

Two steps of Halley's method, each of which cubes the relative error, follow it; so least squares over a dense
grid are good enough. The rational function is fitted as N(t) = f(t)·D(t), weighted by the last D.

Run as ``python tools/fit_quantile.py``; needs mpmath.
"""

from __future__ import annotations

import mpmath as mp
import numpy as np


def centre() -> list[float]:
    """Return P with z = r·P(r²), r = p - ½, |r| ≤ 0.3."""
    r = np.linspace(1e-3, 0.3, 400)
    z = np.array([float(mp.sqrt(2) * mp.erfinv(2 * mp.mpf(v))) for v in r])
    return np.polynomial.polynomial.polyfit(r * r, z / r, 3).tolist()


def tail() -> tuple[list[float], list[float]]:
    """Return N and D with z + t = N(t)/D(t), t = √(-2·log p), z from 0.84 (p = 0.2) to 38.6."""
    z = -np.linspace(0.8, 38.6, 2000)
    t = np.array([float(mp.sqrt(-2 * mp.log(mp.ncdf(v)))) for v in z])
    f = z + t
    last = np.ones_like(t)
    for _ in range(30):
        matrix = np.stack([np.ones_like(t), t, t**2, t**3, -f * t, -f * t**2, -f * t**3], axis=1)
        solution = np.linalg.lstsq(matrix / last[:, None], f / last, rcond=None)[0]
        last = 1 + t * (solution[4] + t * (solution[5] + t * solution[6]))
    return solution[:4].tolist(), solution[4:].tolist()


if __name__ == "__main__":
    above, below = tail()
    for name, values in (("CENTRE", centre()), ("TAIL_ABOVE", above), ("TAIL_BELOW", below)):
        print(f"{name} = ({', '.join(f'{v:.9g}' for v in values)})")  # noqa: T201
