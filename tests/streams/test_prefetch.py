"""Queues between threads: nothing is lost, nobody waits for ever, and nothing is begun too early."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflare_vec._util.prefetch import ClosedError, PrefetchQueue, one_ahead


@given(st.lists(st.lists(st.integers(), max_size=4), max_size=6))
def test_parts_come_one_after_the_other(parts):
    assert list(one_ahead(iter(parts))) == [item for part in parts for item in part]


def test_one_part_is_begun_ahead():
    begun = []

    def part(number):
        begun.append(number)
        yield number
        yield number

    items = one_ahead(part(number) for number in range(9))
    assert next(items) == 0
    for _ in range(100):  # the next one begins on a thread of its own
        if 1 in begun:
            break
        threading.Event().wait(0.05)
    assert begun == [0, 1]
    items.close()


def test_an_error_comes_where_its_item_would():
    def parts():
        yield [1, 2]
        yield map(int, ["3", "x"])

    items = one_ahead(parts())
    assert [next(items) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="'x'"):
        next(items)


def test_the_end_of_a_closed_queue_is_passed_on():
    first = PrefetchQueue()
    second = PrefetchQueue.of(first)
    first.put(1)
    assert next(second) == 1
    first.close()
    with pytest.raises(ClosedError):
        second.take()


def test_who_makes_items_stops_when_the_queue_is_closed():
    ended = threading.Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            ended.set()

    queue = PrefetchQueue.of(items())
    next(queue)
    queue.close()
    assert ended.wait(10)
