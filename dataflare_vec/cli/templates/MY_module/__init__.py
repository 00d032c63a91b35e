"""Plugins for dataflare_vec."""

from __future__ import annotations

import dataflare_vec as dfv


@dfv.plugin
def MY_kernel(before: float, after: float, scale: float = 1.0) -> float:
    """Return the relative change from ``before`` to ``after``, times ``scale`` (100 for percent).

    Raises
    ------
    ValueError
        Where ``before`` is zero: the row is reported as failed, the others go through.
    """
    if before == 0.0:
        raise ValueError("before is zero")
    return scale * (after - before) / before
