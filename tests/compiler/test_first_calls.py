"""The first calls of a process: from several threads at once, and while another one forks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAD = """
import os, sys, threading, time, traceback, warnings
warnings.simplefilter("ignore")  # newer Pythons warn of forks while there are threads, which is meant
import polars as pl
import dataflare_vec as dfv

@dfv.plugin
def shout(s):
    return s.upper() + "!"

@dfv.plugin
def weigh(s, each=3):
    return s.find("b") * each + len(s.strip())

frame = pl.DataFrame({"s": ["abc", "d\\u00e9f"] * 10})
failed = []

def call(plugin, delay=0.0):
    time.sleep(delay)
    try:
        dfv.apply(frame, plugin)
    except BaseException:
        failed.append(traceback.format_exc())
"""

THREADS = """
threads = [threading.Thread(target=call, args=one) for one in (("shout", {delay}), ("weigh",))]
for thread in threads: thread.start()
for thread in threads: thread.join()
call("weigh")
assert not failed, failed[0]
"""

BESIDE_NUMBA = """
def numba_by_itself():
    time.sleep({delay})
    try:
        import numba
        assert numba.njit(lambda x: x + 1)(1) == 2
    except BaseException:
        failed.append(traceback.format_exc())

threads = [threading.Thread(target=call, args=(one,)) for one in ("shout", "weigh")]
threads.insert(1, threading.Thread(target=numba_by_itself))
for thread in threads: thread.start()
for thread in threads: thread.join()
call("weigh")
assert not failed, failed[0]
"""

FORK = """
thread = threading.Thread(target=call, args=("weigh",))
thread.start()
time.sleep({delay})
child = os.fork()
if not child:
    call("shout")
    os._exit(len(failed))
thread.join()
assert os.waitpid(child, 0)[1] == 0
assert not failed, failed[0]
"""


def run(code, cache):
    environment = os.environ | {"DATAFLARE_VEC_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code], capture_output=True, text=True, timeout=300, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("delay", [0, 0.05])
def test_one_thread_loads_a_kernel_and_the_other_compiles_one(delay, tmp_path):
    run('call("shout")', tmp_path)
    run(THREADS.format(delay=delay), tmp_path)


@pytest.mark.parametrize("delay", [0, 0.3])
def test_a_thread_of_the_users_imports_numba_meanwhile(delay, tmp_path):
    run(BESIDE_NUMBA.format(delay=delay), tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("delay", [0.02, 0.1, 0.3])
def test_a_fork_during_the_first_call(delay, tmp_path):
    run(FORK.format(delay=delay), tmp_path)


WAITING = """
import logging
from dataflare_vec import forks
from dataflare_vec.compiler.jit.codegen.driver import compile_lock
forks.PATIENCE = 5.0
holds = threading.Event()

def compile_and_log():
    with compile_lock:
        holds.set()
        time.sleep(0.3)  # the other thread forks
        logging.getLogger("first asked for here").isEnabledFor(logging.DEBUG)
        from concurrent.futures import ThreadPoolExecutor
        ThreadPoolExecutor(1).submit(int).result()
        dfv.default_manager().get_memory_pool_stats()

dfv.default_manager().get_memory_pool_stats()
thread = threading.Thread(target=compile_and_log)
thread.start()
holds.wait()
child = os.fork()
if not child:
    os._exit(0 if compile_lock._lock.acquire(timeout=0) else 1)
thread.join()
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_that_waits_holds_nothing_that_the_other_thread_needs(tmp_path):
    """As the locks of logging, executors and pools, which are taken for a fork too."""
    run(WAITING, tmp_path)


LLVM = """
from dataflare_vec._util import forks
call("shout")  # the compiler is imported
from llvmlite.binding import ffi
from dataflare_vec.compiler.jit.codegen.driver import compile_lock
forks.PATIENCE = 5.0
holds = threading.Event()

def let_go_of_code():
    with ffi.lib._lock:  # as a finalizer of what was compiled does
        holds.set()
        time.sleep(0.3)  # the other thread forks
        {then}

thread = threading.Thread(target=let_go_of_code)
thread.start()
holds.wait()
start = time.monotonic()
child = os.fork()
if not child:
    os._exit(0 if ffi.lib._lock._lock.acquire(timeout=0) else 1)
thread.join()
assert time.monotonic() - start < 4, "nobody waited for the other"
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("then", ["pass", "with compile_lock: pass"], ids=["", "compiles"])
def test_a_fork_while_another_thread_is_in_llvm(then, tmp_path):
    """The second takes the locks the other way round than a compilation does."""
    run(LLVM.format(then=then), tmp_path)


IMPORTS = """
import signal
from dataflare_vec._util import forks
sys.path.insert(0, {folder!r})
begins = threading.Event()

def import_it():
    begins.wait()
    import slow

def before():  # when all waiting is over
    begins.set()
    time.sleep(0.1)

forks.around(before=before, in_parent=lambda: None)
thread = threading.Thread(target=import_it)
thread.start()
child = os.fork()
if not child:
    signal.alarm(20)
    import slow
    os._exit(0 if slow.whole else 1)
thread.join()
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_no_import_begins_between_the_wait_and_the_fork(tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.5)\nwhole = True\n")
    run(IMPORTS.format(folder=str(tmp_path)), tmp_path / "cache")


FORKS = """
from dataflare_vec import forks
locks = [threading.RLock() for _ in range(20)]
for lock in locks: forks.wait_for_lock(lock)

def fork():
    try:
        for _ in range(30):
            forks._before()
            held = [lock._is_owned() for lock in locks]
            time.sleep(0.0005)
            forks._after_in_parent()
            assert all(held)
    except BaseException:
        failed.append(traceback.format_exc())

threads = [threading.Thread(target=fork) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failed, failed[0]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_threads_that_fork_at_once_let_go_of_their_own_locks(tmp_path):
    run(FORKS, tmp_path)
