"""Size classes: large enough, aligned, and not much too large."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflare_vec.memory import BufferSize, MemoryPool
from dataflare_vec.memory.size_classes import class_capacity


def test_the_guide_s_classes():
    assert [int(size) for size in BufferSize] == [256, 4096, 65536, 1048576, 4194304]
    assert [size.name for size in BufferSize] == ["TINY", "SMALL", "MEDIUM", "LARGE", "HUGE"]


@pytest.mark.parametrize("size", BufferSize)
def test_a_class_serves_up_to_its_own_size(size):
    assert class_capacity(size - 1) == class_capacity(size) == size
    assert class_capacity(size + 1) > size


@pytest.mark.parametrize("nbytes", [0, 1, 256])
def test_the_smallest_requests_are_tiny(nbytes):
    assert class_capacity(nbytes) == BufferSize.TINY


@given(st.integers(BufferSize.HUGE + 1, 1 << 50))
def test_columns_waste_a_quarter_at_most(nbytes):
    capacity = class_capacity(nbytes)
    assert nbytes <= capacity <= nbytes * 1.25
    assert capacity % 64 == 0
    assert class_capacity(capacity) == capacity


@given(st.integers(0, 1 << 50))
def test_larger_requests_never_get_less(nbytes):
    assert class_capacity(nbytes) <= class_capacity(nbytes + 1)


@given(st.integers(0, 10 << 20))
def test_buffers_hold_the_request_and_are_aligned(nbytes):
    with MemoryPool() as pool, pool.get_buffer(nbytes) as buffer:
        assert buffer.size == nbytes == memoryview(buffer).nbytes
        assert buffer.capacity == class_capacity(nbytes)
        assert buffer.address % 64 == 0


@pytest.mark.parametrize(
    ("nbytes", "error", "message"),
    [
        (-1, ValueError, "`nbytes` must be 0 or more, got -1"),
        ("8", TypeError, "`nbytes` must be an integer, got '8'"),
        (8.0, TypeError, "`nbytes` must be an integer, got 8.0"),
        (None, TypeError, "`nbytes` must be an integer, got None"),
    ],
)
def test_what_is_no_size(nbytes, error, message):
    with pytest.raises(error) as caught:
        MemoryPool().get_buffer(nbytes)
    assert str(caught.value) == message


def test_anything_that_is_an_index_is_a_size():
    import numpy as np

    assert MemoryPool().get_buffer(np.int32(1000)).size == 1000
    assert MemoryPool().get_buffer(BufferSize.SMALL).capacity == 4096
