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

from dataflare_vec._util.durations import seconds
from dataflare_vec.memory.size_classes import BufferSize, class_capacity

if TYPE_CHECKING:
    from dataflare_vec.config.settings import MemoryPoolConfig
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


class Shelves:
    """All shelves of a pool."""

    def __init__(self, config: MemoryPoolConfig, now: float) -> None:
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
        # The fixed shelf for n bytes is at (n - 1).bit_length(); -1 has 1 bit.
        self._fixed = [
            self._shelves[class_capacity(1 << bits)] for bits in range(BufferSize.HUGE.bit_length())
        ]
        self._limit = config.max_bytes
        self._max_idle_bytes = config.max_idle_bytes
        self._max_idle_time = seconds(config.max_idle_time)
        self._cleanup_interval = seconds(config.cleanup_interval)
        self._next_cleanup = now + self._cleanup_interval
        self._count = config.enable_metrics
        self.closed = False  # nothing is kept any more
        self.in_use = 0
        self.peak = 0
        self.held = 0  # in use and idle together: what `max_bytes` limits

    def shelf_for(self, nbytes: int) -> Shelf:
        """Return the shelf that serves a request; needs no lock."""
        try:
            return self._fixed[(nbytes - 1).bit_length()]
        except IndexError:
            # A column's class: bounded by bytes (`max_idle_bytes`), not by number.
            capacity = class_capacity(nbytes)
            return self._shelves.get(capacity) or self._shelves.setdefault(
                capacity, Shelf(capacity, None, sys.maxsize)
            )

    def all(self) -> list[Shelf]:
        """Return the shelves, smallest class first; needs no lock."""
        return [shelf for _, shelf in sorted(self._shelves.copy().items())]

    def take(self, nbytes: int) -> Block | None:
        """Serve a request with the fitting block that came back last, if there is one."""
        # The pool's hot path: written out rather than made of the methods below.
        try:
            shelf = self._fixed[(nbytes - 1).bit_length()]
        except IndexError:
            shelf = self.shelf_for(nbytes)
        try:
            block = shelf.idle.pop()
        except IndexError:
            return None
        shelf.lent += 1
        in_use = self.in_use = self.in_use + shelf.capacity
        if in_use > self.peak:
            self.peak = in_use
        if self._count:
            shelf.requested += nbytes
            shelf.hits += 1
        return block

    def take_uncounted(self, shelf: Shelf) -> Block | None:
        """Take a block off its shelf without a request for it."""
        try:
            block = shelf.idle.pop()
        except IndexError:
            return None
        shelf.lent += 1
        self.in_use += shelf.capacity
        return block

    def miss(self, shelf: Shelf, nbytes: int) -> None:
        """Note that a request is served with a fresh block."""
        if self.in_use > self.peak:
            self.peak = self.in_use
        if self._count:
            shelf.requested += nbytes
            shelf.misses += 1

    def has_room(self, shelf: Shelf, promised: int) -> bool:
        """Whether the limit allows one more block in use of the shelf, beside what others were promised."""
        return self._limit is None or self.in_use + shelf.capacity + promised <= self._limit

    def reserve(self, shelf: Shelf, dropped: list[Block], promised: int) -> bool:
        """Make room for one more block of the shelf and lend it, if the limit allows it."""
        if self._limit is not None:
            if not self.has_room(shelf, promised):
                return False
            self._drop_oldest(self.all(), self.held + shelf.capacity - self._limit, dropped)
        shelf.lent += 1
        self.in_use += shelf.capacity
        self.held += shelf.capacity
        return True

    def forget(self, shelf: Shelf) -> None:
        """Undo `reserve` for a block that couldn't be had."""
        shelf.lent -= 1
        self.in_use -= shelf.capacity
        self.held -= shelf.capacity

    def take_back(self, returned: deque[Block], now: float) -> list[Block]:
        """Put what came back on its shelf; return what is to be freed."""
        dropped: list[Block] = []
        while True:
            try:
                block = returned.popleft()
            except IndexError:
                break
            capacity = block.capacity
            block.idle_since = now
            shelf = self._shelves[capacity]
            shelf.lent -= 1
            self.in_use -= capacity
            if self.closed or len(shelf.idle) >= shelf.keep:
                self.held -= capacity
                dropped.append(block)
            else:
                shelf.idle.append(block)
                if shelf.size is None and self.held - self.in_use > self._max_idle_bytes:
                    self._bound_columns(dropped)
        if now >= self._next_cleanup:
            self._next_cleanup = now + self._cleanup_interval
            self.drop_idle_since(now - self._max_idle_time, dropped)
        return dropped

    def drop_idle_since(self, before: float, dropped: list[Block]) -> None:
        """Drop what was idle at a moment and has been since."""
        for shelf in self.all():
            while (block := self._pop_oldest(shelf)) is not None:
                if block.idle_since > before:
                    shelf.idle.appendleft(block)
                    self.held += shelf.capacity
                    break
                dropped.append(block)

    def _bound_columns(self, dropped: list[Block]) -> None:
        columns = [shelf for shelf in self.all() if shelf.size is None]
        idle = sum(shelf.capacity * len(shelf.idle) for shelf in columns)
        self._drop_oldest(columns, idle - self._max_idle_bytes, dropped)

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
