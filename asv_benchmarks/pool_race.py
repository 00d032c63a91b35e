"""Output memory from the pool against the alternatives, side by side, as ratios.

python asv_benchmarks/pool_race.py            # 20M rows
python asv_benchmarks/pool_race.py --quick    # small data, to see that it runs
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pyarrow as pa

from dataflare_vec.memory import MemoryPool

if TYPE_CHECKING:
    from collections.abc import Callable


@numba.njit(error_model="numpy")
def triad(a, b, out):
    for i in range(a.size):
        out[i] = a[i] * b[i] + 1.0


def timed(functions: list[Callable[[], Any]], repeats: int) -> list[float]:
    """Median seconds of each, run in turn."""
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(repeats):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [median(taken) for taken in times]


def row(what: str, ratio: float, bar: str, note: str = "") -> None:
    print(f"{what:<66} {ratio:>8.2f}  {bar:<8} {note}", flush=True)


def output_memory(rows: int, repeats: int) -> None:
    """A light kernel into memory of four kinds."""
    random = np.random.default_rng(1)
    a, b = random.random(rows), random.random(rows)
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
    ours, *theirs = timed(list(contenders.values()), repeats)
    bars = {"NumPy": "≥ 1.2", "Arrow system": "≥ 4", "Arrow mimalloc": "≥ 1.0"}
    for name, taken in zip(list(contenders)[1:], theirs, strict=True):
        what = f"a*b+1 into a recycled buffer, {rows:,} rows: times faster than {name}"
        row(what, taken / ours, bars[name], f"{ours * 1e3:.1f} ms against {taken * 1e3:.1f}")


def one_buffer(repeats: int) -> None:
    """What a buffer costs to get and return."""
    pool = MemoryPool()
    calls = 5000

    def ours() -> None:
        for _ in range(calls):
            pool.return_buffer(pool.get_buffer(1000))

    def theirs() -> None:
        for _ in range(calls):
            pa.allocate_buffer(1000)

    a, b = (taken / calls * 1e6 for taken in timed([ours, theirs], repeats * 3))
    row(
        "get_buffer + return_buffer: time / pa.allocate_buffer",
        a / b,
        "≤ 2 µs",
        f"{a:.2f} µs against {b:.2f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small data: does it run?")
    scale, repeats = (20, 1) if parser.parse_args().quick else (1, 7)
    print(f"{'figure':<66} {'ratio':>8}  bar")
    output_memory(20_000_000 // scale, repeats)
    one_buffer(repeats)


if __name__ == "__main__":
    main()
