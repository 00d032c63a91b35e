"""Arithmetic on 64-bit words for use in kernels, the building blocks of hash functions.

Python's integers have no size, a kernel's are 64 bits with a sign. These functions give the same unsigned
word in both, 0 to 2^64 - 1; a column of such words is UInt64. They are computed with as values of UInt64
columns are: exactly, or the row fails. ``^ & |`` between words, ``&`` with any integer and ``>>`` give words
again, and take 64 bits; all else takes 128, ``<<``, ``+`` and ``*`` too: where the bits above 64 don't count,
`add`, `multiply` and ``word(w << n)`` are what is meant.
"""

from __future__ import annotations

import struct

_MASK = (1 << 64) - 1


def word(value: int) -> int:
    """Return the low 64 bits of an integer.

    Parameters
    ----------
    value : int
        Any integer.

    Returns
    -------
    int
        0 to 2^64 - 1: negative ones count from 2^64 down.

    Examples
    --------
    >>> word(-1) == 2**64 - 1
    True
    """
    return int(value) & _MASK


def add(a: int, b: int) -> int:
    """Return the low 64 bits of a sum.

    Parameters
    ----------
    a, b : int
        Any integers.

    Returns
    -------
    int
        0 to 2^64 - 1.

    Examples
    --------
    >>> add(2**64 - 1, 2)
    1
    """
    return (int(a) + int(b)) & _MASK


def multiply(a: int, b: int) -> int:
    """Return the low 64 bits of a product.

    Parameters
    ----------
    a, b : int
        Any integers.

    Returns
    -------
    int
        0 to 2^64 - 1.

    Examples
    --------
    >>> multiply(2**63, 3) == 2**63
    True
    """
    return (int(a) * int(b)) & _MASK


def rotate_left(value: int, count: int) -> int:
    """Return a word with its bits rotated to the left by ``count``, 1 to 63.

    Parameters
    ----------
    value : int
        A word.
    count : int
        Bits, 1 to 63.

    Returns
    -------
    int
        0 to 2^64 - 1.

    Examples
    --------
    >>> rotate_left(2**63 + 1, 1)
    3
    """
    low = int(value) & _MASK
    return ((low << count) | (low >> (64 - count))) & _MASK


def count_ones(value: int) -> int:
    """Return how many of the low 64 bits of an integer are set.

    Parameters
    ----------
    value : int
        Any integer.

    Returns
    -------
    int
        0 to 64.

    Examples
    --------
    >>> count_ones(0b1011)
    3
    """
    return (int(value) & _MASK).bit_count()


def leading_zeros(value: int) -> int:
    """Return how many of the 64 bits of a word stand above its highest set bit, 64 for 0.

    Parameters
    ----------
    value : int
        A word.

    Returns
    -------
    int
        0 to 64.

    Examples
    --------
    >>> leading_zeros(1)
    63
    """
    return 64 - (int(value) & _MASK).bit_length()


def float_bits(value: float) -> int:
    """Return the 64 bits of a float: its sign, 11 bits of the exponent, 52 of the fraction.

    Parameters
    ----------
    value : float
        Any Float64, NaN too.

    Returns
    -------
    int
        0 to 2^64 - 1.

    Examples
    --------
    >>> float_bits(1.0) >> 52
    1023
    """
    return int.from_bytes(struct.pack("<d", value), "little")


def load64(data: bytes, at: int) -> int:
    """Return the eight bytes from position ``at`` on as a little-endian word.

    Parameters
    ----------
    data : bytes
        A value of a Binary column, or what `dataflare_vec.text.utf8` returns.
    at : int
        Index of the first byte.

    Returns
    -------
    int
        0 to 2^64 - 1.

    Raises
    ------
    IndexError
        If there are fewer bytes.

    Examples
    --------
    >>> load64(bytes([1, 2, 0, 0, 0, 0, 0, 0]), 0)
    513
    """
    return _load(data, at, 8)


def load32(data: bytes, at: int) -> int:
    """Return the four bytes from position ``at`` on as a little-endian word.

    Parameters
    ----------
    data : bytes
        As in `load64`.
    at : int
        Index of the first byte.

    Returns
    -------
    int
        0 to 2^32 - 1.

    Raises
    ------
    IndexError
        If there are fewer bytes.

    Examples
    --------
    >>> load32(bytes([0, 1, 2, 0, 0]), 1)
    513
    """
    return _load(data, at, 4)


def _load(data: bytes, at: int, size: int) -> int:
    part = data[at : at + size]
    if at < 0 or len(part) < size:
        msg = "word out of range"
        raise IndexError(msg)
    return int.from_bytes(part, "little")
