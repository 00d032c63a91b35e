"""`PluginManager`: plugins, memory pool, tuners and metrics under one roof."""

from __future__ import annotations

import copyreg
import threading
import weakref
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from dataflare_vec._util import forks, logs
from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.config.settings import PluginManagerConfig
from dataflare_vec.definition import pickling as pickling  # plugins can be pickled
from dataflare_vec.definition.plugin import Form, Plugin, PluginInfo, PluginType, define
from dataflare_vec.definition.registry import Registry, default_registry
from dataflare_vec.engine.context.lifecycle import PluginState, PluginStates
from dataflare_vec.engine.context.metrics import Metrics, PluginMetrics
from dataflare_vec.engine.context.runtime import Runtime
from dataflare_vec.exceptions import PluginDefinitionError
from dataflare_vec.interop.runner import run_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dataflare_vec._typing import OnError
    from dataflare_vec.config.settings import BatchConfig
    from dataflare_vec.engine.execution.result import BatchResult
    from dataflare_vec.engine.planning.steps import By
    from dataflare_vec.engine.state.expiry import Expire
    from dataflare_vec.memory import MemoryPool, PoolStats
    from dataflare_vec.service.health import HealthReport
    from dataflare_vec.service.monitor import Monitor
    from dataflare_vec.service.single_record import PluginResult
    from dataflare_vec.service.status import SystemStatus

_log = logs.get_logger(__name__)


class PluginManager:
    """Manager of plugins, with a memory pool, tuners and metrics.

    Parameters
    ----------
    config
        Settings of the manager; the defaults if omitted.
    registry, pool
        Its plugins and memory pool (or what makes it when it is first needed); by default its own. An own
        registry also has the plugins of the default one, packs included.

    Attributes
    ----------
    config : PluginManagerConfig
        Its settings.
    registry : Registry
        Its plugins.
    runtime : Runtime
        What its runs share.

    Notes
    -----
    Thread-safe. A child made by `os.fork` continues with the same plugins and counts, without monitoring. As
    a context manager it is monitored, and closed at the end.

    Examples
    --------
    >>> import polars as pl
    >>> with PluginManager() as manager:
    ...     plugin = manager.register_plugin("double", lambda value: value * 2.0)
    ...     result = manager.process_batch("double", pl.DataFrame({"value": [1.5, 2.5]}))
    ...     result.frame["double"].to_list(), manager.get_metrics("double").total_processed
    ([3.0, 5.0], 2)
    """

    def __init__(
        self,
        config: PluginManagerConfig | None = None,
        *,
        registry: Registry | None = None,
        pool: MemoryPool | Callable[[], MemoryPool] | None = None,
    ) -> None:
        self.config = config = PluginManagerConfig() if config is None else config
        if not isinstance(config, PluginManagerConfig):
            msg = f"`config` must be a PluginManagerConfig, got {config!r}"
            raise TypeError(msg)
        if registry is not None and not isinstance(registry, Registry):
            msg = f"`registry` must be a Registry, got {registry!r}"
            raise TypeError(msg)
        if pool is not None and not callable(pool) and not hasattr(pool, "get_buffer"):
            msg = f"`pool` must be a MemoryPool, or a function that makes one, got {pool!r}"
            raise TypeError(msg)
        self.registry = Registry(default_registry) if registry is None else registry
        self._own_pool = pool is None
        self._states = PluginStates(config.max_plugin_instances)
        metrics = Metrics() if config.enable_metrics else None
        self.runtime = Runtime(pool or partial(_make_pool, config), config.run_config, metrics, self._states)
        self._began = monotonic()
        self._monitor: Monitor | None = None
        self._health: HealthReport | None = None
        self.renew_after_fork()
        forks.renew_in_child(self)
        self._stop_debugging: Any = None
        if config.enable_debug_mode:
            logs.start_debugging()
            self._stop_debugging = weakref.finalize(self, logs.stop_debugging)

    # -- plugins --------------------------------------------------------------------------------------------

    def register_plugin(
        self, name: str | Any, target: Any = None, *, replace: bool = False, **about: Any
    ) -> Plugin:
        """Register a plugin with this manager only.

        Parameters
        ----------
        name
            Its name; or a plugin, a function or an object with a name of its own.
        target
            A plugin, a function (row kernel), a `polars.Expr`, or an object with a method ``process``
            (compiled as row kernel) or ``process_batch`` (column kernel), and maybe ``info`` and
            ``optimize_batch_size``.
        replace
            Replace a plugin of the same name.
        **about
            ``plugin_type``, ``returns``, ``math``, ``fallback``, ``version``, ``description``, ``author``,
            ``optimize_batch_size`` as in `dataflare_vec.register`.

        Returns
        -------
        Plugin
            The registered plugin.

        Raises
        ------
        PluginDefinitionError
            If it can't be a plugin.
        DuplicatePluginError
            If the name is taken here; a plugin of the default registry is hidden by one of the same name.
        """
        if target is None:
            name, target = None, name
        if isinstance(target, str):
            msg = f"`register_plugin` needs a function or an object to register as `{target}`"
            raise PluginDefinitionError(msg, plugin=target)
        plugin = _define(name, target, **about)
        self.registry.add(plugin, replace=replace)
        self._forget(plugin.name)
        return plugin

    def unregister(self, name: str) -> None:
        """Forget a plugin registered with this manager, with its metrics.

        Parameters
        ----------
        name
            Of the plugin.

        Raises
        ------
        PluginNotFoundError
            If it isn't.
        """
        self.registry.remove(name)
        self._forget(name)

    def _forget(self, name: str) -> None:
        self._states.forget(name)
        if self.runtime.metrics is not None:
            self.runtime.metrics.forget(name)

    def get_plugin_info(self, name: str) -> PluginInfo:
        """Return the metadata of a plugin.

        Parameters
        ----------
        name
            Of the plugin.

        Raises
        ------
        PluginNotFoundError
            If there is no such plugin.
        """
        return self.registry.get(name).info

    def get_state(self, name: str) -> PluginState:
        """Return the state of a plugin: see `PluginState`.

        Parameters
        ----------
        name
            Of the plugin.

        Raises
        ------
        PluginNotFoundError
            If there is no such plugin.
        """
        return self._states.get(self.registry.get(name).name)

    def disable(self, name: str) -> None:
        """Disable a plugin under this manager; runs in progress go on.

        Parameters
        ----------
        name
            Of the plugin.

        Raises
        ------
        PluginNotFoundError
            If there is no such plugin.
        """
        self._states.disable(self.registry.get(name).name, disabled=True)

    def enable(self, name: str) -> None:
        """Enable a disabled plugin again.

        Parameters
        ----------
        name
            Of the plugin.

        Raises
        ------
        PluginNotFoundError
            If there is no such plugin.
        """
        self._states.disable(self.registry.get(name).name, disabled=False)

    # -- runs -----------------------------------------------------------------------------------------------

    def process_record(self, name: str | Plugin, record: Mapping[str, Any], **bindings: Any) -> PluginResult:
        """Run a plugin over one record, a dict.

        Parameters
        ----------
        name
            Of the plugin.
        record
            Values by column. Where the plugin has seen the column in a frame, a value counts as one of that
            dtype if it can, so that the result is what a batch would give.
        **bindings
            As in `dataflare_vec.apply`.

        Returns
        -------
        PluginResult
            With ``success=False`` and the exception if the kernel raises.

        Notes
        -----
        It runs as a frame of one row, which takes as long as one of hundreds: collect records and use
        `process_batch` where there are many.

        Examples
        --------
        >>> manager = PluginManager()
        >>> _ = manager.register_plugin("share", lambda part, whole: part // whole)
        >>> manager.process_record("share", {"part": 7, "whole": 2}).value
        3
        >>> manager.process_record("share", {"part": 7, "whole": 0}).error
        ZeroDivisionError('integer division or modulo by zero')
        """
        from dataflare_vec.service.single_record import run_record

        return run_record(name, record, self.registry, self.runtime, bindings)

    def process_batch(
        self,
        plugins: Any,
        data: Any,
        *,
        output: str | Sequence[str] | Mapping[str, str] | None = None,
        keep: bool = True,
        on_error: OnError = "null",
        config: BatchConfig | None = None,
        by: By = None,
        expire: Expire = None,
        state: Any = None,
        replace: bool = False,
        **bindings: Any,
    ) -> BatchResult:
        """Run a plugin, or a pipeline of them, over many rows.

        Parameters
        ----------
        plugins
            As in `dataflare_vec.run`.
        data
            A frame in memory, or a list of dicts.
        output, keep, on_error, config, by, expire, state, replace, **bindings
            As in `dataflare_vec.run`.

        Returns
        -------
        BatchResult
            The frame, the failed rows, counts, time and throughput.
        """
        if isinstance(data, (list, tuple)):
            from dataflare_vec.service.single_record import as_frame

            data = as_frame(data, plugins, self.registry, self._states.dtypes, bindings)
        return run_batch(
            data,
            plugins,
            self.registry,
            self.runtime,
            output=output,
            keep=keep,
            on_error=on_error,
            config=config,
            bindings=bindings,
            by=by,
            expire=expire,
            state=state,
            replace=replace,
        )

    # -- what is known --------------------------------------------------------------------------------------

    def get_metrics(self, name: str) -> PluginMetrics | None:
        """Return the metrics of a plugin; None if it hasn't run, or if metrics are off.

        Parameters
        ----------
        name
            Of the plugin.
        """
        return None if self.runtime.metrics is None else self.runtime.metrics.get(name)

    def get_memory_pool_stats(self) -> PoolStats:
        """Return hit rate, efficiency, and bytes in use, idle and at the peak."""
        return self.runtime.pool.get_stats()

    def health_check(self, names: Sequence[str] | None = None) -> HealthReport:
        """Try plugins on three made-up rows of the dtypes that they last ran with, or failed on, or declare.

        Parameters
        ----------
        names
            Of the plugins; by default those registered with this manager, or run by it.

        Returns
        -------
        HealthReport
            With the memory pool's health too. Nothing is raised for what is unhealthy.

        Notes
        -----
        Metrics, tuners and the memory pool's counts of the plugins aren't touched; their states become
        `PluginState.READY` or `PluginState.FAILED`. A plugin that wasn't run before is compiled for it.
        """
        from dataflare_vec.service.health import HealthReport, PluginHealth, check_plugin, check_pool

        found = {}
        for name in self._known() if names is None else names:
            plugin = self.registry.find(name)
            if plugin is None and names is None:  # run as an object, or unregistered just now
                continue
            plugin = plugin or self.registry.get(name)
            if self._states.get(name) is PluginState.DISABLED:
                found[name] = PluginHealth("disabled", "")
                continue
            health = check_plugin(plugin, self.registry, self._states.tried(name))
            if health.status == "healthy":
                self._states.settle(name, PluginState.READY)
            elif health.status == "unhealthy":
                self._states.settle(name, PluginState.FAILED)
            found[name] = health
        report = HealthReport(found, check_pool(self.runtime.pool))
        self._health = report
        for name, one in (*found.items(), ("memory pool", report.pool)):
            if one.status == "unhealthy":
                _log.warning("`%s` is unhealthy: %s", name, one.message)
        return report

    def get_system_status(self) -> SystemStatus:
        """Return states, metrics, memory and what is running, at one moment."""
        from dataflare_vec.service.status import SystemStatus

        metrics = self.runtime.metrics
        return SystemStatus(
            uptime=timedelta(seconds=monotonic() - self._began),
            running=self._states.running,
            monitoring=self._monitor is not None and self._monitor.is_alive,
            states={name: self._states.get(name) for name in self._known()},
            metrics={} if metrics is None else metrics.all(),
            pool=self.get_memory_pool_stats(),
            tuners=len(self.runtime.tuners),
            health=self._health,
        )

    def export_performance_report(self, path: str | Path) -> None:
        """Write a performance report to a file, which appears under its name when it is whole.

        Parameters
        ----------
        path
            Its suffix says how: ``.json``, or ``.html`` for a page with charts that needs no network.

        Raises
        ------
        ValueError
            If the suffix is neither.
        SinkError
            If the file can't be written.
        MissingDependencyError
            If a page needs a library that isn't installed; ``pip install "dataflare_vec[report]"`` does.
        """
        from dataflare_vec.service.report import export_report

        export_report(self.get_system_status(), self.config, self.runtime.tuners.items(), path)

    def _known(self) -> list[str]:
        own = [] if self.registry is default_registry else self.registry.own_names()
        return sorted({*own, *self._states.names()})

    # -- start and end --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Log the status and check the health at the configured intervals, until `stop`."""
        from dataflare_vec.service.monitor import Monitor

        with self._lock:
            if self._monitor is None or not self._monitor.is_alive:
                self._monitor = Monitor(
                    [
                        (self.config.monitoring_interval, self._log_status),
                        (self.config.health_check_interval, self.health_check),
                    ]
                )

    def stop(self) -> None:
        """Stop the monitoring that `start` began."""
        with self._lock:
            monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.stop()

    def close(self) -> None:
        """Stop monitoring and close the memory pool if it is this manager's own; results stay valid."""
        self.stop()
        if self._stop_debugging is not None:
            self._stop_debugging()
        if self._own_pool:
            self.runtime.pool.close()

    def _log_status(self) -> None:
        _log.info("%s", self.get_system_status())

    def __enter__(self) -> PluginManager:
        self.start()
        return self

    def renew_after_fork(self) -> None:
        """Have a lock that no thread holds."""
        self._lock = threading.Lock()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        msg = (
            "a PluginManager can't be pickled or copied: it holds memory, threads and counters; "
            "create another one from its `config` and register its plugins there (they can be pickled)"
        )
        raise TypeError(msg)

    def __repr__(self) -> str:
        return f"<PluginManager: {len(self._known())} plugins, {self._states.running} running>"


def _reduce_runtime(runtime: Runtime) -> Any:
    """Return how a query finds the surroundings of its plugins where it is unpickled."""
    if runtime is not default_manager().runtime:
        what = "a PluginManager of its own" if runtime.log is None else "an ErrorLog"
        msg = (
            f"a query with plugins can't be pickled or copied if it holds {what}, which belongs to this "
            "process; leave out `manager=` and `errors=` to use the default manager of the receiving process"
        )
        raise TypeError(msg)
    return _default_runtime, ()


def _default_runtime() -> Runtime:
    return default_manager().runtime


copyreg.pickle(Runtime, _reduce_runtime)

#: What `register_plugin` takes about a plugin: the fields of its `PluginInfo`, and those of `Plugin`.
_ABOUT = ("plugin_type", "version", "description", "author")
_KEYWORDS = (*_ABOUT, "returns", "math", "fallback", "optimize_batch_size", "replace")


def _define(name: str | None, target: Any, **about: Any) -> Plugin:
    """Make a plugin of whatever can be one."""
    unknown = [key for key in about if key not in _KEYWORDS]
    if unknown:
        msg, hint = f"`register_plugin` has no option `{unknown[0]}`", near_matches(unknown[0], _KEYWORDS)
        raise PluginDefinitionError(msg, plugin=name, argument=unknown[0], hint=hint)
    if "plugin_type" in about:
        try:
            about["plugin_type"] = PluginType(about["plugin_type"])
        except ValueError:
            known = ", ".join(f'"{each.value}"' for each in PluginType)
            raise PluginDefinitionError(
                plugin=name,
                argument="plugin_type",
                expected=f"one of {known}",
                got=repr(about["plugin_type"]),
            ) from None
    if isinstance(target, Plugin):
        said = {key: about.pop(key) for key in _ABOUT if key in about}
        info = replace(target.info, name=name or target.name, **said)
        return replace(target, info=info, **about)
    from dataflare_vec.definition.from_class import define_class_plugin, is_class_plugin

    if is_class_plugin(target):
        return define_class_plugin(target, name=name, **about)
    if isinstance(target, type) and any(hasattr(target, each) for each in ("process", "process_batch")):
        msg = f"a plugin must be an instance, got the class `{target.__name__}`"
        raise PluginDefinitionError(msg, plugin=name, hint=f"register `{target.__name__}(…)`")
    about.setdefault("plugin_type", PluginType.TRANSFORMER)
    return define(target, name=name, form=Form.ROW, **about)


def _make_pool(config: PluginManagerConfig) -> MemoryPool:
    from dataflare_vec.memory import MemoryPool

    return MemoryPool(config.memory_pool_config)


def _default_pool() -> MemoryPool:
    from dataflare_vec.memory import default_pool

    return default_pool()


_default: PluginManager | None = None
_default_lock = threading.Lock()


def _after_fork() -> None:
    global _default_lock
    _default_lock = threading.Lock()  # whoever held it isn't in the child


forks.call_in_child(_after_fork)


def default_manager() -> PluginManager:
    """Return the manager that `apply` uses by default; its settings come from the environment.

    Returns
    -------
    PluginManager
        The same one each time, made at the first call.

    Raises
    ------
    ArgumentError
        If a ``DATAFLARE_VEC_…`` variable of the environment has a value that it can't have.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> dfv.default_manager() is dfv.default_manager()
    True
    """
    global _default
    if _default is None:
        with _default_lock:
            if _default is None:
                config = PluginManagerConfig.from_environment()
                _default = PluginManager(config, registry=default_registry, pool=_default_pool)
    return _default


def managed(manager: PluginManager | None) -> PluginManager:
    """Return the manager that a call names, or the process's.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if manager is None:
        return default_manager()
    if not isinstance(manager, PluginManager):
        msg = f"`manager` must be a PluginManager, got {manager!r}"
        raise TypeError(msg)
    return manager
