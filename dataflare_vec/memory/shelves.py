"""The idle blocks by size class, and the books: what is lent, idle and held.

Plain data without a lock: a `MemoryPool` uses it under its own. Even so, the thread that holds the
lock can be broken into between any two statements, by a garbage collection or a signal handler
whose finalisers come back to these shelves. Therefore each counter changes in a single statement
without a call in it, and a block is taken with one `pop`, never after a look whether there is one.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING

from dataflare_vec.memory.sizes import BufferSize, class_capacity

if TYPE_CHECKING:
    from dataflare_vec.config import MemoryPoolConfig
    from dataflare_vec.memory.buffer import Block


class Shelf:
    """The idle blocks of one size class, and the class's counters."""

    __slots__ = ("capacity", "hits", "idle", "keep", "lent", "misses", "requested", "size")

    def __init__(self, capacity: int, size: BufferSize | None, keep: int) -> None:
        self.capacity = int(capacity)  # a plain number, not a `BufferSize`
        self.size = size
        self.keep = keep
        # Left is idle longest, right is warm in cache and next to be lent.
        self.idle: deque[Block] = deque()
        self.lent = 0
        self.hits = 0
        self.misses = 0
        self.requested = 0

    def take(self) -> Block | None:
        """Take the block that came back last, if there is one."""
        try:
            return self.idle.pop()
        except IndexError:
            return None


class Shelves:
    """All shelves of a pool."""

    def __init__(self, config: MemoryPoolConfig) -> None:
        keep = (
            config.max_tiny_buffers,
            config.max_small_buffers,
            config.max_medium_buffers,
            config.max_large_buffers,
            config.max_huge_buffers,
        )
        self._shelves = {
            int(size): Shelf(size, size, keep) for size, keep in zip(BufferSize, keep, strict=True)
        }
        self._limit = config.max_bytes
        self._max_idle_bytes = config.max_idle_bytes
        self._count = config.enable_metrics
        self.in_use = 0
        self.peak = 0
        self.held = 0  # in use and idle together: what `max_bytes` limits

    def shelf_for(self, nbytes: int) -> Shelf:
        """Return the shelf that serves a request; needs no lock."""
        capacity = class_capacity(nbytes)
        shelf = self._shelves.get(capacity)
        if shelf is None:
            # A column's class: bounded by bytes (`max_idle_bytes`), not by number.
            shelf = self._shelves.setdefault(capacity, Shelf(capacity, None, sys.maxsize))
        return shelf

    def all(self) -> list[Shelf]:
        """Return the shelves, smallest class first; needs no lock."""
        return [shelf for _, shelf in sorted(self._shelves.copy().items())]

    def lend(self, shelf: Shelf) -> None:
        """Note that a block of the shelf is in use."""
        shelf.lent += 1
        self.in_use += shelf.capacity

    def serve(self, shelf: Shelf, nbytes: int, *, hit: bool) -> None:
        """Note that a request was served; `lend`, and what is counted of requests."""
        shelf.lent += 1
        in_use = self.in_use = self.in_use + shelf.capacity
        if in_use > self.peak:
            self.peak = in_use
        if self._count:
            shelf.requested += nbytes
            if hit:
                shelf.hits += 1
            else:
                shelf.misses += 1

    def reserve(self, shelf: Shelf, dropped: list[Block]) -> bool:
        """Make room for one more block of the shelf, if the limit allows it."""
        if self._limit is not None:
            if self.in_use + shelf.capacity > self._limit:
                return False
            self._drop_oldest(self.all(), self.held + shelf.capacity - self._limit, dropped)
        self.held += shelf.capacity
        return True

    def forget(self, shelf: Shelf) -> None:
        """Undo `lend` and `reserve` for a block that couldn't be had."""
        shelf.lent -= 1
        self.in_use -= shelf.capacity
        self.held -= shelf.capacity

    def take_back(self, block: Block, dropped: list[Block], *, keep: bool) -> None:
        """Put a block on its shelf, or among those to be freed."""
        capacity = block.capacity
        shelf = self._shelves[capacity]
        shelf.lent -= 1
        self.in_use -= capacity
        if keep and len(shelf.idle) < shelf.keep:
            shelf.idle.append(block)
            if shelf.size is None and self.held - self.in_use > self._max_idle_bytes:
                columns = [shelf for shelf in self.all() if shelf.size is None]
                idle = sum(shelf.capacity * len(shelf.idle) for shelf in columns)
                self._drop_oldest(columns, idle - self._max_idle_bytes, dropped)
        else:
            self.held -= capacity
            dropped.append(block)

    def drop_idle_since(self, before: float, dropped: list[Block]) -> None:
        """Drop what was idle at a moment and has been since."""
        for shelf in self.all():
            while (block := self._pop_oldest(shelf)) is not None:
                if block.idle_since > before:
                    shelf.idle.appendleft(block)
                    self.held += shelf.capacity
                    break
                dropped.append(block)

    def _drop_oldest(self, shelves: list[Shelf], nbytes: int, dropped: list[Block]) -> None:
        """Drop what has been idle longest until `nbytes` bytes are freed or nothing is left."""
        while nbytes > 0:
            ages = [(block.idle_since, i) for i, shelf in enumerate(shelves) for block in _oldest(shelf)]
            if not ages:
                return
            block = self._pop_oldest(shelves[min(ages)[1]])
            if block is not None:
                nbytes -= block.capacity
                dropped.append(block)

    def _pop_oldest(self, shelf: Shelf) -> Block | None:
        try:
            block = shelf.idle.popleft()
        except IndexError:
            return None
        self.held -= shelf.capacity
        return block


def _oldest(shelf: Shelf) -> tuple[Block, ...]:
    try:
        return (shelf.idle[0],)
    except IndexError:
        return ()
