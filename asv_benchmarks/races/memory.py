"""Output memory from the pool against NumPy's and Arrow's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dataflare_vec.memory import MemoryPool
from races.common import Figure, Size, at_least, at_most, numbers, timed
from races.rows import triad

if TYPE_CHECKING:
    from collections.abc import Iterator


def output_memory(size: Size) -> Iterator[Figure]:
    """A light kernel into memory of four kinds."""
    rows = size.rows(20_000_000)
    data = numbers(rows, "a", "b")
    a, b = data["a"].to_numpy(), data["b"].to_numpy()
    pool = MemoryPool()

    def into(memory: Any) -> None:
        triad(a, b, np.frombuffer(memory, np.float64, rows))

    contenders = {
        "pool": lambda: into(pool.get_buffer(rows * 8)),
        "NumPy": lambda: triad(a, b, np.empty(rows)),
        "Arrow system": lambda: into(pa.allocate_buffer(rows * 8, memory_pool=pa.system_memory_pool())),
    }
    if "mimalloc" in pa.supported_memory_backends():
        mimalloc = pa.mimalloc_memory_pool()
        contenders["Arrow mimalloc"] = lambda: into(pa.allocate_buffer(rows * 8, memory_pool=mimalloc))
    ours, *theirs = timed(list(contenders.values()), size.repeats)
    bars = {
        "NumPy": at_least(1.1, aim=1.2),
        "Arrow system": at_least(2, aim=4),  # fresh pages, which machines give out at unlike speed
        "Arrow mimalloc": at_least(0.8),
    }
    for name, taken in zip(list(contenders)[1:], theirs, strict=True):
        what = f"a*b+1 into a recycled buffer, {rows:,} rows: times faster than {name}"
        yield Figure(what, taken / ours, bars[name], f"{ours * 1e3:.1f} ms against {taken * 1e3:.1f}")


def one_buffer(size: Size) -> Iterator[Figure]:
    """What a buffer costs to get and return."""
    pool = MemoryPool()
    calls = 5000

    def ours() -> None:
        for _ in range(calls):
            pool.return_buffer(pool.get_buffer(1000))

    def theirs() -> None:
        for _ in range(calls):
            pa.allocate_buffer(1000)

    a, b = (taken / calls * 1e6 for taken in timed([ours, theirs], size.repeats * 3))
    note = f"µs; pa.allocate_buffer takes {b:.2f}"
    yield Figure("get_buffer + return_buffer", a, at_most(7, aim=2), note)


RACES = [output_memory, one_buffer]
