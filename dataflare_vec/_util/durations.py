"""Durations, given as a `timedelta` or in seconds."""

from __future__ import annotations

from datetime import timedelta


def seconds(duration: timedelta | float) -> float:
    """Return a duration, given as a `timedelta` or in seconds, in seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
