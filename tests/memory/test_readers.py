"""Law 5: memory is never recycled under a reader, whatever kind of reader it is."""

from __future__ import annotations

import gc
import sys
import threading

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from dataflare_vec.memory import MemoryPool

N = 1000


def as_arrow(buffer):
    return pa.Array.from_buffers(pa.int64(), N, [None, buffer.to_arrow()])


#: How a reader is made from a buffer, and its values as a list.
READERS = {
    "memoryview": (lambda b: memoryview(b).cast("q"), list),
    "memoryview slice": (lambda b: memoryview(b)[80:].cast("q"), list),
    "memoryview of a memoryview": (lambda b: memoryview(memoryview(b)[80:]).cast("q"), list),
    "numpy": (lambda b: np.frombuffer(b, np.int64), list),
    "numpy asarray": (lambda b: np.asarray(b), lambda a: list(a.view(np.int64))),
    "numpy slice": (lambda b: np.frombuffer(b, np.int64)[10:900:3], list),
    "numpy of numpy": (lambda b: np.asarray(np.frombuffer(b, np.int64)[10:]).view(), list),
    "numpy ctypes": (lambda b: np.ctypeslib.as_ctypes(np.frombuffer(b, np.int64)), list),
    "arrow buffer": (lambda b: b.to_arrow(), lambda o: list(memoryview(o).cast("B").cast("q"))),
    "arrow buffer slice": (
        lambda b: b.to_arrow().slice(80),
        lambda o: list(memoryview(o).cast("B").cast("q")),
    ),
    "arrow py_buffer": (lambda b: pa.py_buffer(b), lambda o: list(memoryview(o).cast("B").cast("q"))),
    "arrow": (as_arrow, lambda a: a.to_pylist()),
    "arrow slice": (lambda b: as_arrow(b)[10:900], lambda a: a.to_pylist()),
    "arrow table": (lambda b: pa.table({"x": as_arrow(b)}), lambda t: t["x"].to_pylist()),
    "arrow to numpy": (lambda b: as_arrow(b).to_numpy(), list),
    "polars": (lambda b: pl.Series(as_arrow(b)), lambda s: s.to_list()),
    "polars slice": (lambda b: pl.Series(as_arrow(b))[10:900], lambda s: s.to_list()),
    "polars frame": (lambda b: pl.DataFrame({"x": pl.Series(as_arrow(b))}), lambda d: d["x"].to_list()),
    "polars lazy": (
        lambda b: pl.DataFrame({"x": pl.Series(as_arrow(b))}).lazy(),
        lambda q: q.collect()["x"].to_list(),
    ),
    "polars to numpy": (lambda b: pl.Series(as_arrow(b)).to_numpy(), list),
    "polars to arrow": (lambda b: pl.Series(as_arrow(b)).to_arrow(), lambda a: a.to_pylist()),
}

if sys.version_info < (3, 12):  # from then on the owner is Python's own wrapper, which has no views
    READERS["memoryview's owner"] = (lambda b: memoryview(b).obj, lambda o: list(o.view(np.int64)))


@pytest.mark.parametrize("name", READERS)
def test_a_returned_buffer_stays_as_it_is_for_its_reader(name):
    make, values = READERS[name]
    pool = MemoryPool()
    buffer = pool.get_buffer(8 * N)
    np.frombuffer(buffer, np.int64)[:] = np.arange(N)
    address = buffer.address
    reader = make(buffer)
    before = values(reader)
    assert len(before) >= 200
    pool.return_buffer(buffer)
    pool.return_buffer(buffer)
    assert pool.get_stats().in_use_buffers == 1
    others = [pool.get_buffer(8 * N) for _ in range(5)]
    for other in others:
        assert other.address != address
        np.frombuffer(other, np.int64)[:] = -1
    gc.collect()
    assert values(reader) == before
    del reader, others, other
    assert pool.get_stats().in_use_buffers == 0
    recycled = pool.get_buffer(8 * N)  # keep them all, to see that the first one is among them
    addresses = {recycled.address, *(b.address for b in [pool.get_buffer(8 * N) for _ in range(5)])}
    assert address in addresses


def test_an_array_made_from_a_view_s_owner_keeps_the_lease():
    pool = MemoryPool()
    for derive in (np.asarray, lambda o: o[1:], lambda o: o.view(np.ndarray), lambda o: np.asarray(o)[2:]):
        view = memoryview(pool.get_buffer(10))
        owner = view.obj if isinstance(view.obj, np.ndarray) else np.asarray(view)
        derived = derive(owner)
        del view, owner
        assert pool.get_stats().in_use_buffers == 1
        del derived
        assert pool.get_stats().in_use_buffers == 0


def test_views_of_views_leak_nothing():
    pool = MemoryPool()
    buffer = pool.get_buffer(100)
    lease = buffer._lease
    before = sys.getrefcount(lease)
    for _ in range(1000):
        memoryview(buffer)[1:].release()
        np.frombuffer(buffer, np.uint8)
        buffer.to_arrow()
    assert sys.getrefcount(lease) == before
    del lease, buffer
    assert pool.get_stats().in_use_buffers == 0


def test_a_view_at_the_recursion_limit_is_a_view_or_an_error():
    buffer = MemoryPool().get_buffer(100)
    seen = set()

    def deeper():
        try:
            seen.add(memoryview(buffer).nbytes)
        except RecursionError:
            seen.add("error")
        deeper()

    with pytest.raises(RecursionError):
        deeper()
    assert seen <= {100, "error"}


def test_the_last_reader_may_go_on_any_thread():
    pool = MemoryPool()
    readers = [pl.Series(as_arrow(pool.get_buffer(8 * N))) for _ in range(20)]
    assert pool.get_stats().in_use_buffers == 20
    thread = threading.Thread(target=readers.clear)
    thread.start()
    thread.join()
    assert pool.get_stats().in_use_buffers == 0


def test_polars_threads_let_go():
    pool = MemoryPool()

    def column():
        buffer = pool.get_buffer(8 * N)
        np.frombuffer(buffer, np.int64)[:] = np.arange(N)
        return pl.Series(as_arrow(buffer))

    for _ in range(20):
        frame = pl.DataFrame({"a": column(), "b": column()}).lazy()
        out = frame.select(pl.col("a") + pl.col("b")).collect(engine="streaming")
        assert out["a"].sum() == N * (N - 1)
        del frame
    assert pool.get_stats().in_use_buffers == 0


def test_a_reader_in_a_reference_cycle_is_collected():
    pool = MemoryPool()
    cycle = [memoryview(pool.get_buffer(10))]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert pool.get_stats().in_use_buffers == 0


class Getting:
    """Wants a buffer when it dies, as a user's finaliser that applies a plugin does."""

    def __init__(self, pool, log):
        self.pool, self.log, self.buffer = pool, log, pool.get_buffer(100)

    def __del__(self):
        with self.pool.get_buffer(5 << 20) as other:
            self.log.append(other.size)


def test_collections_that_break_into_the_pool():
    pool = MemoryPool()
    log = []
    made = 0
    old = gc.get_threshold()
    gc.set_threshold(1, 1, 1)  # a collection at nearly each allocation, so inside the pool as well
    try:
        for _ in range(300):
            item = Getting(pool, log)
            item.self = item
            made += 1
            del item
            pool.get_buffer(1000)
            pool.get_stats()
            if made % 50 == 0:
                pool.trim()
    finally:
        gc.set_threshold(*old)
    gc.collect()
    assert len(log) == made
    stats = pool.get_stats()
    assert stats.in_use_buffers == 0
    assert pool._free_lists.held == stats.idle_bytes
