"""What plugins did: rows, failures, latency quantiles, throughput."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Metrics:
    """Counts by plugin."""

    def count(self, plugin: str, chunks: Sequence[tuple[int, float]], failed: int) -> None:
        """Add one run of a plugin: the rows and seconds of its chunks, and how many rows failed."""
