"""One piece of pooled memory: the block that is recycled, the lease on it, the user's handle.

A `Block` lives as long as the pool keeps its memory. Each time it is lent, there is a new `Lease`,
and everything that can read the memory refers to that lease, directly or through others: the
handle, an Arrow buffer, a memoryview. So the lease's finaliser is the one and only way back.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn

from dataflare_vec.memory.errors import PoolError
from dataflare_vec.memory.exporter import BufferExporter

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow as pa

    from dataflare_vec.memory.pool import MemoryPool
    from dataflare_vec.memory.sizes import BufferSize


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


class Block:
    """Memory from Arrow, lent again and again."""

    __slots__ = ("address", "idle_since", "memory", "shelf")

    def __init__(self, shelf: Shelf, memory: pa.Buffer) -> None:
        self.shelf = shelf
        self.memory = memory
        self.address: int = memory.address
        self.idle_since = 0.0


class Lease:
    """One lending of a block; its end brings the block back to the pool."""

    __slots__ = ("_block", "_pool", "address", "size")

    def __init__(self, pool: MemoryPool, block: Block, size: int) -> None:
        self._pool = pool
        self._block = block
        self.address = block.address
        self.size = size

    def __del__(self) -> None:
        self._pool._take_back(self._block)

    def __buffer__(self, flags: int, /) -> memoryview:
        return memoryview(self._block.memory).cast("B")[: self.size]


class PooledBuffer(BufferExporter):
    """A writable piece of a `MemoryPool`'s memory, got with `MemoryPool.get_buffer`.

    It speaks the buffer protocol: ``memoryview(buffer)``, ``numpy.frombuffer(buffer)``, and so on
    read and write its memory. As a context manager it returns itself to the pool.

    Attributes
    ----------
    address : int
        Where it starts; a multiple of 64.
    size : int
        Bytes asked for, and the length of its views.
    capacity : int
        Bytes there are; those from `size` on may be used as scratch space.

    Notes
    -----
    Returning it is a promise not to use this handle any more, and nothing else: views and Arrow
    buffers made from it stay valid, and the memory is recycled when the last of them is gone. A
    returned handle has the address 0 and the size 0, and its views have no bytes. Returning it
    again does nothing. Dropping it without returning it is as good.

    The memory isn't cleared: a recycled buffer starts with what was last written there.

    Examples
    --------
    >>> from dataflare_vec.memory import MemoryPool
    >>> pool = MemoryPool()
    >>> with pool.get_buffer(5) as buffer:
    ...     memoryview(buffer)[:] = b"hello"
    ...     shared = buffer.to_arrow()
    >>> shared.to_pybytes()
    b'hello'
    >>> pool.get_stats().in_use_bytes
    256
    >>> del shared
    >>> pool.get_stats().in_use_bytes
    0
    """

    __slots__ = ("_lease", "address", "capacity", "size")

    def __init__(self, lease: Lease, capacity: int) -> None:
        self._lease: Lease | None = lease
        self.address = lease.address
        self.size = lease.size
        self.capacity = capacity

    @property
    def returned(self) -> bool:
        """Whether this handle has been returned to its pool."""
        return self._lease is None

    def to_arrow(self) -> pa.Buffer:
        """Return the memory as an Arrow buffer of `size` bytes, without a copy.

        Returns
        -------
        pyarrow.Buffer
            Keeps the memory from being recycled for as long as it, or anything made from it,
            lives.

        Raises
        ------
        PoolError
            If this handle has been returned.

        Notes
        -----
        Arrow takes it as immutable. Write first, then share.
        """
        lease = self._lease
        if lease is None:
            msg = "the buffer has been returned to its pool; call `to_arrow` before returning it"
            raise PoolError(msg)
        buffer: pa.Buffer = lease._pool._foreign_buffer(lease.address, lease.size, lease)
        return buffer

    def release(self) -> None:
        """Return this handle to its pool; the same as `MemoryPool.return_buffer`."""
        self.address = self.size = self.capacity = 0
        self._lease = None

    def __buffer__(self, flags: int, /) -> memoryview:
        lease: Any = self._lease
        return memoryview(bytearray() if lease is None else lease)

    def __enter__(self) -> PooledBuffer:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __reduce__(self) -> NoReturn:
        msg = "a pooled buffer can't be copied or pickled; take its bytes with `bytes(buffer)`"
        raise TypeError(msg)

    def __repr__(self) -> str:
        if self._lease is None:
            return "<PooledBuffer: returned>"
        return f"<PooledBuffer: {self.size} of {self.capacity} bytes at {self.address:#x}>"
