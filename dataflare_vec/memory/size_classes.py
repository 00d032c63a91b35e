"""Size classes: how large a buffer is made for a request."""

from __future__ import annotations

import operator
from enum import IntEnum

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec.exceptions import ArgumentError


@by_public_name
class BufferSize(IntEnum):
    """The fixed size classes, in bytes.

    Requests above `HUGE` are whole output columns and get finer classes; see `class_capacity`.

    Examples
    --------
    >>> from dataflare_vec import BufferSize, MemoryPool
    >>> int(BufferSize.SMALL)
    4096
    >>> pool = MemoryPool()
    >>> pool.warmup([BufferSize.SMALL])
    >>> pool.get_stats().idle_bytes
    4096
    """

    TINY = 256
    SMALL = 4 << 10
    MEDIUM = 64 << 10
    LARGE = 1 << 20
    HUGE = 4 << 20


# The capacity for a request of n bytes is at (n - 1).bit_length(); -1 has 1 bit.
_FIXED = tuple(
    next(int(size) for size in BufferSize if 1 << bits <= size)
    for bits in range(BufferSize.HUGE.bit_length())
)


def class_capacity(nbytes: int) -> int:
    """Return the size in bytes of the buffers that serve a request of `nbytes` bytes.

    Notes
    -----
    Above `BufferSize.HUGE` there are four classes to each power of two, so that a buffer is at
    most 25% larger than what was asked for.

    Examples
    --------
    >>> class_capacity(1)
    256
    >>> class_capacity(80_000_000) / 80_000_000
    1.048576
    """
    bits = (nbytes - 1).bit_length()
    if bits < len(_FIXED):
        return _FIXED[bits]
    step = bits - 3
    return (((nbytes - 1) >> step) + 1) << step


def as_size(nbytes: object) -> int:
    """Return a number of bytes as an int, or say what is wrong with it."""
    try:
        size = operator.index(nbytes)  # type: ignore[arg-type]
    except TypeError:
        msg = f"`nbytes` must be an integer, got {nbytes!r}"
        raise TypeError(msg) from None
    if size < 0:
        raise ArgumentError(argument="nbytes", expected="0 or more", got=size)
    return size
