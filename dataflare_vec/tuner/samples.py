"""Statistics of a few noisy times, robust against one or two that are far off."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# With two samples on trial only a difference this plain decides.
_PLAIN = 0.15
# Samples until the matter is decided, and the doubt beyond which it gets as many again.
_MOST, _NOISY = 6, 0.05


def median(values: Iterable[float]) -> float:
    """Return the median.

    Notes
    -----
    `statistics` has one, but takes ten milliseconds to import.

    Examples
    --------
    >>> median([3.0, 1.0, 100.0])
    3.0
    """
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def spread(values: Collection[float]) -> float:
    """Return the noise relative to the median: 1.48 × median absolute deviation, σ for normal noise.

    Examples
    --------
    >>> round(spread([98.0, 99.0, 100.0, 101.0, 900.0]), 3)
    0.015
    """
    middle = median(values)
    return 1.4826 * median(abs(value - middle) for value in values) / middle


def compare(new: Collection[float], old: Collection[float], wanted: float) -> bool | None:
    """Return whether ``new`` times gain more than ``wanted`` on ``old`` ones, None while in doubt.

    Parameters
    ----------
    new, old
        Times per row at two sizes, at least one of ``old``.
    wanted
        The least gain, as a part of the old time.

    Examples
    --------
    >>> compare([1.3, 1.4], [1.0, 1.0, 1.1], 0.015)
    False
    >>> compare([0.99, 1.02], [1.0, 1.0, 1.1], 0.015) is None
    True
    """
    count = len(new)
    if count < 2:
        return None
    reference = median(old)
    if count == 2:
        if min(new) > (1 + _PLAIN) * reference:
            return False
        return True if max(new) < (1 - _PLAIN) * reference else None
    gain = 1 - median(new) / reference
    # The efficiency of the median is 2/π, so its standard error is 1.25 σ/√n. The spread of three or
    # four samples is often far too small by chance: not below 1 %.
    sigma = max(spread(new), spread(old), 0.01)
    doubt = 1.5 * 1.25 * sigma * sqrt(1 / count + 1 / len(old))
    most = _MOST if doubt < _NOISY else 2 * _MOST
    if count < most and abs(gain - wanted) < doubt:
        return None
    return gain > wanted
