"""One piece of pooled memory: the block that is recycled, the lease on it, the user's handle.

A `Block` lives as long as the pool keeps its memory. Each time it is lent, there is a new `Lease`,
and everything that can read the memory refers to that lease, directly or through others: the
handle, an Arrow buffer, a memoryview. So the lease's finaliser is the one and only way back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from dataflare_vec.exceptions import PoolError
from dataflare_vec.memory.exporter import BufferExporter

if TYPE_CHECKING:
    from collections import deque

    import pyarrow as pa

_BYTE = np.dtype(np.uint8)
_new_array = np.ndarray.__new__
_new_handle = object.__new__


class Block:
    """Memory from Arrow, lent again and again."""

    __slots__ = ("address", "bytes", "capacity", "idle_since")

    # It doesn't refer to its size class: without cycles, a pool that is dropped is freed at once.
    def __init__(self, memory: pa.Buffer) -> None:
        self.bytes = memoryview(memory)
        self.address: int = memory.address
        self.capacity: int = memory.size
        self.idle_since = 0.0


class Lender(Protocol):
    """What a lease needs of the pool that its block belongs to."""

    _returned: deque[Block]
    _foreign_buffer: Any

    def _settle(self) -> None: ...


class Lease(np.ndarray[Any, Any]):
    """One lending of a block; its end brings the block back to the pool.

    An array, because views made through the buffer protocol keep the exporter alive, and an
    exporter of any memory that is written in C, and can have a finaliser, is what NumPy has.
    Its own base is no array: NumPy would make that one the base of arrays made from the lease.
    """

    __slots__ = ("_block", "_pool")
    _block: Block
    _pool: Lender

    def __del__(self) -> None:
        try:
            block = self._block
        except AttributeError:
            return  # an array that NumPy made from a lease, and that refers to it
        pool = self._pool
        pool._returned.append(block)
        pool._settle()


def lend(pool: Lender, block: Block, nbytes: int) -> PooledBuffer:
    """Make a lease on a block that is off its free list, and the handle of it."""
    lease = _new_array(Lease, nbytes, _BYTE, block.bytes)
    lease._pool = pool
    lease._block = block
    buffer = _new_handle(PooledBuffer)
    buffer._lease = lease
    return buffer


GONE = np.empty(0, np.uint8)  # in place of the lease of a returned handle


class PooledBuffer(BufferExporter):
    """A writable piece of a `MemoryPool`'s memory, got with `MemoryPool.get_buffer`.

    It speaks the buffer protocol: ``memoryview(buffer)``, ``numpy.frombuffer(buffer)``, and so on
    read and write its memory. As a context manager it returns itself to the pool.

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

    __slots__ = ()

    def __init__(self) -> None:
        msg = "a PooledBuffer comes from `MemoryPool.get_buffer`"
        raise TypeError(msg)

    @property
    def returned(self) -> bool:
        """Whether this handle has been returned to its pool."""
        return self._lease is GONE

    @property
    def address(self) -> int:
        """Where it starts; a multiple of 64."""
        lease = self._lease
        return 0 if lease is GONE else lease._block.address

    @property
    def size(self) -> int:
        """Bytes asked for, and the length of its views."""
        size: int = self._lease.nbytes
        return size

    @property
    def capacity(self) -> int:
        """Bytes there are; those from `size` on may be used as scratch space."""
        lease = self._lease
        return 0 if lease is GONE else lease._block.capacity

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
        if lease is GONE:
            msg = "the buffer has been returned to its pool"
            raise PoolError(msg, hint="call `to_arrow` before returning it")
        buffer: pa.Buffer = lease._pool._foreign_buffer(lease._block.address, lease.nbytes, lease)
        return buffer

    def release(self) -> None:
        """Return this handle to its pool; the same as `MemoryPool.return_buffer`."""
        self._lease = GONE

    def __enter__(self) -> PooledBuffer:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __reduce__(self) -> NoReturn:
        msg = "a pooled buffer can't be copied or pickled; take its bytes with `bytes(buffer)`"
        raise TypeError(msg)

    def __repr__(self) -> str:
        if self.returned:
            return "<PooledBuffer: returned>"
        return f"<PooledBuffer: {self.size} of {self.capacity} bytes at {self.address:#x}>"
