"""The memory pool: size classes of recycled Arrow memory."""

from __future__ import annotations

import sys
import time
from collections import deque
from queue import Empty, SimpleQueue
from threading import RLock
from typing import TYPE_CHECKING, Any

from dataflare_vec.config import MemoryPoolConfig, seconds
from dataflare_vec.memory import backends, fork
from dataflare_vec.memory.buffer import Block, Lease, PooledBuffer, Shelf
from dataflare_vec.memory.errors import PoolError, PoolLimitError
from dataflare_vec.memory.sizes import BufferSize, as_size, class_capacity
from dataflare_vec.memory.stats import ClassStats, PoolStats, summarise

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta
    from types import TracebackType


class MemoryPool:
    """Recycles the memory of output columns and scratch buffers.

    Parameters
    ----------
    config
        What is kept, for how long, and where memory comes from; the defaults if left out.

    Notes
    -----
    Every buffer starts at a multiple of 64 bytes. A request gets a buffer of the smallest class
    that holds it: 256 B, 4 KiB, 64 KiB, 1 MiB, 4 MiB (`BufferSize`), and above that four classes
    to each power of two.

    Memory comes back by itself when nothing refers to it any more: not the `PooledBuffer`, nor an
    Arrow buffer, a Polars Series, a NumPy array or a memoryview made from it, nor a slice of those.
    The last of them may go on any thread, during garbage collection, at interpreter exit, and on
    either side of a fork.

    The pool is thread-safe. It has no threads of its own: buffers idle too long are freed while
    others are got or come back, and by `trim`.

    Examples
    --------
    >>> pool = MemoryPool(MemoryPoolConfig(max_bytes=1 << 30))
    >>> buffer = pool.get_buffer(1024)
    >>> pool.return_buffer(buffer)
    >>> with pool.get_buffer(2048):
    ...     pool.get_stats().cache_hit_rate
    0.5
    """

    # How the lock is used. Leases end in finalisers, which run wherever the last reference goes:
    # on one of Polars' threads, or inside a garbage collection that broke into this very class
    # while it holds the lock. So a finaliser never waits for the lock. It puts its block on
    # `_returned` (a deque's append is atomic) and shelves it if the lock is free; if not, whoever
    # holds the lock looks at `_returned` once more after letting go of it (`_settle`), so nothing is
    # left lying. The lock is reentrant for the finaliser or signal handler that itself wants a
    # buffer; between any two statements under the lock, the counters are fit for that. Arrow is
    # never called under the lock.

    def __init__(self, config: MemoryPoolConfig | None = None) -> None:
        self.config = config = config or MemoryPoolConfig()
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
        self._lock = RLock()
        self._returned: deque[Block] = deque()
        self._in_use = 0
        self._peak = 0
        self._held = 0  # in use and idle together: what `max_bytes` limits
        self._waiting = 0
        # Wakes those who wait at the limit. A SimpleQueue, unlike a Condition or an Event, may be
        # put to from a finaliser.
        self._room: SimpleQueue[None] = SimpleQueue()
        self._closed = False
        self._count = config.enable_metrics
        self._max_idle_bytes = config.max_idle_bytes
        self._max_idle_time = seconds(config.max_idle_time)
        self._cleanup_interval = seconds(config.cleanup_interval)
        # Attributes, because at interpreter exit module globals may go before the last lease.
        self._clock = time.monotonic
        self._next_cleanup = self._clock() + self._cleanup_interval
        self._backend: Any = None
        self._allocate_buffer: Any = None
        self._foreign_buffer: Any = None
        fork.watch(self)

    def get_buffer(self, nbytes: int) -> PooledBuffer:
        """Lend a buffer.

        Parameters
        ----------
        nbytes
            Bytes needed, 0 or more.

        Returns
        -------
        PooledBuffer
            At least `nbytes` bytes, not cleared.

        Raises
        ------
        PoolLimitError
            If `max_bytes` doesn't allow it, after the idle buffers were freed (and, with
            ``on_limit="wait"``, after `wait_timeout`).
        PoolError
            If the pool is closed, or PyArrow lacks the backend.
        MemoryError
            If Arrow can't get the memory.

        Examples
        --------
        >>> MemoryPool().get_buffer(5000).capacity
        65536
        """
        if type(nbytes) is not int or nbytes < 0:
            nbytes = as_size(nbytes)
        shelf = self._shelves.get(class_capacity(nbytes)) or self._new_shelf(nbytes)
        with self._lock:
            try:
                block = shelf.idle.pop()
            except IndexError:
                block = None
            else:
                self._serve(shelf, nbytes, hit=True)
        if block is None:
            block = self._obtain(shelf, nbytes)
        if self._returned:
            self._settle()
        return PooledBuffer(Lease(self, block, nbytes), shelf.capacity)

    def return_buffer(self, buffer: PooledBuffer) -> None:
        """Give a buffer back.

        Parameters
        ----------
        buffer
            The buffer; not to be used any more.

        Notes
        -----
        Harmless whenever it is done: what was made from the buffer stays readable and holds the
        memory back from being recycled. A second return does nothing.

        Raises
        ------
        TypeError
            If it isn't a `PooledBuffer`.
        """
        if not isinstance(buffer, PooledBuffer):
            msg = f"`buffer` must be a PooledBuffer, got {type(buffer).__name__}"
            raise TypeError(msg)
        buffer.release()

    def warmup(self, sizes: Iterable[int] | None = None) -> None:
        """Have idle buffers ready ahead of their use, with their memory touched.

        Parameters
        ----------
        sizes
            Bytes for which to have a buffer each, such as the size of a column times 8. If left out,
            each fixed class is filled up to its ``max_*_buffers`` (99 MiB with the defaults).

        Raises
        ------
        PoolLimitError
            If all of them would be more than `max_bytes`.

        Notes
        -----
        Doesn't show in the hit rate or the peak.

        Examples
        --------
        >>> pool = MemoryPool()
        >>> pool.warmup([8_000_000] * 4)
        >>> pool.get_stats().idle_buffers
        4
        """
        import ctypes

        if sizes is None:
            sizes = [s.capacity for s in self._all() if s.size for _ in range(s.keep)]
        buffers = []
        for nbytes in map(as_size, sizes):
            shelf = self._shelves.get(class_capacity(nbytes)) or self._new_shelf(nbytes)
            block = self._obtain(shelf, nbytes, served=False)
            buffers.append(PooledBuffer(Lease(self, block, nbytes), shelf.capacity))
        for buffer in buffers:
            ctypes.memset(buffer.address, 0, buffer.capacity)

    def get_stats(self) -> PoolStats:
        """Return hit rate, memory efficiency, and bytes in use, idle and at the peak.

        Examples
        --------
        >>> MemoryPool().get_stats().in_use_bytes
        0
        """
        self._settle()
        with self._lock:
            classes = tuple(
                ClassStats(
                    size=shelf.size,
                    capacity=shelf.capacity,
                    in_use=shelf.lent,
                    idle=len(shelf.idle),
                    hits=shelf.hits,
                    misses=shelf.misses,
                    requested_bytes=shelf.requested,
                )
                for shelf in self._all()
            )
            peak_bytes = self._peak
        self._settle()
        return summarise(classes, peak_bytes=peak_bytes)

    def trim(self, max_idle_time: timedelta | float = 0.0) -> int:
        """Free idle buffers now.

        Parameters
        ----------
        max_idle_time
            Keep those idle for no longer than this, a `timedelta` or seconds. By default, none.

        Returns
        -------
        int
            Bytes freed.
        """
        self._settle()
        before = self._clock() - seconds(max_idle_time)
        with self._lock:
            dropped = self._drop_idle_since(before)
        self._settle()
        nbytes = sum(block.shelf.capacity for block in dropped)
        dropped.clear()
        if self._backend is not None:
            self._backend.release_unused()
        return nbytes

    def close(self) -> None:
        """Free all idle buffers, keep none from now on, and lend none.

        Buffers in use stay valid, and are freed when their last reader lets go.
        """
        with self._lock:
            self._closed = True
            for shelf in self._all():
                shelf.keep = 0
        self.trim()

    def __enter__(self) -> MemoryPool:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed, " if self._closed else ""
        return f"<MemoryPool: {state}{self._in_use:,} bytes in use, {self._held:,} held>"

    # Under the lock

    def _lend(self, shelf: Shelf) -> None:
        shelf.lent += 1
        self._in_use += shelf.capacity

    def _serve(self, shelf: Shelf, nbytes: int, *, hit: bool) -> None:
        """Lend, and count it as a request."""
        shelf.lent += 1
        in_use = self._in_use = self._in_use + shelf.capacity
        if in_use > self._peak:
            self._peak = in_use
        if self._count:
            shelf.requested += nbytes
            if hit:
                shelf.hits += 1
            else:
                shelf.misses += 1

    def _unlend(self, shelf: Shelf) -> None:
        shelf.lent -= 1
        self._in_use -= shelf.capacity

    def _shelve(self) -> list[Block]:
        """Put what came back on its shelf; return the blocks that are to be freed."""
        dropped: list[Block] = []
        now = self._clock()
        returned = self._returned
        while returned:
            block = returned.popleft()
            shelf = block.shelf
            shelf.lent -= 1
            self._in_use -= shelf.capacity
            block.idle_since = now
            if len(shelf.idle) < shelf.keep:
                shelf.idle.append(block)
                if shelf.size is None and self._held - self._in_use > self._max_idle_bytes:
                    self._bound_columns(dropped)
            else:
                self._held -= shelf.capacity
                dropped.append(block)
        if now >= self._next_cleanup:
            self._next_cleanup = now + self._cleanup_interval
            dropped += self._drop_idle_since(now - self._max_idle_time)
        if self._waiting:
            self._wake()
        return dropped

    def _wake(self) -> None:
        for _ in range(self._waiting):
            self._room.put(None)

    def _bound_columns(self, dropped: list[Block]) -> None:
        columns = [shelf for shelf in self._all() if shelf.size is None]
        idle = sum(shelf.capacity * len(shelf.idle) for shelf in columns)
        self._drop_oldest(columns, idle - self._max_idle_bytes, dropped)

    def _drop_oldest(self, shelves: list[Shelf], nbytes: int, dropped: list[Block]) -> None:
        """Drop what has been idle longest until `nbytes` bytes are freed or nothing is left."""
        while nbytes > 0:
            idle = [shelf for shelf in shelves if shelf.idle]
            if not idle:
                return
            try:
                shelf = min(idle, key=lambda shelf: shelf.idle[0].idle_since)
                dropped.append(shelf.idle.popleft())
            except IndexError:  # a finaliser broke in and emptied the shelf
                continue
            self._held -= shelf.capacity
            nbytes -= shelf.capacity

    def _drop_idle_since(self, before: float) -> list[Block]:
        dropped: list[Block] = []
        for shelf in self._all():
            while shelf.idle and shelf.idle[0].idle_since <= before:
                dropped.append(shelf.idle.popleft())
                self._held -= shelf.capacity
        return dropped

    def _reserve(self, shelf: Shelf, dropped: list[Block]) -> bool:
        """Make room for one more block of the shelf, if the limit allows it."""
        limit = self.config.max_bytes
        if limit is not None:
            self._drop_oldest(self._all(), self._held + shelf.capacity - limit, dropped)
            if self._held + shelf.capacity > limit:
                return False
        self._held += shelf.capacity
        return True

    # Not under the lock

    def _all(self) -> list[Shelf]:
        return [shelf for _, shelf in sorted(self._shelves.copy().items())]

    def _new_shelf(self, nbytes: int) -> Shelf:
        # A column's class: bounded by bytes (`max_idle_bytes`), not by number.
        capacity = class_capacity(nbytes)
        shelf = Shelf(capacity, None, 0 if self._closed else sys.maxsize)
        return self._shelves.setdefault(capacity, shelf)

    def _take_back(self, block: Block) -> None:
        self._returned.append(block)
        self._settle()

    def _settle(self) -> None:
        """Shelve what came back, unless somebody holds the lock and so will do it."""
        while self._returned and self._lock.acquire(False):
            try:
                dropped = self._shelve()
            finally:
                self._lock.release()
            del dropped

    def _obtain(self, shelf: Shelf, nbytes: int, *, served: bool = True) -> Block:
        """Get a block that isn't at hand: recycled, if one just came back, or a fresh one."""
        self._load_arrow()
        timeout = seconds(self.config.wait_timeout) if self.config.on_limit == "wait" else 0.0
        deadline = self._clock() + timeout
        while True:
            with self._lock:
                if self._closed:
                    msg = "the memory pool is closed; make a new one"
                    raise PoolError(msg)
                dropped = self._shelve()
                recycled = shelf.idle.pop() if shelf.idle else None
                if recycled is not None or self._reserve(shelf, dropped):
                    if served:
                        self._serve(shelf, nbytes, hit=recycled is not None)
                    else:
                        self._lend(shelf)
                    break
                self._waiting += 1
            dropped.clear()
            self._wait(shelf, nbytes, deadline)
        dropped.clear()
        return recycled or self._allocate(shelf)

    def _wait(self, shelf: Shelf, nbytes: int, deadline: float) -> None:
        """Wait for something to come back."""
        left = deadline - self._clock()
        try:
            # No waiting for what can't come: the request alone is over the limit.
            if left <= 0 or shelf.capacity > (self.config.max_bytes or 0):
                raise Empty
            self._room.get(timeout=left)
        except Empty:
            raise self._limit_error(shelf, nbytes) from None
        finally:
            with self._lock:
                self._waiting -= 1
            self._settle()

    def _limit_error(self, shelf: Shelf, nbytes: int) -> PoolLimitError:
        msg = (
            f"a buffer of {nbytes:,} bytes (size class {shelf.capacity:,}) would take the memory "
            f"pool over `max_bytes={self.config.max_bytes:,}`: {self._in_use:,} bytes are in use; "
            f"let go of results you no longer need, or raise `max_bytes`"
        )
        return PoolLimitError(msg)

    def _allocate(self, shelf: Shelf) -> Block:
        try:
            try:
                memory = self._allocate_buffer(shelf.capacity, memory_pool=self._backend)
            except MemoryError:
                self.trim()
                memory = self._allocate_buffer(shelf.capacity, memory_pool=self._backend)
            return Block(shelf, memory)
        except BaseException:
            with self._lock:
                self._unlend(shelf)
                self._held -= shelf.capacity
                self._wake()
            raise

    def _load_arrow(self) -> None:
        if self._backend is None:
            import pyarrow as pa

            self._allocate_buffer = pa.allocate_buffer
            self._foreign_buffer = pa.foreign_buffer
            self._backend = backends.load(self.config.backend)
