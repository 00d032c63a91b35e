"""Statistics of a few noisy times, robust against one or two that are far off."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# With two samples on trial only a difference this plain decides.
_PLAIN = 0.15
# Samples until the matter is decided, and the doubt beyond which it gets a few more.
_MOST, _NOISY = 9, 0.05


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


def spread(*samples: Collection[float]) -> float:
    """Return the noise of samples relative to their medians.

    Parameters
    ----------
    samples
        One or several sets of times, each of which may have another median.

    Returns
    -------
    float
        1.48 × the median of the deviations, σ for normal noise. One deviation in each set is left out,
        that of the median from itself: of three samples it would be a third of what there is.

    Examples
    --------
    >>> round(spread([98.0, 99.0, 100.0, 101.0, 900.0]), 3)
    0.022
    """
    deviations: list[float] = []
    for values in samples:
        middle = median(values)
        deviations += sorted(abs(value / middle - 1) for value in values)[1:]
    return 1.4826 * median(deviations) if deviations else 0.0


def compare(
    new: Collection[float], old: Collection[float], wanted: float, leaning: float = 0.0
) -> bool | None:
    """Return whether ``new`` times gain more than ``wanted`` on ``old`` ones, None while in doubt.

    Parameters
    ----------
    new, old
        Times per row at two sizes, at least one of ``old``.
    wanted
        The least gain, as a part of the old time.
    leaning
        In doubt to the end: how much of the doubt speaks for the new size (below 0, against it).

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
    # The efficiency of the median is 2/π, so its standard error is 1.25 σ/√n. The spread of a few samples
    # is often far too small by chance: not below 1 %.
    sigma = max(spread(new, old), 0.01)
    doubt = 1.5 * 1.25 * sigma * sqrt(1 / count + 1 / len(old))
    most = _MOST if doubt < _NOISY else _MOST + 3
    if count < most and abs(gain - wanted) < doubt:
        return None
    return gain + leaning * doubt > wanted
