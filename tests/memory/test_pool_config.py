"""What a `MemoryPoolConfig` refuses, word for word."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dataflare_vec.config.settings import MemoryPoolConfig
from dataflare_vec.memory import MemoryPool, PoolError

COUNTS = [
    "max_tiny_buffers", "max_small_buffers", "max_medium_buffers", "max_large_buffers",
    "max_huge_buffers", "max_idle_bytes",
]  # fmt: skip
DURATIONS = ["cleanup_interval", "max_idle_time", "wait_timeout"]


def refusal(error, **settings):
    with pytest.raises(error) as caught:
        MemoryPoolConfig(**settings)
    return str(caught.value)


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name):
    assert refusal(ValueError, **{name: -1}) == f"`{name}` must be 0 or more, got -1"
    assert refusal(TypeError, **{name: 1.5}) == f"`{name}` must be an integer, got 1.5"
    assert refusal(TypeError, **{name: True}) == f"`{name}` must be an integer, got True"
    assert getattr(MemoryPoolConfig(**{name: 0}), name) == 0


@pytest.mark.parametrize("name", DURATIONS)
def test_durations(name):
    assert getattr(MemoryPoolConfig(**{name: 1.5}), name) == timedelta(seconds=1.5)
    assert getattr(MemoryPoolConfig(**{name: timedelta(days=1)}), name) == timedelta(days=1)
    assert refusal(ValueError, **{name: -1}) == f"`{name}` must not be negative, got -1 day, 23:59:59"
    assert (
        refusal(ValueError, **{name: float("nan")}) == f"`{name}` must be a finite number of seconds, got nan"
    )
    assert (
        refusal(TypeError, **{name: "1 s"})
        == f"`{name}` must be a timedelta or a number of seconds, got '1 s'"
    )


def test_limit():
    assert refusal(ValueError, max_bytes=0) == "`max_bytes` must be 1 or more, got 0"
    assert refusal(TypeError, max_bytes="1G") == "`max_bytes` must be an integer, got '1G'"
    assert refusal(ValueError, on_limit="block") == "`on_limit` must be one of 'raise', 'wait'; got 'block'"


def test_other_settings():
    message = "`backend` must be one of 'default', 'mimalloc', 'jemalloc', 'system'; got 'tcmalloc'"
    assert refusal(ValueError, backend="tcmalloc") == message
    assert refusal(TypeError, enable_metrics=1) == "`enable_metrics` must be True or False, got 1"


@pytest.mark.parametrize("backend", ["default", "system", "mimalloc", "jemalloc"])
def test_each_backend_serves_or_says_which_ones_do(backend):
    import pyarrow as pa

    pool = MemoryPool(MemoryPoolConfig(backend=backend))
    if backend == "default" or backend in pa.supported_memory_backends():
        arrow = getattr(pa, f"{backend}_memory_pool")()
        before = arrow.bytes_allocated()
        buffer = pool.get_buffer(5 << 20)
        assert arrow.bytes_allocated() - before >= 5 << 20
        assert buffer.address % 64 == 0
        del buffer
        pool.trim()
        assert arrow.bytes_allocated() == before
    else:
        with pytest.raises(PoolError, match=rf"backend `{backend}` isn't in this build of PyArrow; use one"):
            pool.get_buffer(1)
