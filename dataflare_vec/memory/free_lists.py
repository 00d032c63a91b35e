"""The idle blocks by size class, and the books: what is lent, idle and held.

Plain data without a lock: a `MemoryPool` uses it under its own. Even so, the thread that holds the
lock can be broken into between any two statements, by a garbage collection or a signal handler
whose finalisers come back to these lists. Therefore each counter changes in a single statement
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


class SizeClass:
    """The idle blocks of one size class, and the class's counters."""

    __slots__ = ("capacity", "hits", "idle", "lent", "max_idle", "misses", "requested", "size")

    def __init__(self, capacity: int, size: BufferSize | None, max_idle: int) -> None:
        self.capacity = int(capacity)  # a plain number, not a `BufferSize`
        self.size = size
        self.max_idle = max_idle
        # Left is idle longest, right is warm in cache and next to be lent.
        self.idle: deque[Block] = deque()
        self.lent = 0
        self.hits = 0
        self.misses = 0
        self.requested = 0


class FreeLists:
    """The free lists of a pool, one for each size class."""

    def __init__(self, config: MemoryPoolConfig, now: float) -> None:
        max_idle = (
            config.max_tiny_buffers,
            config.max_small_buffers,
            config.max_medium_buffers,
            config.max_large_buffers,
            config.max_huge_buffers,
        )
        self._classes = {
            int(size): SizeClass(size, size, most) for size, most in zip(BufferSize, max_idle, strict=True)
        }
        # The fixed size class for n bytes is at (n - 1).bit_length(); -1 has 1 bit.
        self._fixed = [
            self._classes[class_capacity(1 << bits)] for bits in range(BufferSize.HUGE.bit_length())
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

    def class_for(self, nbytes: int) -> SizeClass:
        """Return the size class that serves a request; needs no lock."""
        try:
            return self._fixed[(nbytes - 1).bit_length()]
        except IndexError:
            # A column's class: bounded by bytes (`max_idle_bytes`), not by number.
            capacity = class_capacity(nbytes)
            return self._classes.get(capacity) or self._classes.setdefault(
                capacity, SizeClass(capacity, None, sys.maxsize)
            )

    def all(self) -> list[SizeClass]:
        """Return the size classes, smallest first; needs no lock."""
        return [size_class for _, size_class in sorted(self._classes.copy().items())]

    def take(self, nbytes: int) -> Block | None:
        """Serve a request with the fitting block that came back last, if there is one."""
        # The pool's hot path: written out rather than made of the methods below.
        try:
            size_class = self._fixed[(nbytes - 1).bit_length()]
        except IndexError:
            size_class = self.class_for(nbytes)
        try:
            block = size_class.idle.pop()
        except IndexError:
            return None
        size_class.lent += 1
        in_use = self.in_use = self.in_use + size_class.capacity
        if in_use > self.peak:
            self.peak = in_use
        if self._count:
            size_class.requested += nbytes
            size_class.hits += 1
        return block

    def take_uncounted(self, size_class: SizeClass) -> Block | None:
        """Take a block off its free list without a request for it."""
        try:
            block = size_class.idle.pop()
        except IndexError:
            return None
        size_class.lent += 1
        self.in_use += size_class.capacity
        return block

    def miss(self, size_class: SizeClass, nbytes: int) -> None:
        """Note that a request is served with a fresh block."""
        if self.in_use > self.peak:
            self.peak = self.in_use
        if self._count:
            size_class.requested += nbytes
            size_class.misses += 1

    def has_room(self, size_class: SizeClass, promised: int) -> bool:
        """Whether the limit allows one more block of this class in use, beside what others were promised."""
        return self._limit is None or self.in_use + size_class.capacity + promised <= self._limit

    def reserve(self, size_class: SizeClass, dropped: list[Block], promised: int) -> bool:
        """Make room for one more block of the size class and lend it, if the limit allows it."""
        if self._limit is not None:
            if not self.has_room(size_class, promised):
                return False
            self._drop_oldest(self.all(), self.held + size_class.capacity - self._limit, dropped)
        size_class.lent += 1
        self.in_use += size_class.capacity
        self.held += size_class.capacity
        return True

    def forget(self, size_class: SizeClass) -> None:
        """Undo `reserve` for a block that couldn't be had."""
        size_class.lent -= 1
        self.in_use -= size_class.capacity
        self.held -= size_class.capacity

    def take_back(self, returned: deque[Block], now: float) -> list[Block]:
        """Put what came back on its free list; return what is to be freed."""
        dropped: list[Block] = []
        while True:
            try:
                block = returned.popleft()
            except IndexError:
                break
            capacity = block.capacity
            block.idle_since = now
            size_class = self._classes[capacity]
            size_class.lent -= 1
            self.in_use -= capacity
            if self.closed or len(size_class.idle) >= size_class.max_idle:
                self.held -= capacity
                dropped.append(block)
            else:
                size_class.idle.append(block)
                if size_class.size is None and self.held - self.in_use > self._max_idle_bytes:
                    self._bound_columns(dropped)
        if now >= self._next_cleanup:
            self._next_cleanup = now + self._cleanup_interval
            self.drop_idle_since(now - self._max_idle_time, dropped)
        return dropped

    def drop_idle_since(self, before: float, dropped: list[Block]) -> None:
        """Drop what was idle at a moment and has been since."""
        for size_class in self.all():
            while (block := self._pop_oldest(size_class)) is not None:
                if block.idle_since > before:
                    size_class.idle.appendleft(block)
                    self.held += size_class.capacity
                    break
                dropped.append(block)

    def _bound_columns(self, dropped: list[Block]) -> None:
        columns = [size_class for size_class in self.all() if size_class.size is None]
        idle = sum(size_class.capacity * len(size_class.idle) for size_class in columns)
        self._drop_oldest(columns, idle - self._max_idle_bytes, dropped)

    def _drop_oldest(self, classes: list[SizeClass], nbytes: int, dropped: list[Block]) -> None:
        """Drop what has been idle longest until `nbytes` bytes are freed or nothing is left."""
        while nbytes > 0:
            ages = [
                (block.idle_since, i) for i, size_class in enumerate(classes) for block in _oldest(size_class)
            ]
            if not ages:
                return
            block = self._pop_oldest(classes[min(ages)[1]])
            if block is not None:
                nbytes -= block.capacity
                dropped.append(block)

    def _pop_oldest(self, size_class: SizeClass) -> Block | None:
        try:
            block = size_class.idle.popleft()
        except IndexError:
            return None
        self.held -= size_class.capacity
        return block


def _oldest(size_class: SizeClass) -> tuple[Block, ...]:
    try:
        return (size_class.idle[0],)
    except IndexError:
        return ()
