"""Embeddings and other vectors: one row of an Array or List column each."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

import dataflare_vec as dfv
from dataflare_vec.bits import count_ones
from dataflare_vec_kernels.sketches import PLACES, keep_smallest


@dfv.plugin(author="dataflare_vec")
def cosine(a, b):
    """Cosine similarity of two vectors.

    Parameters
    ----------
    a, b : array of float
        Equally long rows of Array or List columns. A single vector is bound as ``b=pl.lit(query, dtype)``.

    Returns
    -------
    float
        -1 to 1, of the columns' type; NaN if a vector is zero.

    Raises
    ------
    ValueError
        If the lengths differ: the row fails.

    Notes
    -----
    Sums are carried in 128-byte lanes, in the same order for every chunk (see `dataflare_vec.vectors`).

    Examples
    --------
    >>> import numpy as np
    >>> float(cosine(np.array([3.0, 4.0]), np.array([4.0, 3.0])))
    0.96
    """
    return dfv.vectors.cosine_similarity(a, b)


@dfv.plugin(author="dataflare_vec")
def dot(a, b):
    """Dot product of two vectors.

    Parameters
    ----------
    a, b : array of numbers
        Equally long rows of Array or List columns.

    Returns
    -------
    float or int
        Of the columns' type; integers are added in 64 bits.

    Raises
    ------
    ValueError
        If the lengths differ: the row fails.

    Examples
    --------
    >>> import numpy as np
    >>> float(dot(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    11.0
    """
    return dfv.vectors.dot(a, b)


@dfv.plugin(author="dataflare_vec")
def euclidean(a, b):
    """Euclidean distance of two vectors.

    Parameters
    ----------
    a, b : array of float
        Equally long rows of Array or List columns.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ValueError
        If the lengths differ: the row fails.

    Examples
    --------
    >>> import numpy as np
    >>> float(euclidean(np.array([0.0, 0.0]), np.array([3.0, 4.0])))
    5.0
    """
    return math.sqrt(dfv.vectors.squared_distance(a, b))


@dfv.plugin(author="dataflare_vec")
def hamming_bits(a, b):
    """Number of bits in which two binary codes differ.

    Parameters
    ----------
    a, b : array of int
        Equally long codes, as rows of integers of any width.

    Returns
    -------
    int
        At least 0.

    Raises
    ------
    ValueError
        If the lengths differ: the row fails.

    Examples
    --------
    >>> import numpy as np
    >>> int(hamming_bits(np.array([0b1011], np.uint8), np.array([0b0010], np.uint8)))
    2
    """
    if len(a) != len(b):
        raise ValueError("the arrays differ in length")
    mask = (1 << (8 * a.itemsize)) - 1 if a.itemsize < 8 else -1  # without copies of the sign
    different = 0
    for i in range(len(a)):
        different += count_ones(int(a[i] ^ b[i]) & mask)
    return different


@dfv.plugin(author="dataflare_vec")
def quantise(a):
    """Vector quantised to one byte per item: multiples of its largest magnitude over 127.

    Parameters
    ----------
    a : array of float
        A row of an Array or List column.

    Returns
    -------
    list of int
        -127 to 127; all 0 for a vector of zeros. Directions stay as they were, to about half a percent: what
        `cosine` of two such lists needs.

    Examples
    --------
    >>> import numpy as np
    >>> quantise(np.array([0.5, -1.0])).tolist()
    [64, -127]
    """
    largest = 0.0
    for x in a:
        largest = max(largest, abs(x))
    codes = np.zeros(len(a), np.int8)
    if largest > 0.0:
        for i in range(len(a)):
            codes[i] = round(a[i] / largest * 127.0)
    return codes


class Best(NamedTuple):
    """The nearest rows so far: their keys and distances in order, how many, and how many are wanted."""

    keys: np.ndarray
    distances: np.ndarray
    count: int
    k: int


class Nearest(NamedTuple):
    """The nearest rows, the best one first."""

    keys: np.ndarray
    similarities: np.ndarray


NONE_YET = Best(np.zeros(PLACES, np.int64), np.zeros(PLACES), 0, 0)


def _best_of_both(a, b):
    count = a.count
    for i in range(b.count):
        count = keep_smallest(a.keys, a.distances, count, b.k, b.keys[i], b.distances[i])
    return Best(a.keys, a.distances, count, max(a.k, b.k))


def _nearest(s):
    return Nearest(s.keys[: s.count].copy(), -s.distances[: s.count])


@dfv.reduce(init=NONE_YET, merge=_best_of_both, finish=_nearest, author="dataflare_vec")
def nearest(state, key: int, a, b, k=10):
    """The rows whose vectors are most similar to a query's, by cosine.

    Parameters
    ----------
    key : int
        What a row is found by, as its number.
    a : array of float
        Vectors to search.
    b : array of float
        The query: ``b=pl.lit(query, dtype)`` with the dtype of ``a``.
    k : int
        How many rows, 1 to 64.

    Returns
    -------
    Nearest
        ``keys`` and ``similarities``: lists, the best one first; of equal ones, the first row's.

    Raises
    ------
    ValueError
        If the lengths differ, or another number of rows is wanted: the row fails.

    Notes
    -----
    Vectors of zeros are similar to nothing, and passed over.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> schema = {"key": pl.Int64, "a": pl.Array(pl.Float64, 2)}
    >>> frame = pl.DataFrame({"key": [7, 8, 9], "a": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]}, schema=schema)
    >>> query = pl.lit([1.0, 0.1], pl.Array(pl.Float64, 2))
    >>> frame.pipe(dfv.apply, "nearest", b=query, k=2)["keys"].to_list()
    [[7, 9]]
    """
    if k < 1 or k > PLACES:
        raise ValueError("k must be 1 to 64")
    distance = -dfv.vectors.cosine_similarity(a, b)
    count = state.count
    if distance == distance:
        count = keep_smallest(state.keys, state.distances, count, k, key, distance)
    return Best(state.keys, state.distances, count, k)
