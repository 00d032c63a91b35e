"""Time series, with one state per key: smoothing, events, markets."""

from __future__ import annotations

from dataflare_vec_kernels.series import events, markets, smoothing

__all__ = ["events", "markets", "smoothing"]
