"""`max_bytes`: a clear error, or waiting for memory to come back."""

from __future__ import annotations

import threading
import time

import pytest

from dataflare_vec.config.settings import MemoryPoolConfig
from dataflare_vec.exceptions import DataFlareError
from dataflare_vec.memory import MemoryPool, PoolError, PoolLimitError

MB = 1 << 20


def make(mb, **settings):
    return MemoryPool(MemoryPoolConfig(max_bytes=mb * MB, **settings))


def test_the_error_says_what_there_is_and_what_to_do():
    pool = make(2)
    kept = [pool.get_buffer(MB), pool.get_buffer(MB)]
    with pytest.raises(PoolLimitError) as caught:
        pool.get_buffer(1000)
    assert str(caught.value) == (
        "a buffer of 1,000 bytes (size class 4,096) would take the memory pool over "
        "`max_bytes=2,097,152`: 2,097,152 bytes are in use; drop results you no longer need, "
        "or raise `max_bytes`"
    )
    assert isinstance(caught.value, (PoolError, DataFlareError, MemoryError))
    kept.pop()
    assert pool.get_buffer(1000).size == 1000


def test_idle_buffers_make_room_but_not_in_vain():
    pool = make(4)
    kept = pool.get_buffer(MB)
    for buffer in [pool.get_buffer(MB) for _ in range(3)]:
        buffer.release()
    assert pool.get_stats().idle_bytes == 3 * MB
    with pytest.raises(PoolLimitError):
        pool.get_buffer(4 * MB)
    assert pool.get_stats().idle_bytes == 3 * MB
    small = pool.get_buffer(1)
    assert pool.get_stats().idle_bytes == 2 * MB
    assert pool._free_lists.held <= 4 * MB
    del kept, small


def test_warmup_stops_at_the_limit():
    pool = make(3)
    with pytest.raises(PoolLimitError):
        pool.warmup([MB] * 4)
    assert pool.get_stats().idle_bytes == 3 * MB


def test_waiting_ends_when_another_thread_returns():
    pool = make(1, on_limit="wait", wait_timeout=30)
    buffer = pool.get_buffer(MB)
    got = []
    waiter = threading.Thread(target=lambda: got.append(pool.get_buffer(100)))
    waiter.start()
    while not pool._gates:
        time.sleep(0.001)
    start = time.monotonic()
    pool.return_buffer(buffer)
    waiter.join(20)
    assert time.monotonic() - start < 10
    assert got[0].size == 100
    assert not pool._gates


def test_all_who_wait_are_woken():
    pool = make(1, on_limit="wait", wait_timeout=30)
    buffer = pool.get_buffer(MB)
    got = []
    sizes = [MB - 1] + [100] * 6  # the first can't be served while one of the others has its own
    waiters = [threading.Thread(target=lambda n=n: got.append(pool.get_buffer(n).size)) for n in sizes]
    for waiter in waiters:
        waiter.start()
    while len(pool._gates) < len(waiters):
        time.sleep(0.001)
    pool.return_buffer(buffer)
    for waiter in waiters:
        waiter.join(20)
    assert sorted(got) == sorted(sizes)


def test_what_comes_back_while_the_lock_is_held_wakes_too():
    pool = make(1, on_limit="wait", wait_timeout=30)
    buffer = pool.get_buffer(MB)
    reserve = pool._free_lists.reserve

    def returning(*arguments):
        possible = reserve(*arguments)
        if not possible:  # another thread lets go just now: it can't have the lock
            thread = threading.Thread(target=buffer.release)
            thread.start()
            thread.join()
        return possible

    pool._free_lists.reserve = returning
    start = time.monotonic()
    assert pool.get_buffer(100).size == 100
    assert time.monotonic() - start < 10


def test_waiting_ends_in_the_error():
    pool = make(1, on_limit="wait", wait_timeout=0.05)
    kept = pool.get_buffer(MB)
    start = time.monotonic()
    with pytest.raises(PoolLimitError):
        pool.get_buffer(1)
    assert time.monotonic() - start >= 0.05
    assert not pool._gates
    del kept


def test_no_waiting_for_what_can_t_come():
    pool = make(1, on_limit="wait", wait_timeout=30)
    start = time.monotonic()
    with pytest.raises(PoolLimitError):
        pool.get_buffer(2 * MB)
    assert time.monotonic() - start < 10


def test_a_very_long_wait_is_one():
    pool = make(1, on_limit="wait", wait_timeout=1e9)
    buffer = pool.get_buffer(MB)
    timer = threading.Timer(0.05, buffer.release)
    timer.start()
    assert pool.get_buffer(MB).size == MB
    timer.join()


def test_closing_ends_the_waiting():
    pool = make(1, on_limit="wait", wait_timeout=30)
    kept = pool.get_buffer(MB)
    errors = []

    def wait():
        try:
            pool.get_buffer(1)
        except PoolError as error:
            errors.append(str(error))

    waiter = threading.Thread(target=wait)
    waiter.start()
    while not pool._gates:
        time.sleep(0.001)
    pool.close()
    waiter.join(20)
    assert errors == ["the memory pool is closed; make a new one"]
    del kept
