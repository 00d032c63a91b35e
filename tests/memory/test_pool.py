"""`MemoryPool` as one thread sees it: recycling, statistics, warm-up, cleaning up, closing."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from datetime import timedelta

import pyarrow as pa
import pytest

from dataflare_vec.config.settings import MemoryPoolConfig
from dataflare_vec.memory import BufferSize, MemoryPool, PooledBuffer, PoolError

COLUMN = 5 << 20  # its own class, and served exactly


class Clock:
    """Seconds that pass when told to."""

    def __init__(self, pool):
        self.now = pool._clock()
        pool._clock = self

    def __call__(self):
        return self.now


def make(**settings):
    return MemoryPool(MemoryPoolConfig(**settings))


def test_what_was_returned_last_is_lent_next():
    pool = make()
    a, b = pool.get_buffer(100), pool.get_buffer(100)
    address = b.address
    pool.return_buffer(a)
    pool.return_buffer(b)
    assert pool.get_buffer(200).address == address


def test_a_buffer_is_writable_memory():
    buffer = make().get_buffer(5)
    memoryview(buffer)[:] = b"hello"
    assert bytes(buffer) == b"hello"
    assert memoryview(buffer).format == "B"
    assert repr(buffer) == f"<PooledBuffer: 5 of 256 bytes at {buffer.address:#x}>"


def test_a_returned_handle_has_nothing():
    pool = make()
    buffer = pool.get_buffer(5)
    assert not buffer.returned
    pool.return_buffer(buffer)
    assert buffer.returned
    assert (buffer.address, buffer.size, buffer.capacity, bytes(buffer)) == (0, 0, 0, b"")
    assert repr(buffer) == "<PooledBuffer: returned>"
    with pytest.raises(
        PoolError, match=r"^the buffer has been returned to its pool; call `to_arrow` before returning it$"
    ):
        buffer.to_arrow()


def test_a_second_return_does_nothing():
    pool = make()
    buffer = pool.get_buffer(5)
    for _ in range(3):
        pool.return_buffer(buffer)
        buffer.release()
    a, b = pool.get_buffer(5), pool.get_buffer(5)
    assert a.address != b.address
    assert pool.get_stats().in_use_buffers == 2


def test_a_context_manager_returns_also_when_it_fails():
    pool = make()
    with pytest.raises(KeyError), pool.get_buffer(5) as buffer:
        raise KeyError
    assert buffer.returned
    assert pool.get_stats().in_use_buffers == 0


def test_only_a_pool_s_buffer_can_be_returned():
    with pytest.raises(TypeError, match=r"^`buffer` must be a PooledBuffer, got bytearray$"):
        make().return_buffer(bytearray())
    with pytest.raises(TypeError, match=r"^a PooledBuffer comes from `MemoryPool.get_buffer`$"):
        PooledBuffer()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_no_copies_of_a_handle(duplicate):
    with pytest.raises(TypeError, match="can't be copied or pickled; take its bytes with `bytes"):
        duplicate(make().get_buffer(1))


def test_statistics():
    pool = make()
    assert pool.get_stats().cache_hit_rate == 0.0
    assert pool.get_stats().memory_efficiency == 1.0
    for _ in range(4):
        with pool.get_buffer(128):
            pass
    big = pool.get_buffer(COLUMN)
    stats = pool.get_stats()
    assert (stats.hits, stats.misses) == (3, 2)
    assert stats.cache_hit_rate == 3 / 5
    assert stats.memory_efficiency == (4 * 128 + COLUMN) / (4 * 256 + COLUMN)
    assert (stats.in_use_buffers, stats.in_use_bytes) == (1, COLUMN)
    assert (stats.idle_buffers, stats.idle_bytes) == (1, 256)
    del big
    stats = pool.get_stats()
    assert (stats.in_use_bytes, stats.idle_bytes, stats.peak_bytes) == (0, COLUMN + 256, COLUMN)
    assert [c.size for c in stats.classes] == [*BufferSize, None]
    column = stats.classes[-1]
    assert (column.capacity, column.in_use, column.idle) == (COLUMN, 0, 1)
    assert (column.hits, column.misses, column.requested_bytes) == (0, 1, COLUMN)
    assert repr(pool) == "<MemoryPool: 0 bytes in use, 5,243,136 held>"


def test_without_metrics_what_is_held_is_still_known():
    pool = make(enable_metrics=False)
    buffer = pool.get_buffer(100)
    stats = pool.get_stats()
    assert (stats.hits, stats.misses, stats.cache_hit_rate, stats.memory_efficiency) == (0, 0, 0.0, 1.0)
    assert (stats.in_use_bytes, stats.peak_bytes) == (256, 256)
    del buffer


def test_warmup_fills_each_class():
    counts = dict(
        max_tiny_buffers=5, max_small_buffers=4, max_medium_buffers=3, max_large_buffers=2, max_huge_buffers=1
    )
    pool = make(**counts)
    for _ in range(2):  # the second finds it done
        pool.warmup()
        stats = pool.get_stats()
        assert [c.idle for c in stats.classes] == [5, 4, 3, 2, 1]
        assert (stats.in_use_bytes, stats.peak_bytes, stats.misses) == (0, 0, 0)
    pool.get_buffer(1)
    assert pool.get_stats().cache_hit_rate == 1.0


def test_warmup_for_columns():
    pool = make()
    pool.warmup([COLUMN, COLUMN, COLUMN - 1])
    assert pool.get_stats().idle_bytes == 3 * COLUMN
    with pytest.raises(ValueError, match=r"^`nbytes` must be 0 or more, got -8$"):
        pool.warmup([-8])


def test_no_more_than_so_many_stay_idle():
    pool = make(max_tiny_buffers=3)
    buffers = [pool.get_buffer(1) for _ in range(10)]
    del buffers
    assert pool.get_stats().idle_buffers == 3


def test_columns_are_bounded_by_bytes_and_the_oldest_go():
    pool = make(max_idle_bytes=2 * COLUMN)
    tiny = pool.get_buffer(1)
    a, b, c = (pool.get_buffer(COLUMN) for _ in range(3))
    addresses = {b.address, c.address}
    tiny.release()
    for buffer in (a, b, c):
        buffer.release()
    stats = pool.get_stats()
    assert stats.idle_bytes == 2 * COLUMN + 256
    assert {pool.get_buffer(COLUMN).address for _ in range(1)} <= addresses
    # One larger than all of the bound isn't kept, and pushes out what is.
    pool.get_buffer(3 * COLUMN)
    assert pool.get_stats().classes[-1].idle == 0


def test_what_is_idle_too_long_is_freed():
    pool = make(max_idle_time=300, cleanup_interval=60)
    clock = Clock(pool)
    old, new = pool.get_buffer(1), pool.get_buffer(COLUMN)
    old.release()
    clock.now += 299
    new.release()
    assert pool.get_stats().idle_buffers == 2
    clock.now += 2
    pool.get_buffer(4096)  # anything that comes back; the last look is less than 60 s ago
    assert pool.get_stats().idle_buffers == 3
    clock.now += 60
    pool.get_buffer(4096)
    stats = pool.get_stats()
    assert [c.idle for c in stats.classes] == [0, 1, 0, 0, 0, 1]


def test_trim():
    pool = make()
    clock = Clock(pool)
    old, new = pool.get_buffer(1), pool.get_buffer(COLUMN)
    kept = pool.get_buffer(1)
    old.release()
    clock.now += 10
    new.release()
    assert pool.trim(timedelta(seconds=5)) == 256
    assert pool.trim(5) == 0
    assert pool.trim() == COLUMN
    assert pool.get_stats().in_use_bytes == 256
    assert kept.size == 1


def test_a_closed_pool():
    with make() as pool:
        buffer = pool.get_buffer(1)
        pool.get_buffer(COLUMN)
    assert repr(pool) == "<MemoryPool: closed, 256 bytes in use, 256 held>"
    with pytest.raises(PoolError, match=r"^the memory pool is closed; make a new one$"):
        pool.get_buffer(1)
    memoryview(buffer)[0] = 1
    buffer.release()
    assert pool.get_stats().idle_buffers == pool.get_stats().in_use_buffers == 0
    pool.close()


def test_a_dropped_pool_frees_its_memory_at_once():
    gc.disable()
    try:
        before = pa.total_allocated_bytes()
        pool = make()
        reader = pool.get_buffer(1).to_arrow()
        pool.get_buffer(COLUMN)
        assert pa.total_allocated_bytes() - before == COLUMN + 256
        gone = weakref.ref(pool)
        del pool
        assert reader.size == 1
        assert gone() is not None  # its lease comes back to it
        del reader
        assert gone() is None
        assert pa.total_allocated_bytes() == before
    finally:
        gc.enable()


def test_out_of_memory_frees_what_is_idle_and_tries_again():
    pool = make()
    pool.get_buffer(COLUMN)
    allocate, calls = pool._allocate_buffer, []

    def failing(size, memory_pool):
        calls.append(pool.get_stats().idle_bytes)
        if len(calls) == 1:
            raise MemoryError
        return allocate(size, memory_pool=memory_pool)

    pool._allocate_buffer = failing
    assert pool.get_buffer(1).size == 1
    assert calls == [COLUMN, 0]

    def hopeless(size, memory_pool):
        raise MemoryError

    pool._allocate_buffer = hopeless
    pool.trim()
    with pytest.raises(MemoryError):
        pool.get_buffer(1)
    assert repr(pool) == "<MemoryPool: 0 bytes in use, 0 held>"
