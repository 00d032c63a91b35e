"""Whether plugins compile, answer, and let go of their memory; tried on a few rows made up for it."""

from __future__ import annotations

import gc
import textwrap
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec.config.settings import BatchConfig, MemoryPoolConfig
from dataflare_vec.definition.annotations import likely_dtype
from dataflare_vec.engine.context.lifecycle import is_own_fault
from dataflare_vec.engine.context.runtime import Runtime
from dataflare_vec.engine.execution.execute import run_steps
from dataflare_vec.engine.planning.request import Request
from dataflare_vec.engine.planning.steps import BoundStep, bind_steps
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import PluginError
from dataflare_vec.memory import MemoryPool, PoolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.definition.registry import Registry

#: What columns may be that no annotation and no run tells.
_GUESSES = (pl.Float64(), pl.Int64(), pl.Boolean(), pl.Date(), pl.String())


@by_public_name
@dataclass(frozen=True, slots=True)
class PluginHealth:
    """How a plugin took its health check.

    Attributes
    ----------
    status : str
        ``"healthy"``, ``"unhealthy"``, ``"disabled"`` (not tried), or ``"unknown"``: the types of its columns
        are neither declared nor known of a run, and none of those guessed suits it.
    message : str
        What is wrong, or what was tried.
    seconds : float
        Time for the check, compilation included.
    """

    status: str
    message: str
    seconds: float = 0.0


@by_public_name
@dataclass(frozen=True, slots=True)
class HealthReport:
    """The result of a health check of a manager's plugins and memory pool.

    Attributes
    ----------
    plugins : dict
        `PluginHealth` by name.
    pool : PluginHealth
        The same for the memory pool.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> manager = dfv.PluginManager()
    >>> _ = manager.register_plugin("third", lambda x: x / 3.0)
    >>> report = manager.health_check()
    >>> report.healthy, report.plugins["third"].status
    (True, 'healthy')
    """

    plugins: Mapping[str, PluginHealth]
    pool: PluginHealth

    @property
    def healthy(self) -> bool:
        """Whether no plugin is unhealthy, nor the pool."""
        return all(one.status != "unhealthy" for one in (*self.plugins.values(), self.pool))

    def _repr_html_(self) -> str:
        from dataflare_vec._util.formatting import duration
        from dataflare_vec._util.html import card

        checks = [("memory pool", self.pool), *self.plugins.items()]
        rows = [
            (name, one.status, textwrap.shorten(one.message, 160, placeholder=" …"), duration(one.seconds))
            for name, one in checks
        ]
        return card("healthy" if self.healthy else "unhealthy", rows, ("", "status", "", "time"), 3)


def check_plugin(plugin: Plugin, registry: Registry, seen: Mapping[str, Any]) -> PluginHealth:
    """Run a plugin on three rows, in a pool of its own.

    Parameters
    ----------
    plugin
        The plugin; its metrics, tuners and state aren't touched.
    registry
        Where it is registered.
    seen
        Dtypes of its columns by parameter, as far as it has been run on some.
    """
    began = perf_counter()
    status, message = "unknown", ""
    known = {p.name: seen.get(p.name) or likely_dtype(p.expects) for p in plugin.parameters if p.is_column}
    is_guessed = not known or any(dtype is None for dtype in known.values())
    for guess in _GUESSES if is_guessed else _GUESSES[:1]:
        try:
            status, message = _try(plugin, registry, {name: dtype or guess for name, dtype in known.items()})
        except Exception as error:  # whatever a plugin raises is what is to be known
            shown = f"{type(error).__name__}: {error}"
            if not is_guessed:
                status = "unhealthy" if is_own_fault(error) or not isinstance(error, PluginError) else status
                message = str(error) if isinstance(error, PluginError) else shown
            elif not message:
                message = f"none of the dtypes guessed for its columns fits; with {guess} {shown}"
            continue
        break
    return PluginHealth(status, message, perf_counter() - began)


def _try(plugin: Plugin, registry: Registry, dtypes: Mapping[str, Any]) -> tuple[str, str]:
    """Run the plugin on three rows; return the status and what was found."""
    columns = {name: sample(dtype) for name, dtype in dtypes.items()}
    frame = pl.DataFrame([series.alias(name) for name, series in columns.items()])
    steps: list[BoundStep] = bind_steps(registry, plugin, None, {})
    shown = ", ".join(f"{name}: {dtype}" for name, dtype in dtypes.items())
    with MemoryPool(MemoryPoolConfig(enable_metrics=False)) as pool:
        config = BatchConfig(enable_parallel=False, enable_auto_optimization=False)
        runtime = Runtime(pool, config)
        scope = ColumnScope(frame)
        scope.holds_all = True
        outcome = run_steps(Request(steps, runtime, keep=False, on_error="null"), scope, frame)
        failed = outcome.failed
        del outcome
        if pool.get_stats().in_use_bytes:
            gc.collect()
        held = pool.get_stats().in_use_bytes
    if held:
        return "unhealthy", f"memory leak: {held} bytes are still in use after a run on ({shown})"
    suffix = f", {failed} of them failed" if failed else ""
    return "healthy", f"runs on {frame.height} rows of ({shown}){suffix}"


def sample(dtype: Any) -> pl.Series:
    """Return three values of a dtype, nulls if it is none that values can be made up for.

    Examples
    --------
    >>> sample(pl.Int8()).to_list(), sample(pl.String()).to_list()
    ([1, 2, 3], ['1', '2', '3'])
    """
    values = pl.Series([1, 2, 3])
    if dtype == pl.Boolean:
        return values == 2
    try:
        return (values.cast(pl.String) if dtype == pl.Categorical else values).cast(dtype)
    except pl.exceptions.PolarsError:
        return pl.Series([None] * 3, dtype=dtype)


def check_pool(pool: MemoryPool) -> PluginHealth:
    """Check that a pool lends memory, takes it back, and has room."""
    began = perf_counter()
    stats = pool.get_stats()
    limit = pool.config.max_bytes
    status = "healthy"
    message = f"{stats.in_use_bytes:,} bytes in use, {stats.idle_bytes:,} idle"
    if limit is not None and stats.in_use_bytes > 0.9 * limit:
        status, message = "unhealthy", f"{message}: more than 90 % of `max_bytes={limit:,}`"
    try:
        pool.return_buffer(pool.get_buffer(256))
    except (PoolError, MemoryError) as error:
        status, message = "unhealthy", str(error)
    return PluginHealth(status, message, perf_counter() - began)
