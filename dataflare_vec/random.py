"""Random numbers for use in kernels: functions of a seed and a row's number, that keep nothing in between.

The same seed and row give the same number, whatever chunks, threads, machines and days there are, compiled
and as plain Python. They come from Philox2x64 with ten rounds, a generator that counts instead of going on
from a state (Salmon, Moraes, Dror and Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011).

``row`` is any integer that tells rows apart. A kernel doesn't know its row's number: give it a column, as an
id; of a frame or a lazy query ``row=pl.int_range(pl.len())`` numbers the rows; hash a text first, as by
``dfv.expr("xxhash64", "name")``. Of several numbers for one row each has a ``draw`` of its own.

Examples
--------
>>> import dataflare_vec as dfv
>>> import polars as pl
>>> @dfv.plugin
... def noisy(x, row, seed=7):
...     return x + dfv.random.normal(seed, row, 0), dfv.random.integers(seed, row, 1, 7, draw=1)
>>> df = pl.DataFrame({"x": [0.0, 0.0, 0.0]})
>>> once = df.pipe(dfv.apply, "noisy", row=pl.int_range(pl.len()), output=["x_noisy", "die"])
>>> once["die"].to_list()
[3, 3, 4]
"""

from __future__ import annotations

import math
from operator import index

__all__ = ["bits", "integers", "normal", "uniform"]

_MASK = (1 << 64) - 1

#: Of Philox2x64: what is multiplied by in each of its rounds, and what a key grows by.
MULTIPLIER, WEYL, ROUNDS = 0xD2B74407B1CE6E93, 0x9E3779B97F4A7C15, 10

EMPTY = "there is no integer below `high` that is `low` or more"
TOO_LARGE = "`low` and `high` must be integers of 64 bits with a sign"


def _words(seed: int, row: int, draw: int) -> tuple[int, int]:
    """Return the two words of a counter."""
    key, left, right = index(seed) & _MASK, index(row) & _MASK, index(draw) & _MASK
    for _ in range(ROUNDS):
        product = left * MULTIPLIER
        left, right = (product >> 64) ^ key ^ right, product & _MASK
        key = (key + WEYL) & _MASK
    return left, right


def bits(seed: int, row: int, draw: int = 0) -> int:
    """Return 64 random bits.

    Parameters
    ----------
    seed, row, draw : int
        Any integers; their low 64 bits count.

    Returns
    -------
    int
        0 to 2^64 - 1.

    Raises
    ------
    TypeError
        If one of them is no integer.

    Examples
    --------
    >>> hex(bits(0, 0))
    '0xca00a0459843d731'
    """
    return _words(seed, row, draw)[0]


def uniform(seed: int, row: int, draw: int = 0, low: float = 0.0, high: float = 1.0) -> float:
    """Return a random float from ``low`` to below ``high``, each as likely: 2^53 steps.

    Parameters
    ----------
    seed, row, draw : int
        As in `bits`.
    low, high : float
        The borders. Rounding may give ``high`` itself where they aren't 0 and 1.

    Returns
    -------
    float
        A Float64.

    Raises
    ------
    TypeError
        If seed, row or draw is no integer.

    Examples
    --------
    >>> round(uniform(1, 0), 6), round(uniform(1, 1), 6)
    (0.921178, 0.849917)
    """
    part = (_words(seed, row, draw)[0] >> 11) * 2.0**-53
    return float(low) + (float(high) - float(low)) * part


def normal(seed: int, row: int, draw: int = 0, mean: float = 0.0, deviation: float = 1.0) -> float:
    """Return a random float of the normal distribution, by the method of Box and Muller.

    Parameters
    ----------
    seed, row, draw : int
        As in `bits`.
    mean, deviation : float
        Of the distribution.

    Returns
    -------
    float
        A Float64. Compiled, its last bits may be others than those of plain Python, as those of `math.log`
        and `math.cos`.

    Raises
    ------
    TypeError
        If seed, row or draw is no integer.

    Examples
    --------
    >>> round(normal(1, 0), 6)
    0.29928
    """
    left, right = _words(seed, row, draw)
    distance = math.sqrt(-2.0 * math.log(((left >> 11) + 1) * 2.0**-53))
    return float(mean) + float(deviation) * (distance * math.cos((right >> 11) * 2.0**-53 * math.tau))


def integers(seed: int, row: int, low: int, high: int, draw: int = 0) -> int:
    """Return a random integer, ``low`` or more and below ``high``.

    Parameters
    ----------
    seed, row, draw : int
        As in `bits`.
    low, high : int
        The borders, of 64 bits with a sign. Each integer between them is as likely, but for one part in
        2^64 divided by their number.

    Returns
    -------
    int
        An Int64.

    Raises
    ------
    ValueError
        If there is no such integer.
    OverflowError
        If a border has more than 64 bits.

    Examples
    --------
    >>> [integers(1, row, 1, 7) for row in range(6)]
    [6, 6, 3, 4, 6, 3]
    """
    low, high = index(low), index(high)
    if not (-(1 << 63) <= low < 1 << 63 and -(1 << 63) <= high < 1 << 63):
        raise OverflowError(TOO_LARGE)
    if low >= high:
        raise ValueError(EMPTY)
    return low + ((_words(seed, row, draw)[0] * (high - low)) >> 64)
