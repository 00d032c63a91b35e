"""Find the compiled kernel for the columns' types, or compile it; say what is wrong with the types."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec.binding import Column
from dataflare_vec.definition import Form
from dataflare_vec.errors import BindingError, ColumnTypeError, KernelResultError
from dataflare_vec.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.binding import Binding
    from dataflare_vec.definition import Parameter, Plugin
    from dataflare_vec.jit.compiler import CompiledKernel
    from dataflare_vec.kernel import Kernel
    from dataflare_vec.layouts import Layout


_log = get_logger(__name__)


class OutputField(NamedTuple):
    """One output column of a prepared kernel."""

    stored: Any  # the Polars dtype in which the loop writes it
    layout: Layout
    nullable: bool  # the kernel may return None for it
    dtype: Any  # the temporal type it gets back, None where it stays a number
    shown: Any  # the Polars dtype of the column


class Prepared(NamedTuple):
    """A kernel compiled for the types of one call."""

    kernel: Kernel
    layouts: tuple[Layout, ...]  # of the input columns
    outputs: tuple[OutputField, ...]
    fields: tuple[str, ...] | None
    is_tuple: bool

    def field_names(self, plugin: Plugin) -> tuple[str, ...] | None:
        """Return the names of the outputs of a kernel that returns a tuple, None for one scalar."""
        if self.is_tuple and self.fields is None:
            return tuple(f"{plugin.name}_{i}" for i in range(len(self.outputs)))
        return self.fields

    def schema(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the output columns' dtypes by name."""
        return {name: field.shown for name, field in zip(names, self.outputs, strict=True)}


def prepare(binding: Binding, dtypes: Sequence[Any]) -> Prepared:
    """Return the kernel for columns of ``dtypes``, compiled at the first call.

    Raises
    ------
    ColumnTypeError
        If a column is of a type that a kernel can't read.
    BindingError
        If a constant is.
    KernelCompileError, KernelResultError
        If Numba can't compile it, or its result can't be a column.
    """
    key = (binding.constant_key, *dtypes)
    kernels = binding.plugin.kernels
    prepared = kernels.get(key)
    if prepared is None:
        began = perf_counter()
        prepared = kernels[key] = _compile(binding, dtypes)
        if _log.isEnabledFor(logging.DEBUG):
            types = ", ".join(map(str, dtypes))
            results = ", ".join(str(field.shown) for field in prepared.outputs)
            elapsed = perf_counter() - began
            _log.debug(
                "`%s`: compiled for (%s) -> (%s) in %.2f s", binding.plugin.name, types, results, elapsed
            )
    return prepared


def _compile(binding: Binding, dtypes: Sequence[Any]) -> Prepared:
    from numba.core import errors as numba_errors

    from dataflare_vec.jit.compiler import compile_kernel
    from dataflare_vec.jit.elements import layout_of
    from dataflare_vec.jit.failures import explain_failure
    from dataflare_vec.jit.loops import Input
    from dataflare_vec.jit.signature import column_type, constant_type

    plugin = binding.plugin
    inputs = []
    by_parameter: dict[str, Any] = {}
    left = list(dtypes)
    for item in binding.items:
        parameter = item.parameter
        if isinstance(item, Column):
            dtype = left.pop(0)
            by_parameter[parameter.name] = dtype
            numba_type = column_type(dtype)
            _check_column_type(plugin, item, dtype, known=numba_type is not None)
            inputs.append(Input(numba_type, is_column=True, nullable=parameter.nullable))
        else:
            numba_type = constant_type(item.value)
            if numba_type is None:
                msg = (
                    f"plugin `{plugin.name}`: constant `{parameter.name}` must be a number of 64 bits, a "
                    f"bool, None or a tuple of these, got {type(item.value).__name__} {item.value!r}"
                )
                raise BindingError(msg)
            inputs.append(Input(numba_type, is_column=False))
    declared = declared_dtypes(plugin, by_parameter)
    stored = None
    if declared is not None:
        stored = [None if dtype is None else column_type(dtype) for dtype in declared]
        for dtype, numba_type in zip(declared, stored, strict=True):
            if dtype is not None and numba_type is None:
                msg = f"plugin `{plugin.name}`: `returns` declares {dtype}, which a kernel can't write"
                raise KernelResultError(msg)

    def compiled() -> CompiledKernel:
        if plugin.stateful is None:
            return compile_kernel(
                plugin.function, inputs, stored, math=plugin.math, is_filter=plugin.is_filter
            )
        from dataflare_vec.jit.scans import compile_fold

        gives_values = plugin.form is Form.SCAN
        return compile_fold(
            plugin.function,
            plugin.stateful.init,
            inputs,
            stored if gives_values else None,
            math=plugin.math,
            gives_values=gives_values,
        )

    try:
        kernel = compiled()
    except KernelResultError as error:
        msg = f"plugin `{plugin.name}`: {error}"
        raise KernelResultError(msg) from None
    except numba_errors.NumbaError as error:
        raise explain_failure(plugin, by_parameter, error) from error
    if isinstance(plugin.returns, dict) and plugin.form is not Form.REDUCE:
        declared = by_field(plugin, kernel.field_names, by_parameter)
        stored = [None if d is None else column_type(d) for d in declared]
        kernel = compiled()
    outputs = output_fields(kernel, declared)
    if plugin.is_filter and [field.shown for field in outputs] != [pl.Boolean]:
        shown = ", ".join(str(field.shown) for field in outputs)
        msg = f"filter plugin `{plugin.name}` must return a bool, it returns {shown}"
        raise KernelResultError(msg)
    return Prepared(
        kernel,
        tuple(layout_of(item.type) for item in inputs if item.is_column),
        outputs,
        kernel.field_names,
        kernel.returns_tuple,
    )


def output_fields(kernel: CompiledKernel, declared: Sequence[Any] | None) -> tuple[OutputField, ...]:
    """Return the output columns of a kernel, with the dtypes that were declared for some."""
    from dataflare_vec.jit.elements import layout_of
    from dataflare_vec.jit.signature import polars_dtype

    outputs = []
    for i, output in enumerate(kernel.outputs):
        physical = polars_dtype(output.type)
        wanted = declared[i] if declared is not None and declared[i] is not None else None
        temporal = wanted if wanted is not None and wanted.is_temporal() else None
        outputs.append(
            OutputField(
                physical,
                layout_of(output.type),
                output.nullable,
                temporal,
                temporal or physical,
            )
        )
    return tuple(outputs)


def _check_column_type(plugin: Plugin, item: Column, dtype: Any, *, known: bool) -> None:
    parameter: Parameter = item.parameter
    expected = None
    if not known:
        expected = "a number, a bool, a date, a time or a duration"
    elif parameter.expects is int and not (dtype.is_integer() or dtype.is_temporal()):
        expected = "an integer"
    elif parameter.expects is float and not dtype.is_numeric():
        expected = "a number"
    elif parameter.expects is bool and dtype != pl.Boolean:
        expected = "a bool"
    if expected:
        source = item.source if isinstance(item.source, str) else str(item.source)
        msg = (
            f"plugin `{plugin.name}`: column `{source}` must be {expected}, got {dtype}; bind another "
            f'one with `{parameter.name}="…"`, or convert it with `{parameter.name}=pl.col("…").cast(…)`'
        )
        raise ColumnTypeError(msg)


def declared_dtypes(plugin: Plugin, by_parameter: dict[str, Any]) -> list[Any] | None:
    """Return the dtypes that `returns` declares in order; None if it doesn't, or names fields."""
    returns = plugin.returns
    if returns is None or isinstance(returns, dict):
        return None
    items = returns if isinstance(returns, (tuple, list)) else [returns]
    return [_declared_dtype(plugin, item, by_parameter) for item in items]


def by_field(plugin: Plugin, fields: Sequence[str] | None, by_parameter: dict[str, Any]) -> list[Any]:
    """Return the dtypes that `returns` declares by field name."""
    returns = plugin.returns
    assert isinstance(returns, dict)
    unknown = [name for name in returns if name not in (fields or ())]
    if unknown:
        msg = f"plugin `{plugin.name}`: `returns` names the fields {unknown}, it returns {fields}"
        raise KernelResultError(msg)
    return [_declared_dtype(plugin, returns.get(name), by_parameter) for name in fields or ()]


def _declared_dtype(plugin: Plugin, item: Any, by_parameter: dict[str, Any]) -> Any:
    if isinstance(item, str):
        if item not in by_parameter:
            msg = (
                f"plugin `{plugin.name}`: `returns` names the parameter `{item}`, which is no column; "
                f"there are {', '.join(by_parameter)}"
            )
            raise KernelResultError(msg)
        return by_parameter[item]
    if item is None or isinstance(item, pl.DataType):
        return item
    if isinstance(item, type) and issubclass(item, pl.DataType):
        return item()
    msg = f"plugin `{plugin.name}`: `returns` must be Polars dtypes or parameter names, got {item!r}"
    raise KernelResultError(msg)
