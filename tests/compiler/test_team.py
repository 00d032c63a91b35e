"""Rows of one call shared out by compiled code."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from array import array

import pytest

from dataflare_vec._util import interrupts
from dataflare_vec.compiler.kernel import PROTOTYPE
from dataflare_vec.compiler.native import team

#: Of the one argument, which is the row where a chunk starts.
_STRIDES = array("q", [1])


def share(compute, rows, chunk, threads):
    """Call ``compute(first row, rows)`` for each chunk, through Python where compiled code calls a loop."""

    def loop(arguments, count):
        return compute(ctypes.c_int64.from_address(arguments).value, count)

    called = PROTOTYPE(loop)
    address = ctypes.cast(called, ctypes.c_void_p).value
    return team.compute_shared(address, array("q", [0]), _STRIDES, rows, chunk, threads)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("rows", [1, 63, 64, 65, 1000, 4096])
@pytest.mark.parametrize("chunk", [64, 256, 1 << 20])
def test_every_row_once(rows, chunk, threads):
    taken, mine = [], []

    def compute(start, count):
        taken.append((start, count))
        if threading.current_thread() is threading.main_thread():
            mine.append(count)
        return 0

    assert share(compute, rows, chunk, threads) == (0, sum(mine))
    assert sorted(taken) == [(start, min(chunk, rows - start)) for start in range(0, rows, chunk)]


def test_helpers_are_at_work_and_waited_for():
    done, names = [], set()
    gate = threading.Barrier(2, timeout=30)  # passed by two threads that have a chunk each

    def compute(start, count):
        names.add(threading.current_thread().name)
        gate.wait()
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.05)
        done.append(count)
        return 0

    assert share(compute, 128, 64, 2) == (0, 64)
    assert done == [64, 64]
    assert len(names) == 2


def test_after_a_failure_no_more_chunks_are_taken():
    taken = []

    def compute(start, count):
        taken.append(start)
        return int(start == 640)

    failed, _ = share(compute, 640_000, 64, 3)
    assert failed
    assert len(taken) < 1000


def test_rows_that_are_left_out_are_not_taken_for_computed():
    taken = []

    def compute(start, count):
        taken.append(start)
        if start == 640:
            interrupts.press()
        return 0

    # A program that handles Ctrl-C in its own way: nobody asks the word after the call.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with pytest.raises(KeyboardInterrupt):
            share(compute, 64_000, 64, 1)
    finally:
        signal.signal(signal.SIGINT, before)
        interrupts.let_go()
    assert max(taken) == 640


def test_whoever_finds_no_idle_helper_computes_alone(monkeypatch):
    monkeypatch.setattr(team, "_team", team._Team())
    seen = set()

    def see(start, count):
        seen.add(threading.get_ident())
        time.sleep(0.001)
        return 0

    while len(seen) < 3:  # a helper that has just been made may not wait for work yet
        share(see, 64 * 8, 64, 3)
    begun, over = threading.Semaphore(0), threading.Event()

    def hold(start, count):
        begun.release()
        over.wait(30)
        return 0

    caller = threading.Thread(target=share, args=(hold, 64 * 8, 64, 3))
    caller.start()
    try:
        for _ in range(3):  # the caller and its two helpers
            assert begun.acquire(timeout=30)
        assert share(lambda start, count: 0, 64 * 40, 64, 3) == (0, 64 * 40)
    finally:
        over.set()
        caller.join(30)
    assert not caller.is_alive()


def test_where_no_thread_can_be_started_the_caller_computes_alone(monkeypatch):
    def start(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(team, "_team", team._Team())
    monkeypatch.setattr(threading.Thread, "start", start)
    assert share(lambda start, count: 0, 64 * 40, 64, 3) == (0, 64 * 40)


def test_many_callers():
    wrong = []

    def call():
        for rows in range(64, 64 * 40, 64):
            taken = []

            def compute(start, count, taken=taken):
                taken.append(start)
                return 0

            share(compute, rows, 64, 3)
            if sorted(taken) != list(range(0, rows, 64)):
                wrong.append((rows, taken))

    callers = [threading.Thread(target=call) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


_SETUP = """
import os, signal, sys, threading
import polars as pl
import dataflare_vec as dfv
sys.path.append({root!r})
from testing.oracle import shared_out

def applied(function, frame):
    with shared_out():
        return dfv.apply(frame, dfv.register("kernel", function, replace=True), keep=False).to_series()

frame = pl.DataFrame({{"x": range(10_000)}})
negative = pl.DataFrame({{"x": range(-10_000, 0)}})
def twice(x):
    return x * 2
def endless(x):
    while x < 0:
        x -= x % 2
    return x
expected = pl.Series("kernel", range(0, 20_000, 2))
assert applied(twice, frame).equals(expected)
"""


def _run(code):
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    code = _SETUP.format(root=root) + code
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_has_helpers_of_its_own():
    ended = _run("""
child = os.fork()
assert applied(twice, frame).equals(expected)
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
    os._exit(0 if any("helper" in thread.name for thread in threading.enumerate()) else 3)
""")
    assert ended.returncode == 0, ended.stderr


def test_the_interpreter_ends_while_helpers_wait():
    ended = _run("print(any('helper' in thread.name for thread in threading.enumerate()))")
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_ctrl_c_ends_an_endless_loop_of_all_threads():
    ended = _run("""
applied(endless, frame)  # compiled before the signal comes
threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    applied(endless, negative)
except KeyboardInterrupt:
    print("interrupted")
assert applied(twice, frame).equals(expected)
""")
    assert (ended.returncode, ended.stdout) == (0, "interrupted\n"), ended.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_ctrl_c_ends_what_is_shared_out_between_two_chunks():
    ended = _run("""
def slow(x, turns=1):
    total = 0.0
    for i in range(turns):
        total += (x + i) ** 0.5
    return total
applied(slow, frame)  # compiled before the signal comes
threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    with shared_out():
        dfv.apply(frame, "kernel", turns=1_000_000, keep=False)
except KeyboardInterrupt:
    print("interrupted")
assert applied(twice, frame).equals(expected)
""")
    assert (ended.returncode, ended.stdout) == (0, "interrupted\n"), ended.stderr
