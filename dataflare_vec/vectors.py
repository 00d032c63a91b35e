"""Sums over rows of List and Array columns, for kernels: embeddings, histograms, time series.

A plain loop over a row adds one item after the other, and a compiler may not change that order. These
functions fix another one, which a processor can keep up with: as many sums as fill 128 bytes, each over every
so many items, then added in halves. Compiled and interpreted, in every chunk, the order and so the bits are
the same.

Arguments are one-dimensional arrays of numbers. Integers are added in 64 bits, floats in their own type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cosine_similarity", "dot", "norm", "power_sums", "squared_distance", "total"]

#: Bytes of the sums that are carried side by side.
LANE_BYTES = 128

DIFFER = "the arrays differ in length"


def total(a: NDArray[Any]) -> Any:
    """Return the sum of a row.

    Parameters
    ----------
    a
        1-D array of numbers.

    Returns
    -------
    scalar
        Of the array's type if that is a float, else an integer of 64 bits; 0 for an empty array.

    Examples
    --------
    >>> import numpy as np
    >>> float(total(np.array([1.5, 2.5])))
    4.0
    """
    return _sum(_widen(a))


def power_sums(a: NDArray[Any], around: float = 0.0) -> tuple[Any, Any, Any, Any]:
    """Return the sums of the distances from a value, and of their second, third and fourth powers.

    Parameters
    ----------
    a
        1-D array of numbers.
    around
        The value, for moments the mean.

    Returns
    -------
    tuple of float
        The four sums, in double precision; 0 for an empty array.

    Notes
    -----
    All four are taken in one pass.

    Examples
    --------
    >>> import numpy as np
    >>> [float(one) for one in power_sums(np.array([1.0, 2.0, 6.0]), 3.0)]
    [0.0, 14.0, 18.0, 98.0]
    """
    import numpy as np

    d = a.astype(np.float64) - np.float64(around)
    square = d * d
    return _sum(d), _sum(square), _sum(square * d), _sum(square * square)


def dot(a: NDArray[Any], b: NDArray[Any]) -> Any:
    """Return the sum of the products of two rows.

    Parameters
    ----------
    a, b
        1-D arrays of numbers, equally long.

    Returns
    -------
    scalar
        Of the wider float type of the two, or an integer of 64 bits; 0 for empty arrays.

    Raises
    ------
    ValueError
        If they differ in length: in a kernel, the row fails.

    Notes
    -----
    Limited by the memory's bandwidth, from about a hundred items on.

    Examples
    --------
    >>> import numpy as np
    >>> float(dot(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    11.0
    """
    a, b = _alike(a, b)
    return _sum(a * b)


def squared_distance(a: NDArray[Any], b: NDArray[Any]) -> Any:
    """Return the squared Euclidean distance of two rows.

    Parameters
    ----------
    a, b
        1-D arrays of numbers, equally long.

    Returns
    -------
    scalar
        Of the wider float type of the two, or an integer of 64 bits.

    Raises
    ------
    ValueError
        If they differ in length: in a kernel, the row fails.

    Examples
    --------
    >>> import numpy as np
    >>> int(squared_distance(np.array([1, 2]), np.array([4, 6])))
    25
    """
    a, b = _alike(a, b)
    difference = a - b
    return _sum(difference * difference)


def norm(a: NDArray[Any]) -> Any:
    """Return the Euclidean length of a row.

    Parameters
    ----------
    a
        1-D array of numbers.

    Returns
    -------
    float
        Of the array's type if that is a float, else float64.

    Examples
    --------
    >>> import numpy as np
    >>> float(norm(np.array([3.0, 4.0])))
    5.0
    """
    import numpy as np

    a = _widen(a)
    return np.sqrt(_sum(a * a))


def cosine_similarity(a: NDArray[Any], b: NDArray[Any]) -> Any:
    """Return the cosine of the angle between two rows: their dot product over the product of their norms.

    Parameters
    ----------
    a, b
        1-D arrays of numbers, equally long.

    Returns
    -------
    float
        From -1 to 1, up to rounding; of the wider float type of the two, float64 for integers. NaN if one of
        them is all 0.

    Raises
    ------
    ValueError
        If they differ in length: in a kernel, the row fails.

    Notes
    -----
    All three sums are taken in one pass.

    Examples
    --------
    >>> import numpy as np
    >>> float(cosine_similarity(np.array([1.0, 0.0]), np.array([0.0, 2.0])))
    0.0
    """
    import numpy as np

    a, b = _alike(a, b)
    with np.errstate(invalid="ignore"):
        return _sum(a * b) / (np.sqrt(_sum(a * a)) * np.sqrt(_sum(b * b)))


def _alike(a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    import numpy as np

    if len(a) != len(b):
        raise ValueError(DIFFER)
    a, b = _widen(a), _widen(b)
    kind = np.result_type(a, b)
    return a.astype(kind, copy=False), b.astype(kind, copy=False)


def _widen(a: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    return a if a.dtype.kind == "f" else a.astype(np.int64)


def _sum(items: NDArray[Any]) -> Any:
    """Return the sum of an array in the order that all functions of this module share."""
    import numpy as np

    lanes = LANE_BYTES // items.itemsize
    padded = np.zeros(-(-max(len(items), 1) // lanes) * lanes, items.dtype)
    padded[: len(items)] = items
    sums = np.zeros(lanes, items.dtype)
    for row in padded.reshape(-1, lanes):
        sums = sums + row
    while len(sums) > 1:
        half = len(sums) // 2
        sums = sums[:half] + sums[half:]
    return sums[0]
