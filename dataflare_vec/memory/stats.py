"""What a memory pool tells about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflare_vec._util.public_pickles import by_public_name

if TYPE_CHECKING:
    from dataflare_vec.memory.size_classes import BufferSize


@by_public_name
@dataclass(frozen=True, slots=True)
class ClassStats:
    """One size class of a `MemoryPool` at one moment.

    Parameters
    ----------
    size
        The fixed class, None for a class above `BufferSize.HUGE`.
    capacity
        Size in bytes of each buffer.
    in_use, idle
        Buffers lent out, and buffers waiting to be.
    hits, misses
        Requests served with a recycled and with a fresh buffer.
    requested_bytes
        Bytes asked for in all those requests together.
    """

    size: BufferSize | None
    capacity: int
    in_use: int
    idle: int
    hits: int
    misses: int
    requested_bytes: int


@by_public_name
@dataclass(frozen=True, slots=True)
class PoolStats:
    """Statistics of a `MemoryPool` at one moment.

    Parameters
    ----------
    cache_hit_rate
        Share of requests served with a recycled buffer, 0 to 1; 0 before the first request.
    memory_efficiency
        Bytes asked for over bytes handed out, of all requests so far, 0 to 1; 1 before the first.
        What is missing to 1 is lost to size classes.
    hits, misses
        Requests served with a recycled and with a fresh buffer.
    in_use_buffers, in_use_bytes
        Buffers that somebody can still read, and their capacities' sum in bytes.
    idle_buffers, idle_bytes
        The same for buffers waiting to be reused.
    peak_bytes
        The most that `in_use_bytes` has been.
    classes
        The size classes that were ever asked for and the five fixed ones, smallest first.

    Notes
    -----
    Hits, misses, and the two rates stay at their first values with ``enable_metrics=False``.

    Examples
    --------
    >>> from dataflare_vec import MemoryPool
    >>> pool = MemoryPool()
    >>> for _ in range(4):
    ...     pool.return_buffer(pool.get_buffer(4096))
    >>> stats = pool.get_stats()
    >>> stats.hits, stats.misses, stats.cache_hit_rate, stats.idle_bytes
    (3, 1, 0.75, 4096)
    """

    cache_hit_rate: float
    memory_efficiency: float
    hits: int
    misses: int
    in_use_buffers: int
    in_use_bytes: int
    idle_buffers: int
    idle_bytes: int
    peak_bytes: int
    classes: tuple[ClassStats, ...]

    def _repr_html_(self) -> str:
        from dataflare_vec._util.formatting import amount, percent, size
        from dataflare_vec._util.html import card

        rows = [
            (size(c.capacity), amount(c.in_use), amount(c.idle), amount(c.hits), amount(c.misses))
            for c in self.classes
        ]
        title = (
            f"{size(self.in_use_bytes)} in use · {size(self.idle_bytes)} idle · peak "
            f"{size(self.peak_bytes)} · {percent(self.cache_hit_rate)} hits"
        )
        return card(title, rows, ("size class", "in use", "idle", "recycled", "fresh"))


def summarise(classes: tuple[ClassStats, ...], *, peak_bytes: int) -> PoolStats:
    """Add up the classes of a pool."""
    hits = sum(c.hits for c in classes)
    misses = sum(c.misses for c in classes)
    handed_out = sum((c.hits + c.misses) * c.capacity for c in classes)
    return PoolStats(
        cache_hit_rate=hits / (hits + misses) if hits + misses else 0.0,
        memory_efficiency=(sum(c.requested_bytes for c in classes) / handed_out if handed_out else 1.0),
        hits=hits,
        misses=misses,
        in_use_buffers=sum(c.in_use for c in classes),
        in_use_bytes=sum(c.in_use * c.capacity for c in classes),
        idle_buffers=sum(c.idle for c in classes),
        idle_bytes=sum(c.idle * c.capacity for c in classes),
        peak_bytes=peak_bytes,
        classes=classes,
    )
