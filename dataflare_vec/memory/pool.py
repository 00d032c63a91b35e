"""The memory pool: size classes of recycled Arrow memory."""

from __future__ import annotations

import time
from collections import deque
from contextlib import nullcontext, suppress
from threading import TIMEOUT_MAX, Lock, RLock
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.durations import seconds
from dataflare_vec.config.settings import MemoryPoolConfig
from dataflare_vec.exceptions import PoolError, PoolLimitError
from dataflare_vec.memory import backends, fork
from dataflare_vec.memory.buffer import GONE, Block, PooledBuffer, lend
from dataflare_vec.memory.claims import Claims, claim_memory, claim_of_thread
from dataflare_vec.memory.free_lists import FreeLists, SizeClass
from dataflare_vec.memory.size_classes import as_size
from dataflare_vec.memory.stats import ClassStats, PoolStats, summarise

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from dataflare_vec.memory.claims import Claim


class MemoryPool:
    """Memory pool that recycles the memory of output columns and scratch buffers.

    Parameters
    ----------
    config
        Settings of the pool; the defaults if omitted.

    Notes
    -----
    Every buffer starts at a multiple of 64 bytes. A request gets a buffer of the smallest class
    that holds it: 256 B, 4 KiB, 64 KiB, 1 MiB, 4 MiB (`BufferSize`), and above that four classes
    to each power of two.

    Memory comes back by itself when nothing refers to it any more: not the `PooledBuffer`, nor an
    Arrow buffer, a Polars Series, a NumPy array or a memoryview made from it, nor a slice of those.
    The last of them may go on any thread, during garbage collection, at interpreter exit, and on
    either side of a fork.

    Numbers and booleans that a call returns have memory of their own, outside of the pool, if it had up to
    1,024 rows, or up to 131,072 where the pool has no `max_bytes`.

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
    # while it holds the lock. So a finaliser never waits for the lock. It leaves its block in
    # `_returned` (a deque's append is atomic) and, if the lock is free, puts it on its free list; if
    # not, whoever holds the lock looks at `_returned` once more after letting go of it (`_settle`), so
    # nothing is left lying. The lock is reentrant for the finaliser or signal handler that itself wants
    # a buffer; `FreeLists` is fit for that. Arrow is never called under the lock.

    def __init__(self, config: MemoryPoolConfig | None = None) -> None:
        self.config = config = config or MemoryPoolConfig()
        self._free_lists = FreeLists(config, time.monotonic())
        self._lock = RLock()
        self._returned: deque[Block] = deque()
        # Locked gates of those who wait at the limit. A plain lock, unlike a Condition or an Event,
        # can be opened from a finaliser that broke into the opening of the same lock.
        self._gates: deque[Any] = deque()
        self._patience = seconds(config.wait_timeout) if config.on_limit == "wait" else 0.0
        self._claims = Claims()
        self.waits = config.on_limit == "wait" and config.max_bytes is not None
        # An attribute, because at interpreter exit module globals may go before the last lease.
        self._clock = time.monotonic
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
        with self._lock:
            block = None if self._claims.inside else self._free_lists.take(nbytes)
        if block is None:
            block = self._obtain(nbytes)
        elif self._returned:
            self._settle()
        return lend(self, block, nbytes)

    def claim(
        self, need: int | None, least: int = 0, *, calls_python: bool = False
    ) -> AbstractContextManager[Any]:
        """Return where a run has its memory from, when it is its turn: see `claims.claim_memory`."""
        if not self.waits:
            return nullcontext(self)
        return claim_memory(self, need, least, calls_python=calls_python)

    def return_buffer(self, buffer: PooledBuffer) -> None:
        """Return a buffer to the pool.

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
        buffer._lease = GONE  # `release`, in one step less

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
            sizes = [s.capacity for s in self._free_lists.all() if s.size for _ in range(s.max_idle)]
        buffers = []
        for nbytes in map(as_size, sizes):
            buffers.append(lend(self, self._obtain(nbytes, request=False), nbytes))
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
                    size=size_class.size,
                    capacity=size_class.capacity,
                    in_use=size_class.lent,
                    idle=len(size_class.idle),
                    hits=size_class.hits,
                    misses=size_class.misses,
                    requested_bytes=size_class.requested,
                )
                for size_class in self._free_lists.all()
            )
            peak_bytes = self._free_lists.peak
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
        dropped: list[Block] = []
        with self._lock:
            self._free_lists.drop_idle_since(self._clock() - seconds(max_idle_time), dropped)
        self._settle()
        nbytes = sum(block.capacity for block in dropped)
        dropped.clear()
        if self._backend is not None:
            self._backend.release_unused()
        return nbytes

    def close(self) -> None:
        """Free all idle buffers, keep none from now on, and lend none.

        Buffers in use stay valid, and are freed when their last reader lets go.
        """
        self._free_lists.closed = True
        self.trim()
        self._wake()

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._free_lists.closed

    def __enter__(self) -> MemoryPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed, " if self._free_lists.closed else ""
        return (
            f"<MemoryPool: {state}{self._free_lists.in_use:,} bytes in use, {self._free_lists.held:,} held>"
        )

    def _settle(self) -> None:
        """Put what came back on its free list, unless somebody holds the lock and so will do it."""
        lock = self._lock
        while self._returned and lock.acquire(False):
            try:
                dropped = self._recycle()
            finally:
                lock.release()
            del dropped

    def _recycle(self) -> list[Block]:
        """Put what came back on its free list; return the blocks that are to be freed. Under the lock."""
        came_back = bool(self._returned)
        dropped = self._free_lists.take_back(self._returned, self._clock())
        if came_back and self._gates:  # or those who wait would wake each other for ever
            self._wake()
        return dropped

    def _wake(self) -> None:
        """Let all who wait at the limit try again."""
        try:
            while True:
                self._gates.popleft().release()
        except IndexError:
            pass

    def _obtain(self, nbytes: int, *, request: bool = True, claim: Claim | None = None) -> Block:
        """Get a block that isn't at hand: recycled, if one just came back, or a fresh one."""
        self._load_arrow()
        free_lists = self._free_lists
        size_class = free_lists.class_for(nbytes)
        deadline = self._clock() + self._patience
        while True:
            gate = block = None
            try:
                with self._lock:
                    self._check_open()
                    dropped = self._recycle()
                    promised = self._claims.promised(claim)
                    if free_lists.has_room(size_class, promised):
                        block = free_lists.take(nbytes) if request else free_lists.take_uncounted(size_class)
                    if block is not None or free_lists.reserve(size_class, dropped, promised):
                        if claim is not None:
                            claim.left = max(claim.left - size_class.capacity, 0)
                        if block is None and request:
                            free_lists.miss(size_class, nbytes)
                    else:
                        gate = self._new_gate()
            finally:
                # What came back while this thread held the lock; it may open the gate.
                self._settle()
            dropped.clear()
            if gate is None:
                return block or self._allocate(size_class)
            # No waiting for what can't come: the request alone is over the limit.
            possible = size_class.capacity <= (self.config.max_bytes or 0)
            deadline = self._wait(gate, deadline if possible else 0.0, claim)
            if not deadline:
                raise self._limit_error(size_class, nbytes, waited=possible and self.waits)

    def _check_open(self) -> None:
        if self._free_lists.closed:
            msg = "the memory pool is closed"
            raise PoolError(msg, hint="make a new one")

    def _new_gate(self) -> Any:
        gate = Lock()
        gate.acquire()
        self._gates.append(gate)
        return gate

    def _wait(self, gate: Any, deadline: float, claim: Claim | None) -> float:
        """Wait for something to come back; return until when to wait the next time, 0 for no longer.

        While a run is at work whose memory will come back, that is put off.
        """
        claim = claim or claim_of_thread(self)
        try:
            self._count_waiting(claim, 1)
            timeout = deadline - self._clock()
            if gate.acquire(timeout=min(max(timeout, 0.0), TIMEOUT_MAX)):
                return deadline
            is_put_off = deadline and self._patience and self._claims.will_end(claim)
            return self._clock() + self._patience if is_put_off else 0.0
        finally:
            self._count_waiting(claim, -1)
            with suppress(ValueError):
                self._gates.remove(gate)

    def _count_waiting(self, claim: Claim | None, change: int) -> None:
        if claim is not None:
            with self._lock:
                claim.waiting += change
            self._settle()

    def _limit_error(self, size_class: SizeClass, nbytes: int, *, waited: bool) -> PoolLimitError:
        return PoolLimitError(
            f"a buffer of {nbytes:,} bytes (size class {size_class.capacity:,}) would take the memory "
            f"pool over `max_bytes={self.config.max_bytes:,}`: {self._free_lists.in_use:,} bytes are in use",
            waited=waited,
            hint="drop results you no longer need, or raise `max_bytes`",
        )

    def _allocate(self, size_class: SizeClass) -> Block:
        try:
            try:
                memory = self._allocate_buffer(size_class.capacity, memory_pool=self._backend)
            except MemoryError:
                self.trim()
                memory = self._allocate_buffer(size_class.capacity, memory_pool=self._backend)
            return Block(memory)
        except BaseException:
            with self._lock:
                self._free_lists.forget(size_class)
            self._wake()
            self._settle()
            raise

    def _load_arrow(self) -> None:
        if self._backend is None:
            import pyarrow as pa

            self._allocate_buffer = pa.allocate_buffer
            self._foreign_buffer = pa.foreign_buffer
            self._backend = backends.load(self.config.backend)

    def _renew_lock(self) -> None:
        """Start over in the child of a fork, where the threads that held or wanted the lock aren't."""
        self._lock = RLock()
        self._gates.clear()
        self._claims.after_fork()
