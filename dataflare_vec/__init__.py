"""Your own code over data frames: Numba kernels and Polars expressions, chunk by chunk, on Arrow memory.

>>> import dataflare_vec as dfv
>>> import polars as pl
>>> @dfv.plugin
... def celsius(fahrenheit):
...     return (fahrenheit - 32.0) / 1.8
>>> pl.DataFrame({"fahrenheit": [212.0, None]}).pipe(dfv.apply, "celsius")["celsius"].to_list()
[100.0, None]
"""

from __future__ import annotations

from dataflare_vec import namespaces
from dataflare_vec.api import apply, expr, run
from dataflare_vec.config import BatchConfig, MemoryPoolConfig
from dataflare_vec.decorators import column, expression, filter, plugin, plugins, register
from dataflare_vec.engine.result import BatchResult
from dataflare_vec.errors import (
    BindingError,
    ColumnNotFoundError,
    ColumnTypeError,
    DataFlareError,
    DuplicatePluginError,
    KernelCompileError,
    KernelResultError,
    OutputNameError,
    PluginDefinitionError,
    PluginError,
    PluginNotFoundError,
    RowError,
    UnsupportedDataError,
)
from dataflare_vec.memory import BufferSize, MemoryPool
from dataflare_vec.plugin import Plugin, PluginInfo, PluginType

__version__ = "0.1.0"

__all__ = [
    "BatchConfig",
    "BatchResult",
    "BindingError",
    "BufferSize",
    "ColumnNotFoundError",
    "ColumnTypeError",
    "DataFlareError",
    "DuplicatePluginError",
    "KernelCompileError",
    "KernelResultError",
    "MemoryPool",
    "MemoryPoolConfig",
    "OutputNameError",
    "Plugin",
    "PluginDefinitionError",
    "PluginError",
    "PluginInfo",
    "PluginNotFoundError",
    "PluginType",
    "RowError",
    "UnsupportedDataError",
    "apply",
    "column",
    "expr",
    "expression",
    "filter",
    "plugin",
    "plugins",
    "register",
    "run",
]

namespaces.register()
