"""Law 5 as a state machine: any sequence of getting, sharing, returning and letting go."""

from __future__ import annotations

import gc
import threading
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dataflare_vec.config.settings import MemoryPoolConfig
from dataflare_vec.memory import MemoryPool

SHARES = {
    "arrow": lambda b: b.to_arrow(),
    "arrow slice": lambda b: b.to_arrow().slice(b.size // 2),
    "numpy": lambda b: np.frombuffer(b, np.uint8)[b.size // 3 :],
    "polars": lambda b: pl.Series(pa.Array.from_buffers(pa.uint8(), b.size, [None, b.to_arrow()]))[1:],
    "memoryview": lambda b: memoryview(b)[b.size // 2 :],
}


def content(reader):
    return set(reader.to_list() if isinstance(reader, pl.Series) else bytes(reader))


class Lent:
    """One lending as the model knows it: the handle, if not returned, and the readers."""

    def __init__(self, buffer, pattern):
        self.handle, self.pattern, self.readers = buffer, pattern, []
        self.start, self.capacity = buffer.address, buffer.capacity


class PoolMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.pool = MemoryPool(MemoryPoolConfig(max_tiny_buffers=2, max_idle_bytes=12 << 20))
        self.lent = []
        self.requests = self.pattern = 0

    def forget(self):
        self.lent = [x for x in self.lent if x.handle is not None or x.readers]

    @rule(size=st.sampled_from([2, 255, 256, 257, 5000, 5 << 20]))
    def get(self, size):
        self.pattern = (self.pattern + 1) % 256
        buffer = self.pool.get_buffer(size)
        np.frombuffer(buffer, np.uint8)[:] = self.pattern
        self.lent.append(Lent(buffer, self.pattern))
        self.requests += 1

    def some(self, data):
        return data.draw(st.sampled_from(self.lent))

    @precondition(lambda self: self.lent)
    @rule(data=st.data(), kind=st.sampled_from(sorted(SHARES)))
    def share(self, data, kind):
        lent = self.some(data)
        if lent.handle is not None:
            lent.readers.append(SHARES[kind](lent.handle))

    @precondition(lambda self: self.lent)
    @rule(data=st.data(), how=st.sampled_from(["twice", "drop", "thread"]))
    def give_back(self, data, how):
        lent = self.some(data)
        if lent.handle is None:
            return
        if how == "twice":
            self.pool.return_buffer(lent.handle)
            self.pool.return_buffer(lent.handle)
        elif how == "thread":
            thread = threading.Thread(target=lent.handle.release)
            thread.start()
            thread.join()
        lent.handle = None
        self.forget()

    @precondition(lambda self: self.lent)
    @rule(data=st.data(), elsewhere=st.booleans())
    def drop_reader(self, data, elsewhere):
        lent = self.some(data)
        if elsewhere:
            thread = threading.Thread(target=lent.readers.clear)
            thread.start()
            thread.join()
        elif lent.readers:
            lent.readers.pop()
        self.forget()
        del lent

    @rule()
    def collect(self):
        gc.collect(0)

    @rule()
    def trim(self):
        idle = self.pool.get_stats().idle_bytes
        assert self.pool.trim() == idle

    @invariant()
    def readers_see_what_was_written(self):
        for lent in self.lent:
            for reader in lent.readers:
                assert content(reader) <= {lent.pattern}
            if lent.handle is not None:
                assert memoryview(lent.handle)[-1] == lent.pattern

    @invariant()
    def leases_are_apart(self):
        spans = sorted((x.start, x.start + x.capacity) for x in self.lent)
        assert all(a[1] <= b[0] for a, b in pairwise(spans))

    @invariant()
    def the_books_are_right(self):
        stats = self.pool.get_stats()
        assert stats.in_use_buffers == len(self.lent)
        assert stats.in_use_bytes == sum(x.capacity for x in self.lent) == self.pool._free_lists.in_use
        assert stats.in_use_bytes + stats.idle_bytes == self.pool._free_lists.held
        assert stats.hits + stats.misses == self.requests
        assert stats.classes[0].idle <= 2
        assert sum(c.capacity * c.idle for c in stats.classes if c.size is None) <= 12 << 20


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=max(30, settings().max_examples), stateful_step_count=25)
