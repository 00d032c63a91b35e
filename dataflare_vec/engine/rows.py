"""Row kernels: find the compiled loop for the columns' types, run it over the chunks."""

from __future__ import annotations

import ctypes
import struct
import threading
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec.binding import Column
from dataflare_vec.engine.columns import InputColumn, OutputColumn, pieces_of
from dataflare_vec.engine.result import FailedRows
from dataflare_vec.engine.threads import over_ranges
from dataflare_vec.errors import BindingError, ColumnTypeError, KernelResultError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.binding import Binding
    from dataflare_vec.config import BatchConfig
    from dataflare_vec.definition import Parameter, Plugin
    from dataflare_vec.jit.compiler import Kernel
    from dataflare_vec.memory import MemoryPool


class OutputField(NamedTuple):
    """One output column of a prepared kernel."""

    arrow_type: Any  # as stored
    width: int  # bytes; 0 for booleans
    nullable: bool  # the kernel may return None for it
    dtype: Any  # the temporal type it gets back, None where it stays a number
    shown: Any  # the Polars dtype of the column


class Prepared(NamedTuple):
    """A kernel compiled for the types of one call."""

    kernel: Kernel
    widths: tuple[int, ...]  # of the input columns
    outputs: tuple[OutputField, ...]
    fields: tuple[str, ...] | None
    is_tuple: bool
    propagates: bool  # some column's nulls make the result null

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
        prepared = kernels[key] = _compile(binding, dtypes)
    return prepared


def _compile(binding: Binding, dtypes: Sequence[Any]) -> Prepared:
    from numba.core import errors as numba_errors

    from dataflare_vec.jit.compiler import compile_kernel
    from dataflare_vec.jit.failures import explain_failure
    from dataflare_vec.jit.loops import Input
    from dataflare_vec.jit.signature import (
        column_type,
        constant_type,
        polars_dtype,
    )

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
    declared = _declared(plugin, by_parameter)
    stored = None
    if declared is not None:
        stored = [None if dtype is None else column_type(dtype) for dtype in declared]
        for dtype, numba_type in zip(declared, stored, strict=True):
            if dtype is not None and numba_type is None:
                msg = f"plugin `{plugin.name}`: `returns` declares {dtype}, which a kernel can't write"
                raise KernelResultError(msg)
    try:
        kernel = compile_kernel(plugin.function, inputs, stored, math=plugin.math)
    except KernelResultError as error:
        msg = f"plugin `{plugin.name}`: {error}"
        raise KernelResultError(msg) from None
    except numba_errors.NumbaError as error:
        raise explain_failure(plugin, by_parameter, error) from error
    if isinstance(plugin.returns, dict):
        declared = _by_field(plugin, kernel.field_names, by_parameter)
        stored = [None if d is None else column_type(d) for d in declared]
        kernel = compile_kernel(plugin.function, inputs, stored, math=plugin.math)
    outputs = []
    for i, output in enumerate(kernel.outputs):
        physical = polars_dtype(output.type)
        wanted = declared[i] if declared is not None and declared[i] is not None else None
        temporal = wanted if wanted is not None and wanted.is_temporal() else None
        outputs.append(
            OutputField(
                _arrow_type(physical),
                _width(output.type),
                output.nullable,
                temporal,
                temporal or physical,
            )
        )
    if plugin.is_filter and [field.shown for field in outputs] != [pl.Boolean]:
        shown = ", ".join(str(field.shown) for field in outputs)
        msg = f"filter plugin `{plugin.name}` must return a bool, it returns {shown}"
        raise KernelResultError(msg)
    return Prepared(
        kernel,
        tuple(_width(item.type) for item in inputs if item.is_column),
        tuple(outputs),
        kernel.field_names,
        kernel.returns_tuple,
        any(item.is_column and not item.nullable for item in inputs),
    )


def _width(numba_type: Any) -> int:
    return 0 if str(numba_type) == "bool" else numba_type.bitwidth // 8


def _arrow_type(dtype: Any) -> Any:
    return pl.Series([], dtype=dtype).to_arrow().type


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


def _declared(plugin: Plugin, by_parameter: dict[str, Any]) -> list[Any] | None:
    returns = plugin.returns
    if returns is None or isinstance(returns, dict):
        return None
    items = returns if isinstance(returns, (tuple, list)) else [returns]
    return [_declared_dtype(plugin, item, by_parameter) for item in items]


def _by_field(plugin: Plugin, fields: tuple[str, ...] | None, by_parameter: dict[str, Any]) -> list[Any]:
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


class RowRun:
    """One run of a row kernel over the columns of a frame.

    Attributes
    ----------
    outputs : list of polars.Series
        The computed columns.
    failed : FailedRows
        The rows whose kernel raised; their outputs are null.
    """

    def __init__(
        self,
        binding: Binding,
        prepared: Prepared,
        columns: list[pl.Series],
        names: Sequence[str],
        rows: int,
        pool: MemoryPool,
        config: BatchConfig,
    ) -> None:
        self._binding = binding
        self._prepared = prepared
        self._series = columns
        self._columns = [
            InputColumn(series, width) for series, width in zip(columns, prepared.widths, strict=True)
        ]
        self._nulls = any(column.has_nulls for column in self._columns)
        null_out = self._nulls and prepared.propagates
        self._targets = [
            OutputColumn(
                pool,
                field.arrow_type,
                field.dtype,
                rows,
                width=field.width,
                nulls=field.nullable or null_out,
            )
            for field in prepared.outputs
        ]
        self._slots = _constant_bits(binding, prepared) if binding.constant_key else None
        self._loop = prepared.kernel.loop(nulls=self._nulls)
        self._failed_rows: list[int] = []
        self._lock = threading.Lock()
        if rows > config.chunk_rows:
            over_ranges(self._range, rows, config.chunk_rows, config.threads)
        elif rows:
            self._range(0, rows)
        self.outputs = [target.to_series(name) for target, name in zip(self._targets, names, strict=True)]
        self.failed = FailedRows()
        if self._failed_rows:
            self._mark_failed()

    def _range(self, start: int, stop: int) -> None:
        for first, last in pieces_of(self._columns, start, stop):
            block = array("q", self._block(first))
            if self._loop(block.buffer_info()[0], last - first):
                self._careful(first, last)

    def _block(self, row: int) -> list[int]:
        """Return the addresses and constants for a range of rows that starts at ``row``."""
        slots: list[int] = []
        if self._slots is None:
            for column in self._columns:
                slots += column.at(row)
        else:
            columns = iter(self._columns)
            for constants in self._slots:
                slots += next(columns).at(row) if constants is None else constants
        for target in self._targets:
            slots += target.at(row)
        return slots

    def _careful(self, start: int, stop: int) -> None:
        """Run a range in which a row raised again, and write down which ones."""
        flags = bytearray(stop - start)
        exported = (ctypes.c_char * len(flags)).from_buffer(flags)
        block = array("q", [*self._block(start), ctypes.addressof(exported)])
        self._prepared.kernel.loop(nulls=self._nulls, careful=True)(block.buffer_info()[0], stop - start)
        rows = pl.Series(flags, dtype=pl.UInt8).cast(pl.Boolean).arg_true() + start
        with self._lock:
            self._failed_rows += rows.to_list()

    def _mark_failed(self) -> None:
        rows = sorted(self._failed_rows)
        height = len(self._series[0]) if self._series else 0
        mask = pl.Series("failed", [False]).new_from_index(0, height)
        mask = mask.scatter(rows, True)  # noqa: FBT003
        self.outputs = [
            pl.select(pl.when(~mask).then(output).alias(output.name)).to_series() for output in self.outputs
        ]
        names = [item.parameter.name for item in self._binding.columns]
        inputs = pl.DataFrame([series.alias(name) for series, name in zip(self._series, names, strict=True)])
        self.failed = FailedRows(rows, self._explain, inputs)

    def _explain(self, row: int) -> Exception:
        """Return the exception that the plain Python function raises for a row."""
        from dataflare_vec.interpreter import call_row

        values = [series[row : row + 1].to_physical()[0] for series in self._series]
        dtypes = [series.dtype for series in self._series]
        try:
            results = call_row(self._binding, values, dtypes)
        except Exception as error:  # noqa: BLE001  # whatever the user's function raises
            return error
        for value, field in zip(results, self._prepared.outputs, strict=True):
            if isinstance(value, int) and field.shown.is_integer():
                low, high = field.shown.min(), field.shown.max()
                if not pl.select(low).item() <= value <= pl.select(high).item():
                    return OverflowError(f"{value} does not fit {field.shown}")
        msg = "the compiled kernel raised, the interpreted one did not"
        return RuntimeError(msg)


def _constant_bits(binding: Binding, prepared: Prepared) -> list[list[int] | None]:
    """For each parameter the slots of a constant, or None for a column."""
    from dataflare_vec.jit.signature import constant_slots

    result: list[list[int] | None] = []
    for item, loop_input in zip(binding.items, prepared.kernel.inputs, strict=True):
        if isinstance(item, Column):
            result.append(None)
        else:
            result.append([_bits(s) for s in constant_slots(item.value, loop_input.type)])
    return result


def _bits(value: float) -> int:
    if isinstance(value, float):
        return int(struct.unpack("<q", struct.pack("<d", value))[0])
    return int(value)
