"""User-defined functions (UDFs) over Arrow columns: Numba kernels and Polars expressions, chunk by chunk.

>>> import dataflare_vec as dfv
>>> import polars as pl
>>> @dfv.plugin
... def celsius(fahrenheit):
...     return (fahrenheit - 32.0) / 1.8
>>> pl.DataFrame({"fahrenheit": [212.0, None]}).pipe(dfv.apply, "celsius")["celsius"].to_list()
[100.0, None]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dataflare_vec._util.starting  # noqa: F401  # first of all, for what it does
from dataflare_vec._util import forks as forks
from dataflare_vec._util import hooks
from dataflare_vec.api import namespaces

if TYPE_CHECKING:
    from dataflare_vec import bits, duckdb, prometheus, random, text, vectors
    from dataflare_vec._version import __version__ as __version__
    from dataflare_vec.api.apply import apply, run, step
    from dataflare_vec.api.explain import Explanation, explain
    from dataflare_vec.api.explain_expressions import ExpressionsExplanation
    from dataflare_vec.api.explain_query import QueryExplanation
    from dataflare_vec.api.expressions import expr
    from dataflare_vec.api.fuse import fuse
    from dataflare_vec.api.precompile import compile_ahead
    from dataflare_vec.config.settings import BatchConfig, MemoryPoolConfig, PluginManagerConfig
    from dataflare_vec.definition.decorators import column, expression, filter, plugin
    from dataflare_vec.definition.explode_decorator import explode
    from dataflare_vec.definition.plugin import Plugin, PluginInfo, PluginType
    from dataflare_vec.definition.registering import plugins, register
    from dataflare_vec.definition.state_decorators import reduce, scan
    from dataflare_vec.definition.tables.table import Table, table
    from dataflare_vec.distributed.result import DistributedResult
    from dataflare_vec.engine.context.errorlog import ErrorLog
    from dataflare_vec.engine.context.lifecycle import PluginState
    from dataflare_vec.engine.context.metrics import PluginMetrics
    from dataflare_vec.engine.execution.result import BatchResult
    from dataflare_vec.engine.state.store import KeyedState
    from dataflare_vec.engine.tuner import ChunkTuner, RuleTuner, plot_trace
    from dataflare_vec.exceptions import (
        AnnotationWarning,
        ArgumentError,
        BindingError,
        BuildError,
        ColumnNotFoundError,
        ColumnTypeError,
        DataFlareError,
        DuplicatePluginError,
        InterpretedWarning,
        KernelCompileError,
        KernelPatternError,
        KernelResultError,
        MissingDependencyError,
        OutputNameError,
        PluginDefinitionError,
        PluginDisabledError,
        PluginError,
        PluginNotFoundError,
        RowError,
        SinkError,
        SourceError,
        StateError,
        StreamUsedError,
        UnsupportedDataError,
    )
    from dataflare_vec.memory import (
        BufferSize,
        MemoryPool,
        PooledBuffer,
        PoolError,
        PoolLimitError,
        PoolStats,
    )
    from dataflare_vec.polars_plugin.build import build
    from dataflare_vec.polars_plugin.library import PluginLibrary
    from dataflare_vec.service.health import HealthReport
    from dataflare_vec.service.manager import PluginManager, default_manager
    from dataflare_vec.service.single_record import PluginResult
    from dataflare_vec.service.status import SystemStatus
    from dataflare_vec.streams.result import StreamResult
    from dataflare_vec.streams.stream import Stream, stream

# Where each public name lives. Modules are imported with the first name asked of them, so that importing
# the package costs a millisecond or two on top of Polars.
_HOMES = {
    "_version": ("__version__",),
    "api.apply": ("apply", "run", "step"),
    "api.explain": ("Explanation", "explain"),
    "api.explain_expressions": ("ExpressionsExplanation",),
    "api.explain_query": ("QueryExplanation",),
    "api.expressions": ("expr",),
    "api.fuse": ("fuse",),
    "api.precompile": ("compile_ahead",),
    "config.settings": ("BatchConfig", "MemoryPoolConfig", "PluginManagerConfig"),
    "definition.decorators": ("column", "expression", "filter", "plugin"),
    "definition.explode_decorator": ("explode",),
    "definition.plugin": ("Plugin", "PluginInfo", "PluginType"),
    "definition.registering": ("plugins", "register"),
    "definition.state_decorators": ("reduce", "scan"),
    "definition.tables.table": ("Table", "table"),
    "distributed.result": ("DistributedResult",),
    "engine.context.errorlog": ("ErrorLog",),
    "engine.context.lifecycle": ("PluginState",),
    "engine.context.metrics": ("PluginMetrics",),
    "engine.execution.result": ("BatchResult",),
    "engine.state.store": ("KeyedState",),
    "engine.tuner": ("ChunkTuner", "RuleTuner", "plot_trace"),
    "exceptions": (
        "AnnotationWarning",
        "ArgumentError",
        "BindingError",
        "BuildError",
        "ColumnNotFoundError",
        "ColumnTypeError",
        "DataFlareError",
        "DuplicatePluginError",
        "InterpretedWarning",
        "KernelCompileError",
        "KernelPatternError",
        "KernelResultError",
        "MissingDependencyError",
        "OutputNameError",
        "PluginDefinitionError",
        "PluginDisabledError",
        "PluginError",
        "PluginNotFoundError",
        "RowError",
        "SinkError",
        "SourceError",
        "StateError",
        "StreamUsedError",
        "UnsupportedDataError",
    ),
    "memory": ("BufferSize", "MemoryPool", "PoolError", "PoolLimitError", "PoolStats", "PooledBuffer"),
    "polars_plugin.build": ("build",),
    "polars_plugin.library": ("PluginLibrary",),
    "service.health": ("HealthReport",),
    "service.manager": ("PluginManager", "default_manager"),
    "service.single_record": ("PluginResult",),
    "service.status": ("SystemStatus",),
    "streams.result": ("StreamResult",),
    "streams.stream": ("Stream", "stream"),
}
# What isn't public, but named in pickles of what is: see `_util.public_pickles`.
_IN_PICKLES = {
    "_util.public_pickles": ("_call", "_new"),
    "api.explain": ("StageExplanation",),
    "api.explain_expressions": ("ExpressionExplanation",),
    "api.explain_query": ("NodeExplanation",),
    "compiler.jit.codegen.loop_report": ("LoopReport",),
    "definition.pickling": ("_imported_plugin", "_plugin_of_pack"),
    "memory.stats": ("ClassStats",),
    "service.health": ("PluginHealth",),
}
#: Modules whose functions are called by their names.
_MODULES = ("bits", "duckdb", "prometheus", "random", "text", "vectors")
_HOME = {name: home for homes in (_HOMES, _IN_PICKLES) for home, names in homes.items() for name in names}

__all__ = [
    "AnnotationWarning",
    "ArgumentError",
    "BatchConfig",
    "BatchResult",
    "BindingError",
    "BufferSize",
    "BuildError",
    "ChunkTuner",
    "ColumnNotFoundError",
    "ColumnTypeError",
    "DataFlareError",
    "DistributedResult",
    "DuplicatePluginError",
    "ErrorLog",
    "Explanation",
    "ExpressionsExplanation",
    "HealthReport",
    "InterpretedWarning",
    "KernelCompileError",
    "KernelPatternError",
    "KernelResultError",
    "KeyedState",
    "MemoryPool",
    "MemoryPoolConfig",
    "MissingDependencyError",
    "OutputNameError",
    "Plugin",
    "PluginDefinitionError",
    "PluginDisabledError",
    "PluginError",
    "PluginInfo",
    "PluginLibrary",
    "PluginManager",
    "PluginManagerConfig",
    "PluginMetrics",
    "PluginNotFoundError",
    "PluginResult",
    "PluginState",
    "PluginType",
    "PoolError",
    "PoolLimitError",
    "PoolStats",
    "PooledBuffer",
    "QueryExplanation",
    "RowError",
    "RuleTuner",
    "SinkError",
    "SourceError",
    "StateError",
    "Stream",
    "StreamResult",
    "StreamUsedError",
    "SystemStatus",
    "Table",
    "UnsupportedDataError",
    "apply",
    "bits",
    "build",
    "column",
    "compile_ahead",
    "default_manager",
    "duckdb",
    "explain",
    "explode",
    "expr",
    "expression",
    "filter",
    "fuse",
    "plot_trace",
    "plugin",
    "plugins",
    "prometheus",
    "random",
    "reduce",
    "register",
    "run",
    "scan",
    "step",
    "stream",
    "table",
    "text",
    "vectors",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if name in _MODULES:
        from importlib import import_module

        return import_module(f"dataflare_vec.{name}")
    if home is None:
        msg = f"module `dataflare_vec` has no attribute `{name}`"
        raise AttributeError(msg)
    from importlib import import_module

    value = getattr(import_module(f"dataflare_vec.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # For completion and `help`: neither what is imported here nor rooms that happen to be loaded.
    return sorted({*__all__, "__version__", *(name for name in globals() if name.startswith("__"))})


def _compile_ahead(plugin: Any, schema: Any) -> dict[str, Any]:
    from dataflare_vec.api.precompile import compile_ahead

    return compile_ahead(plugin, schema)


hooks.compile_ahead = _compile_ahead
namespaces.register()
