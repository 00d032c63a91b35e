"""Settings as frozen dataclasses that refuse what makes no sense."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta

_BACKENDS = ("default", "mimalloc", "jemalloc", "system")
_ON_LIMIT = ("raise", "wait")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPoolConfig:
    """How much a `MemoryPool` keeps, for how long, and where its memory comes from.

    Parameters
    ----------
    max_tiny_buffers, max_small_buffers, max_medium_buffers, max_large_buffers, max_huge_buffers
        Idle buffers kept of 256 B, 4 KiB, 64 KiB, 1 MiB and 4 MiB. What comes back beyond that is
        freed.
    max_idle_bytes
        Bytes kept idle in all classes above 4 MiB together (whole output columns). The buffers
        that have been idle longest make room for newer ones.
    cleanup_interval
        How often, at most, the pool looks for buffers idle too long; a `timedelta`, or seconds.
        It looks while a buffer is got or comes back; there is no background thread.
    max_idle_time
        A buffer idle for longer is freed; a `timedelta`, or seconds.
    enable_metrics
        Count hits, misses and requested bytes. In-use, idle and peak bytes are exact either way.
    backend
        Arrow's allocator: ``"default"``, ``"mimalloc"``, ``"jemalloc"`` or ``"system"``. One that
        this build of PyArrow lacks is refused when the first buffer is allocated.
    max_bytes
        Limit in bytes on buffers in use and idle together; None for no limit. Idle buffers are
        freed before a request is refused.
    on_limit
        At the limit, ``"raise"`` `PoolLimitError` at once, or ``"wait"`` for memory to come back.
    wait_timeout
        How long ``"wait"`` waits before it raises; a `timedelta`, or seconds.

    Raises
    ------
    ValueError
        If a value is out of range; the message names the field.
    TypeError
        If a value is of the wrong type.

    Notes
    -----
    Durations are kept as `timedelta`, whatever they were given as.

    Examples
    --------
    >>> config = MemoryPoolConfig(max_bytes=1 << 30, max_idle_time=60)
    >>> config.max_idle_time
    datetime.timedelta(seconds=60)
    >>> MemoryPoolConfig(max_tiny_buffers=-1)
    Traceback (most recent call last):
    ...
    ValueError: `max_tiny_buffers` must be 0 or more, got -1
    """

    max_tiny_buffers: int = 1000
    max_small_buffers: int = 500
    max_medium_buffers: int = 100
    max_large_buffers: int = 50
    max_huge_buffers: int = 10
    max_idle_bytes: int = 1 << 30
    cleanup_interval: timedelta | float = timedelta(seconds=60)
    max_idle_time: timedelta | float = timedelta(seconds=300)
    enable_metrics: bool = True
    backend: str = "default"
    max_bytes: int | None = None
    on_limit: str = "raise"
    wait_timeout: timedelta | float = timedelta(seconds=10)

    def __post_init__(self) -> None:
        for field in fields(self):
            name = field.name
            if name.endswith("_buffers") or name == "max_idle_bytes":
                _check_count(name, getattr(self, name), least=0)
            elif field.type == "timedelta | float":
                object.__setattr__(self, name, _as_timedelta(name, getattr(self, name)))
        if self.max_bytes is not None:
            _check_count("max_bytes", self.max_bytes, least=1)
        _check_choice("backend", self.backend, _BACKENDS)
        _check_choice("on_limit", self.on_limit, _ON_LIMIT)
        if not isinstance(self.enable_metrics, bool):
            msg = f"`enable_metrics` must be True or False, got {self.enable_metrics!r}"
            raise TypeError(msg)


def seconds(duration: timedelta | float) -> float:
    """Return a duration, given as a `timedelta` or in seconds, in seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def _check_count(name: str, value: object, *, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"`{name}` must be an integer, got {value!r}"
        raise TypeError(msg)
    if value < least:
        msg = f"`{name}` must be {least} or more, got {value}"
        raise ValueError(msg)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f"`{name}` must be one of {', '.join(map(repr, choices))}; got {value!r}"
        raise ValueError(msg)


def _as_timedelta(name: str, value: object) -> timedelta:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            value = timedelta(seconds=value)
        except (OverflowError, ValueError):
            msg = f"`{name}` must be a finite number of seconds, got {value!r}"
            raise ValueError(msg) from None
    if not isinstance(value, timedelta):
        msg = f"`{name}` must be a timedelta or a number of seconds, got {value!r}"
        raise TypeError(msg)
    if value < timedelta(0):
        msg = f"`{name}` must not be negative, got {value}"
        raise ValueError(msg)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConfig:
    """How a frame is cut into chunks and spread over threads.

    Parameters
    ----------
    default_batch_size
        Rows in a chunk. Rounded up to a multiple of 64, so that no two threads write into one byte of
        a bitmap.
    enable_parallel
        Run chunks on several threads.
    parallelism
        Number of threads; None for as many as Polars uses (``POLARS_MAX_THREADS``).

    Raises
    ------
    ValueError
        If a value is out of range; the message names the field.
    TypeError
        If a value is of the wrong type.
    """

    # Large enough that the few microseconds of Python for a chunk don't show in a light kernel.
    default_batch_size: int = 1 << 17
    enable_parallel: bool = True
    parallelism: int | None = None

    def __post_init__(self) -> None:
        _check_count("default_batch_size", self.default_batch_size, least=1)
        if self.parallelism is not None:
            _check_count("parallelism", self.parallelism, least=1)
        if not isinstance(self.enable_parallel, bool):
            msg = f"`enable_parallel` must be True or False, got {self.enable_parallel!r}"
            raise TypeError(msg)

    @property
    def chunk_rows(self) -> int:
        """Rows in a chunk, a multiple of 64."""
        return -(-self.default_batch_size // 64) * 64

    @property
    def threads(self) -> int:
        """How many threads run chunks."""
        if not self.enable_parallel:
            return 1
        if self.parallelism is not None:
            return self.parallelism
        import polars as pl

        return pl.thread_pool_size()
