"""Settings as frozen dataclasses that refuse what makes no sense.

Checked by hand: importing pydantic takes about a hundred times as long as this package does on top of Polars.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec._util.suggestions import Argument, Phrase
from dataflare_vec.config import sources
from dataflare_vec.exceptions import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BACKENDS = ("default", "mimalloc", "jemalloc", "system")
_ON_LIMIT = ("raise", "wait")
_TUNERS = ("chunk", "rule", "fixed")


@by_public_name
@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPoolConfig:
    """Settings of a `MemoryPool`: how much it keeps, for how long, and its allocator.

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
        At the limit, ``"raise"`` `PoolLimitError` at once, or ``"wait"`` for memory to come back. Runs then
        take turns, in the order in which they came: a run whose results are of known size begins when all of
        it is free; one that writes text, makes columns for later steps only, or mixes compiled and Python
        steps begins when no other run is under way. So runs that each fit never wait for each other for ever.
        Lazy queries take no turns: a query is many runs, one for each batch that Polars hands over, and keeps
        their results, so two at once may hold half each and both fail, though either fits. Collect those of
        one manager one after the other, or give each a manager with its share of the memory.
    wait_timeout
        How long ``"wait"`` waits before it raises; a `timedelta`, or seconds. While a run of compiled plugins
        is under way, whose memory will come back, the wait goes on. It ends at once for a run whose results
        can never fit.

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
    dataflare_vec.exceptions.ArgumentError: `max_tiny_buffers` must be 0 or more, got -1
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
        for each in fields(self):
            name = each.name
            if name.endswith("_buffers") or name == "max_idle_bytes":
                check_count(name, getattr(self, name), least=0)
            elif each.type == "timedelta | float":
                object.__setattr__(self, name, as_timedelta(name, getattr(self, name)))
        if self.max_bytes is not None:
            check_count("max_bytes", self.max_bytes, least=1)
        _check_choice("backend", self.backend, _BACKENDS)
        _check_choice("on_limit", self.on_limit, _ON_LIMIT)
        check_flag("enable_metrics", self.enable_metrics)


def check_count(name: str, value: object, *, least: int) -> None:
    """Raise if an option isn't an integer, or too small."""
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"`{name}` must be an integer, got {value!r}"
        raise TypeError(msg)
    if value < least:
        raise ArgumentError(argument=name, expected=f"{least} or more", got=value)


def check_flag(name: str, value: object) -> None:
    """Raise a `TypeError` if an option isn't True or False."""
    if not isinstance(value, bool):
        msg = f"`{name}` must be True or False, got {value!r}"
        raise TypeError(msg)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        expected = f"one of {', '.join(map(repr, choices))}"
        msg = f"`{name}` must be {expected}; got {value!r}"
        raise ArgumentError(msg, argument=name, expected=expected, got=repr(value))


def as_timedelta(name: str, value: object) -> timedelta:
    """Return an option that is a duration, given as a `timedelta` or in seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            value = timedelta(seconds=value)
        except (OverflowError, ValueError):
            expected = "a finite number of seconds"
            raise ArgumentError(argument=name, expected=expected, got=repr(value)) from None
    if not isinstance(value, timedelta):
        msg = f"`{name}` must be a timedelta or a number of seconds, got {value!r}"
        raise TypeError(msg)
    if value < timedelta(0):
        msg = Phrase(Argument(name), f" must not be negative, got {value}")
        raise ArgumentError(msg, argument=name, expected="at least 0 seconds", got=value)
    return value


@by_public_name
@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConfig:
    """Settings of chunk sizes and threads.

    Parameters
    ----------
    default_batch_size
        Rows in a chunk with ``tuner="fixed"``. Other tuners start from it: ``"chunk"`` climbs towards it
        from a sixteenth, so that a search costs little, and keeps it where others are no better.
        Sizes are rounded up to a multiple of 64, so that no two threads write into one byte of a
        bitmap.
    min_batch_size, max_batch_size
        Rows in the smallest and the largest chunk that a tuner may choose.
    target_latency
        Time that one chunk may take; a `timedelta`, or seconds.
    min_throughput
        Rows a second. Below it ``tuner="rule"`` tries larger chunks; ``tuner="chunk"`` looks for the
        highest throughput anyway.
    enable_auto_optimization
        Choose the chunk size from measured latency and throughput. False is ``tuner="fixed"``.
    tuner
        How: ``"chunk"`` searches for the size with the highest throughput within `target_latency`,
        ``"rule"`` shrinks by 20 % when a chunk was too slow and grows by 20 % when the throughput was
        too low, ``"fixed"`` keeps `default_batch_size`.
    enable_parallel
        Run chunks on several threads.
    parallelism
        Number of threads; None for as many as Polars uses (``POLARS_MAX_THREADS``).
    max_error_details
        Maximum number of failed rows of a run whose values and exceptions are kept; the count is exact.

    Raises
    ------
    ValueError
        If a value is out of range; the message names the field.
    TypeError
        If a value is of the wrong type.

    Notes
    -----
    Up to 1,024 rows of row kernels or of one filter are never cut into chunks. Of frames that are one chunk
    and take less than 100 µs a tuner sees one in sixteen. One that is known to take a thread less than 10 ms,
    by the costs that a tuner has measured, goes through compiled code as a whole, where threads share it if
    that paid lately; the tuner is told what its chunks took on average.

    `target_latency` is kept as a `timedelta`, whatever it was given as. A `default_batch_size` outside
    the bounds is no error: a tuner starts at the nearer bound.

    Examples
    --------
    >>> config = BatchConfig(default_batch_size=100, target_latency=0.05)
    >>> config.chunk_rows, config.target_latency
    (128, datetime.timedelta(microseconds=50000))
    >>> BatchConfig(target_latency=0)
    Traceback (most recent call last):
    ...
    dataflare_vec.exceptions.ArgumentError: `target_latency` must be more than 0, got 0:00:00
    """

    # Large enough that the few microseconds of Python for a chunk don't show in a light kernel.
    default_batch_size: int = 1 << 17
    min_batch_size: int = 64
    # 32 MiB of float64. Larger chunks leave every cache and were never faster.
    max_batch_size: int = 1 << 22
    # These two are the guide's.
    target_latency: timedelta | float = timedelta(milliseconds=100)
    min_throughput: float = 1000.0
    enable_auto_optimization: bool = True
    tuner: str = "chunk"
    enable_parallel: bool = True
    parallelism: int | None = None
    max_error_details: int = 1000

    def __post_init__(self) -> None:
        for name in ("default_batch_size", "min_batch_size", "max_batch_size", "max_error_details"):
            check_count(name, getattr(self, name), least=1)
        if self.max_batch_size < self.min_batch_size:
            msg = (
                f"`max_batch_size` must not be below `min_batch_size` ({self.min_batch_size}), "
                f"got {self.max_batch_size}"
            )
            raise ArgumentError(msg, argument="max_batch_size", got=self.max_batch_size)
        latency = as_timedelta("target_latency", self.target_latency)
        if not latency:
            raise ArgumentError(argument="target_latency", expected="more than 0", got=latency)
        object.__setattr__(self, "target_latency", latency)
        object.__setattr__(self, "min_throughput", _as_rate("min_throughput", self.min_throughput))
        _check_choice("tuner", self.tuner, _TUNERS)
        if self.parallelism is not None:
            check_count("parallelism", self.parallelism, least=1)
        for name in ("enable_auto_optimization", "enable_parallel"):
            check_flag(name, getattr(self, name))

    def __hash__(self) -> int:
        # Tuners are looked up by it at each call; all fields together would take 3 µs.
        return hash((self.default_batch_size, self.max_batch_size, self.parallelism, self.tuner))

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


def _as_rate(name: str, value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        msg = f"`{name}` must be a number, got {value!r}"
        raise TypeError(msg)
    if not 0 <= value < float("inf"):
        raise ArgumentError(argument=name, expected="finite and non-negative", got=repr(value))
    return float(value)


@by_public_name
@dataclass(frozen=True, slots=True, kw_only=True)
class PluginManagerConfig:
    """All settings of a `PluginManager`.

    Parameters
    ----------
    memory_pool_config, batch_config
        Settings of its memory pool and of its runs.
    enable_auto_optimization
        False keeps chunks at `BatchConfig.default_batch_size`, whatever `batch_config` says.
    monitoring_interval, health_check_interval
        How often a started manager logs its status and checks the health of its plugins; a `timedelta`,
        or seconds. 0 is never.
    max_plugin_instances
        How many runs there may be at once; more wait for their turn. None for no limit.
    enable_debug_mode
        Log each decision: chunk sizes, kernels compiled and for which types, chunks run again.
    enable_metrics
        Count rows, failures and latencies by plugin.
    native
        Run plugins in lazy queries, and expressions that are given a ``schema``, natively: see `apply`. What
        can't be runs as ever, and a debug message says why. Nothing of it is counted.

    Raises
    ------
    ValueError
        If a value is out of range; the message names the field.
    TypeError
        If a value is of the wrong type.

    Examples
    --------
    >>> config = PluginManagerConfig(batch_config=BatchConfig(parallelism=4), monitoring_interval=5)
    >>> config.monitoring_interval
    datetime.timedelta(seconds=5)
    """

    memory_pool_config: MemoryPoolConfig = field(default_factory=MemoryPoolConfig)
    batch_config: BatchConfig = field(default_factory=BatchConfig)
    enable_auto_optimization: bool = True
    monitoring_interval: timedelta | float = timedelta(seconds=30)
    max_plugin_instances: int | None = None
    health_check_interval: timedelta | float = timedelta(seconds=60)
    enable_debug_mode: bool = False
    enable_metrics: bool = True
    native: bool = False

    def __post_init__(self) -> None:
        for name, kind in _SECTIONS.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                msg = f"`{name}` must be a {kind.__name__}, got {value!r}"
                raise TypeError(msg)
        for name in ("monitoring_interval", "health_check_interval"):
            object.__setattr__(self, name, as_timedelta(name, getattr(self, name)))
        for name in ("enable_auto_optimization", "enable_debug_mode", "enable_metrics", "native"):
            check_flag(name, getattr(self, name))
        if self.max_plugin_instances is not None:
            check_count("max_plugin_instances", self.max_plugin_instances, least=1)

    @property
    def run_config(self) -> BatchConfig:
        """The settings of runs: `batch_config`, with `enable_auto_optimization` of both."""
        if self.enable_auto_optimization or not self.batch_config.enable_auto_optimization:
            return self.batch_config
        return replace(self.batch_config, enable_auto_optimization=False)

    @classmethod
    def from_toml(cls, path: str | Path) -> PluginManagerConfig:
        r"""Read settings from a TOML file.

        Parameters
        ----------
        path
            Its keys are the fields of this class, with tables ``memory_pool_config`` and
            ``batch_config``. Of a ``pyproject.toml`` the table ``tool.dataflare_vec`` is read.
            Durations are seconds, or texts as ``"50ms"``.

        Raises
        ------
        ValueError
            If a key is none of the fields (the message has the nearest), or a value is refused.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "dataflare.toml")
        >>> _ = path.write_text('max_plugin_instances = 4\n[batch_config]\ntarget_latency = "50ms"')
        >>> PluginManagerConfig.from_toml(path).batch_config.target_latency
        datetime.timedelta(microseconds=50000)
        """
        config: PluginManagerConfig = sources.build(cls, sources.read_toml(path), _SECTIONS, f"`{path}`")
        return config

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> PluginManagerConfig:
        """Read settings from environment variables, as the default manager does.

        Parameters
        ----------
        environ
            Variables. Their names are those of the fields in capitals after ``DATAFLARE_VEC_``; those of
            `batch_config` and `memory_pool_config` after ``DATAFLARE_VEC_BATCH_`` and
            ``DATAFLARE_VEC_MEMORY_POOL_``. Durations are seconds or have a unit, as ``50ms``.
            ``DATAFLARE_VEC_CONFIG`` names a TOML file.

        Raises
        ------
        ValueError
            If a variable with the prefix is no setting (the message has the nearest), or a value is
            refused.

        Notes
        -----
        Precedence: what a call is given as ``config=`` or a manager as its argument, then a variable, then
        the file that ``DATAFLARE_VEC_CONFIG`` names, then the defaults. A manager that is given a config
        doesn't read the environment.

        Examples
        --------
        >>> environ = {"DATAFLARE_VEC_BATCH_TARGET_LATENCY": "50ms"}
        >>> PluginManagerConfig.from_environment(environ).batch_config.target_latency
        datetime.timedelta(microseconds=50000)
        """
        values = sources.read_environment(environ, _SECTIONS, cls, _OTHER_VARIABLES)
        where = "the environment"
        path = environ.get(_CONFIG_FILE)
        if path:
            from_file = sources.read_toml(path)
            sources.build(cls, from_file, _SECTIONS, f"`{path}`")  # its own errors name the file
            values = sources.merge(from_file, values)
        config: PluginManagerConfig = sources.build(cls, values, _SECTIONS, where)
        return config


_SECTIONS: dict[str, type] = {"memory_pool_config": MemoryPoolConfig, "batch_config": BatchConfig}
_CONFIG_FILE = sources.PREFIX + "CONFIG"
# Variables with the prefix that belong to others: where compiled kernels are kept.
_OTHER_VARIABLES = frozenset(
    {_CONFIG_FILE, *(sources.PREFIX + name for name in ("CACHE", "CACHE_DIR", "CACHE_MAX_BYTES"))}
)
