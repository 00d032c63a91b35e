"""Threads, forks and the end of the interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from dataflare_vec.config.settings import MemoryPoolConfig
from dataflare_vec.memory import MemoryPool

HEAD = """
import gc, os, sys, threading, time, warnings
warnings.simplefilter("ignore")  # newer Pythons warn of forks while there are threads, which is meant
from dataflare_vec.config.settings import MemoryPoolConfig
from dataflare_vec.memory import MemoryPool, default_pool

def use(pool):
    before = pool.get_stats()
    for size in (1, 5000, 100_000, 5 << 20):
        with pool.get_buffer(size) as a, pool.get_buffer(size) as b:
            memoryview(a)[:] = b"a" * size
            memoryview(b)[:] = b"b" * size
            assert bytes(a) == b"a" * size
            shared = a.to_arrow()
        assert shared.to_pybytes() == b"a" * size
    del shared
    assert pool.get_stats().in_use_buffers == before.in_use_buffers

def fork(then):
    child = os.fork()
    if not child:
        code = 1
        try:
            then()
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
"""
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def run(code):
    done = subprocess.run([sys.executable, "-c", HEAD + code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("settings", [{}, {"max_bytes": 8 << 20, "on_limit": "wait", "wait_timeout": 60}])
def test_eight_threads(settings):
    pool = MemoryPool(MemoryPoolConfig(max_tiny_buffers=2, max_idle_bytes=6 << 20, **settings))
    wrong = []
    pile, pile_lock = [], threading.Lock()

    def hammer(me):
        try:
            for i in range(300):
                size = (1, 100, 5000, 70_000)[(me + i) % 4]
                mark = bytes([me * 16 + i % 16])
                buffer = pool.get_buffer(size)
                view = memoryview(buffer)
                view[:] = mark * size
                buffer.release()
                with pile_lock:  # some other thread lets go of it
                    pile.append((view, mark))
                    view, mark = pile.pop(len(pile) // 2)
                if bytes(view) != mark * len(view):
                    wrong.append((me, i))
                del view
                if i % 50 == 0:
                    pool.trim()
                    pool.get_stats()
        except BaseException as error:
            wrong.append(error)

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=hammer, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert wrong == []
    pile.clear()
    stats = pool.get_stats()
    assert (stats.in_use_buffers, stats.hits + stats.misses) == (0, 8 * 300)
    assert pool._free_lists.held == stats.idle_bytes
    assert pool._free_lists.in_use == 0
    assert not pool._returned


@forks
def test_parent_and_child_both_go_on():
    run("""
pool = MemoryPool()
use(pool)
kept = pool.get_buffer(1000)
memoryview(kept)[:] = b"k" * 1000

def child():
    use(pool)
    use(default_pool())
    assert bytes(kept) == b"k" * 1000
    memoryview(kept)[:] = b"c" * 1000
    kept.release()
    assert pool.get_stats().in_use_buffers == 0
    fork(lambda: use(pool))

fork(child)
assert bytes(kept) == b"k" * 1000
use(pool)
""")


@forks
def test_a_fork_while_another_thread_holds_the_lock():
    run("""
pool = MemoryPool(MemoryPoolConfig(max_tiny_buffers=1))
pool.get_buffer(1)  # imports PyArrow: a fork amid an import hangs its child, whatever is imported
stop = False

def busy():
    while not stop:
        pool.get_buffer(10)
        pool.get_stats()

threads = [threading.Thread(target=busy) for _ in range(3)]
sys.setswitchinterval(1e-4)
for thread in threads:
    thread.start()

def child():
    for _ in range(100):
        pool.get_buffer(10)
    MemoryPool().get_buffer(10)

forking = threading.Thread(target=lambda: [fork(child) for _ in range(5)])
forking.start()  # two threads fork at once
for _ in range(5):
    fork(child)
forking.join()
stop = True
for thread in threads:
    thread.join()
assert pool.get_stats().in_use_buffers == 0
""")


@forks
def test_a_fork_while_the_lock_is_never_let_go():
    run("""
pool = MemoryPool()
held, done = threading.Event(), threading.Event()

def hold():
    with pool._lock:
        held.set()
        done.wait()

thread = threading.Thread(target=hold)
thread.start()
held.wait()
fork(lambda: use(pool))
done.set()
thread.join()
use(pool)
""")


@forks
def test_a_child_doesn_t_wait_for_what_its_parent_s_threads_wait_for():
    run("""
pool = MemoryPool(MemoryPoolConfig(max_bytes=4096, on_limit="wait", wait_timeout=60))
kept = pool.get_buffer(4096)
got = []
waiter = threading.Thread(target=lambda: got.append(pool.get_buffer(10)))
waiter.start()
while not pool._gates:
    time.sleep(0.001)

def child():
    kept.release()
    use_ = pool.get_buffer(4096)

fork(child)
assert not got
kept.release()
waiter.join()
assert got[0].size == 10
""")


@pytest.mark.parametrize(
    "code",
    [
        "kept = [default_pool().get_buffer(n) for n in (0, 1, 5000, 5 << 20)]",
        "kept = default_pool().get_buffer(10); views = [memoryview(kept), kept.to_arrow()]",
        "import polars as pl, pyarrow as pa\n"
        "kept = pl.Series(pa.Array.from_buffers(pa.int64(), 100, "
        "[None, default_pool().get_buffer(800).to_arrow()]))",
        "import numpy as np\nsys.kept = np.frombuffer(MemoryPool().get_buffer(800), np.int64)",
        "cycle = [default_pool().get_buffer(10)]; cycle.append(cycle); gc.disable()",
        "class Late:\n"
        "    def __init__(self): self.pool = default_pool(); self.buffer = self.pool.get_buffer(10)\n"
        "    def __del__(self): memoryview(self.buffer)[:] = b'x' * 10; self.pool.get_buffer(10)\n"
        "sys.late = Late(); late = Late()",
        "def busy():\n"
        "    while True: default_pool().get_buffer(100)\n"
        "threading.Thread(target=busy, daemon=True).start()\n"
        "time.sleep(0.1)",
        "import atexit\nkept = default_pool().get_buffer(10)\natexit.register(kept.release)",
    ],
    ids=["handles", "views", "polars", "numpy", "cycle", "late finaliser", "daemon thread", "atexit"],
)
def test_the_interpreter_ends_quietly(code):
    run(code)
