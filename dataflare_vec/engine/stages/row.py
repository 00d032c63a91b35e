"""Row kernels as a stage: compiled loops over the buffers of a chunk."""

from __future__ import annotations

import logging
import struct
from array import array
from copy import copy
from datetime import datetime, time, tzinfo
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec._util.names import unnamed
from dataflare_vec.arrow.columns import InputColumn
from dataflare_vec.arrow.layouts import Bits, Categories, ListResults, Structs, Views
from dataflare_vec.compiler.native.numba import import_compiler
from dataflare_vec.compiler.native.tables import block_of
from dataflare_vec.definition.annotations import TEMPORAL
from dataflare_vec.definition.binding import Column
from dataflare_vec.definition.call_graph import overruns
from dataflare_vec.definition.interpreter import call_rows
from dataflare_vec.definition.plugin import plain
from dataflare_vec.definition.python_values import (
    checked_category,
    clock_parts,
    digits_of,
    is_naive,
    ticks_in,
    ticks_of,
)
from dataflare_vec.definition.uses import raises_to_powers
from dataflare_vec.engine.stages.builders import allocate
from dataflare_vec.engine.stages.direct import DirectCall
from dataflare_vec.engine.stages.failures import ROW, physical_rows
from dataflare_vec.engine.stages.protocols import Needs, Placement, Stage, StageReport
from dataflare_vec.engine.stages.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from dataflare_vec.arrow.columns import ColumnBuilder
    from dataflare_vec.arrow.layouts import Layout
    from dataflare_vec.compiler.specialise import Prepared
    from dataflare_vec.definition.binding import Binding, Constant
    from dataflare_vec.engine.stages.direct import Direct
    from dataflare_vec.engine.stages.protocols import Chunk, Fusable, Placed, Surroundings
    from dataflare_vec.memory import MemoryPool

_log = get_logger(__name__)

#: Integers of more bits aren't written out; Python refuses to where they are very large.
_SHOWN_BITS = 512
_NO_FAILED = (0, 0, 0)  # no bitmap of failed rows, and nobody who asks why
_NO_STRIDES = (0, 0, 0, 0)


class RowStage(Stage):
    """A row kernel or filter, compiled for its columns."""

    uses_pool = True
    owns_columns = True

    def __init__(
        self,
        binding: Binding,
        prepared: Prepared,
        reads: Sequence[str],
        writes: Mapping[str, Any],
        *,
        in_result: bool,
    ) -> None:
        self.plugin = binding.plugin
        self.binding = binding
        self.prepared = prepared
        self.kernel = prepared.kernel
        self.reads = reads
        self.writes = writes
        self.in_result = in_result
        self.is_filter = binding.plugin.is_filter
        self.column_types = id(prepared)
        self._writes_nested = any(
            isinstance(field.layout, (ListResults, Structs)) for field in prepared.outputs
        )
        self._texts: list[Any] = []  # what constants have the addresses of
        self._constants = _constant_bits(binding, self._texts) if binding.constant_key else None

    def alone(self) -> RowStage:
        """Return the same stage as the only one of a pipeline, whose columns come back."""
        stage = copy(self)
        stage.index, stage.in_result = 0, True
        return stage

    def allocate(self, pool: MemoryPool, rows: int, *, nulls: bool) -> list[ColumnBuilder]:
        """Return memory for the outputs of some rows."""
        return [] if self.is_filter else allocate(self.prepared.outputs, pool, rows, nulls=nulls)

    def open(self, run: Surroundings) -> Stage:
        """Have the columns that its loop reads and writes."""
        known = [
            (run.input(name, layout), 0)
            for name, layout in zip(self.reads, self.prepared.layouts, strict=True)
            if name not in run.written
        ]
        nulls = run.is_selecting(self.index) or any(column.has_nulls for column, _ in known)
        if len(known) == len(self.reads):
            run.placed[self.index] = [*known]
        self.kernel.loop(nulls=nulls)  # compiled now, not in the time of the first chunk
        run.expect(self)
        if self.is_filter or self.in_result:
            run.outputs[self.index] = self.allocate(run.pool, run.rows, nulls=nulls)
        return self

    def fusable(self) -> Fusable | None:
        """Return itself, unless later stages don't read what it writes as it is written."""
        return None if self._writes_nested else self

    def direct(self) -> Direct | None:
        """Return what calls its loop once for all rows."""
        prepared, constants = self.prepared, self._constants
        return DirectCall(prepared, self.reads, self.writes, constants, self._parameters, self.allocate)

    def needs(self, rows: int) -> Needs:
        """Return how much memory it takes for some rows; that isn't known of what is made for a chunk."""
        from dataflare_vec.memory.size_classes import class_capacity

        if not self.in_result or any(isinstance(layout, Categories) for layout in self.prepared.layouts):
            return Needs(None, 0)
        bits = class_capacity((rows + 7) // 8)
        most, least, is_known = bits, 0, True  # which rows failed
        for layout in [] if self.is_filter else _leaves(field.layout for field in self.prepared.outputs):
            if layout is None:
                most += bits
                continue
            values = bits if isinstance(layout, Bits) else class_capacity(rows * layout.strides[0])
            least += values
            most += values + bits
            is_known = is_known and not isinstance(layout, (Views, ListResults))
        return Needs(most if is_known else None, least)

    def report(self, *, nulls: bool) -> StageReport:
        """Return what became of its loop."""
        import_compiler()
        from dataflare_vec.compiler.jit.codegen.loop_report import loop_report

        kernel, report = self.prepared.kernel, loop_report(self.kernel.compiled, nulls=nulls)
        return StageReport(self.binding.plugin.kind, report, from_cache=kernel.from_cache)

    def place(self, chunk: Chunk) -> Placement:
        """Return the columns that the loop reads and writes for a chunk; add those it writes to the chunk."""
        run, prepared, start, stop = chunk.run, self.prepared, chunk.start, chunk.stop
        columns = run.placed.get(self.index) or [
            chunk.column(name, layout) for name, layout in zip(self.reads, prepared.layouts, strict=True)
        ]
        nulls = run.is_selecting(self.index)
        for column, _ in columns:
            nulls = nulls or column.has_nulls
        targets: Sequence[ColumnBuilder]
        if self.in_result:
            targets, shift = run.outputs[self.index], 0
            if nulls:
                run.need_validity(targets)
        else:
            targets, shift = self.allocate(run.pool, stop - start, nulls=nulls), start
        for name, target in zip(self.writes, targets, strict=False):
            chunk.hold(name, (target, shift))
        return Placement(columns, targets, shift, nulls)

    def run(self, chunk: Chunk) -> None:
        """Compute the chunk's rows."""
        run = chunk.run
        placement = self.place(chunk)
        loop = self.kernel.loop(nulls=placement.nulls)
        failures = run.failures[self.index]
        for first, last in pieces(placement.columns, chunk.start, chunk.stop):
            if not failures.often:
                argument_buffer = self.argument_buffer(placement, first, run.selection_arguments(first))
                failed = loop(argument_buffer.buffer_info()[0], last - first)
                placement.check()
                if not failed:
                    continue
            self._record_errors(run, placement, first, last)

    def argument_buffer(
        self,
        placement: Placement,
        row: int,
        selection: tuple[int, int],
        failed: tuple[int, ...] = _NO_FAILED,
        scratch: Collection[InputColumn | ColumnBuilder] = (),
    ) -> array[int]:
        """Return the addresses and constants for a range of rows that starts at ``row``, on this thread.

        Each call of the loop writes the columns of ``scratch`` from their first row on.
        """
        arguments = self._parameters(placement.columns, row)
        for target in placement.targets:
            arguments += target.for_writing(row - placement.shift, restarts=target in scratch)
        arguments += selection
        arguments += failed
        return array("q", arguments)

    def _parameters(self, columns: Sequence[Placed], row: int) -> list[int]:
        """Return the arguments of columns, from ``row`` on, and of constants."""
        arguments: list[int] = []
        if self._constants is None:
            for column, shift in columns:
                arguments += column.at(row - shift)
            return arguments
        left = iter(columns)
        for constants in self._constants:
            if constants is None:
                column, shift = next(left)
                arguments += column.at(row - shift)
            else:
                arguments += constants
        return arguments

    def strides(self, placement: Placement, scratch: Collection[InputColumn | ColumnBuilder]) -> array[int]:
        """Return by how much each argument changes from row to row; not at all for ``scratch``."""
        steps: list[int] = []
        left = iter(placement.columns)
        for constants in self._constants or [None] * len(placement.columns):
            if constants is None:
                column, _ = next(left)
                steps += _NO_STRIDES if column in scratch else column.layout.strides
            else:
                steps += [0] * len(constants)
        for target in placement.targets:
            steps += _NO_STRIDES if target in scratch else target.layout.strides
        steps += (0, 1, 0, 1, 0)  # bit offsets of the selection and of the failed rows
        return array("q", steps)

    def misfit(self, values: Sequence[Any], inputs: pl.DataFrame) -> Exception:
        """Return why a row failed whose function returned ``values``.

        One of them doesn't fit its column; or it is something that only compiled code fails on.
        """
        dtypes = self.prepared.dtypes
        if dtypes and not self.prepared.is_tuple and isinstance(dtypes[0], pl.Struct):
            values = [values]
        for value, dtype in zip(values, dtypes, strict=False):
            if (error := _misfit(value, dtype)) is not None:
                return error
        return self.compiled_error(inputs)

    @cached_property
    def overruns(self) -> bool:
        """Whether calling the plain function may end the process, by its depth or by an endless integer.

        Compiled code knows how deep it is, and how long an integer gets.
        """
        function = plain(self.binding.plugin.function)
        return overruns(function) or raises_to_powers(function)

    def compiled_error(self, inputs: pl.DataFrame) -> Exception:
        """Return what compiled code raises for a row: it is run again, alone."""
        from dataflare_vec.memory import default_pool

        reason = Reason()
        columns = self._placed(inputs)
        placement = Placement(columns, self.allocate(default_pool(), 1, nulls=True), 0, nulls=True)
        argument_buffer = self.argument_buffer(placement, 0, reason.selected, reason.failed)
        self.kernel.loop(nulls=True, records_errors=True)(argument_buffer.buffer_info()[0], 1)
        return reason.exception(self.prepared.dtypes)

    def _placed(self, inputs: pl.DataFrame) -> list[Placed]:
        """Return a row of a sample as a loop reads it."""
        layouts = self.prepared.layouts
        return [(InputColumn(series, layout), 0) for series, layout in zip(inputs, layouts, strict=True)]

    def _record_errors(self, run: Surroundings, placement: Placement, first: int, last: int) -> None:
        """Run rows of which some raise: write down which ones, and take them out of the selection."""
        failures = run.failures[self.index]
        bitmap = run.expect_failures(self, placement.targets)
        argument_buffer = self.argument_buffer(
            placement, first, run.selection_arguments(first), (bitmap.address, first, 0)
        )
        self.kernel.loop(nulls=True, records_errors=True)(argument_buffer.buffer_info()[0], last - first)
        placement.check()
        failed_here = bitmap.slice(first, last)
        count = int(failed_here.sum())
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug(
                "`%s`: rows %d to %d ran in the error-recording loop, %d failed",
                self.binding.plugin.name,
                first,
                last,
                count,
            )
        failures.often = count > 0
        with run.lock:
            failures.count += count
        if not count or not failures.wants(first):
            return
        within = failed_here.arg_true().head(failures.limit)
        inputs = self.inputs(placement, first, last, within)
        sample = pl.DataFrame([(within.cast(pl.Int64) + first).alias(ROW), *inputs])
        with run.lock:
            failures.record(sample)

    def inputs(self, placement: Placement, first: int, last: int, within: pl.Series) -> list[pl.Series]:
        """Return what the kernel read for some of the rows from ``first`` to ``last``."""
        read = [item.label for item in self.binding.columns]
        return [
            unnamed(column.slice(first - shift, last - shift)).gather(within).alias(name)
            for name, (column, shift) in zip(read, placement.columns, strict=True)
        ]

    def replay(self, inputs: pl.DataFrame) -> Iterator[tuple[Any, ...] | Exception]:
        """Yield what the plain Python function makes of such rows, one for each."""
        return call_rows(self.binding, physical_rows(inputs), inputs.dtypes)

    def shown(self, inputs: pl.DataFrame) -> pl.DataFrame:
        """Return such rows as they are shown to the user."""
        return inputs


def _leaves(layouts: Iterable[Layout]) -> Iterator[Layout | None]:
    """Yield the layouts that have values; for a struct those of its fields, and None for its validity."""
    for layout in layouts:
        if isinstance(layout, Structs):
            yield None
            yield from _leaves(layout.layouts)
        else:
            yield layout


def _misfit(value: Any, dtype: Any) -> Exception | None:
    """Return why a value doesn't fit its column; None if it does."""
    if value is None:
        return None
    if isinstance(dtype, pl.Struct):
        by_name = getattr(value, "_asdict", dict)() or dict(zip(dtype.to_schema(), value, strict=False))
        errors = (_misfit(by_name.get(field.name), field.dtype) for field in dtype.fields)
        return next((error for error in errors if error is not None), None)
    if TEMPORAL.get(type(value)) is dtype.base_type():
        try:
            ticks_in(value, dtype)
        except (OverflowError, TypeError) as error:
            return error
    if isinstance(dtype, pl.Enum):
        try:
            checked_category(value, dtype)
        except ValueError as error:
            return error
    if isinstance(value, Decimal) and isinstance(dtype, pl.Decimal):
        if abs(value) >= Decimal(10) ** ((dtype.precision or 38) - dtype.scale):
            return OverflowError(f"{value} does not fit {dtype}")
    if isinstance(dtype, pl.Array) and len(value) != dtype.size:
        return ValueError(f"an array of {len(value)} items does not fit {dtype}")
    if isinstance(value, int) and dtype.is_integer():
        low, high = pl.select(dtype.min().alias("low"), dtype.max().alias("high")).row(0)
        if not low <= value <= high:
            bits = value.bit_length()
            shown = value if bits <= _SHOWN_BITS else f"an integer of {bits} bits"
            return OverflowError(f"{shown} does not fit {dtype}")
    return None


def pieces(columns: Iterable[Placed], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut ``start:stop`` so that each column is contiguous in each part."""
    cuts = [
        cut
        for column, shift in columns
        if len(column.starts) > 1
        for cut in column.starts
        if start < cut + shift < stop
    ]
    for cut in sorted(set(cuts)):
        yield start, cut
        start = cut
    yield start, stop


def _constant_bits(binding: Binding, alive: list[Any]) -> list[list[int] | None]:
    """For each parameter the arguments of a constant, or None for a column.

    What they have the addresses of is added to ``alive``, and has to live as long as they are used.
    """
    return [
        None if isinstance(item, Column) else [_bits(scalar) for scalar in _scalars_of(item, alive)]
        for item in binding.items
    ]


def _scalars_of(item: Constant, alive: list[Any]) -> Iterator[float]:
    """Yield the scalars of a constant; of a table where it lies."""
    if item.table is None:
        yield from _scalars(item.value, alive)
        return
    block = block_of(item.table)
    alive.append(block)
    yield block.address


def _scalars(value: Any, alive: list[Any]) -> Iterator[float]:
    """Yield the scalars of a constant in the order of the arguments."""
    if isinstance(value, tuple):
        for item in value:
            yield from _scalars(item, alive)
    elif isinstance(value, (str, bytes)):
        import pyarrow as pa

        buffer = pa.py_buffer(value.encode() if isinstance(value, str) else value)
        alive.append(buffer)
        yield from (buffer.address, buffer.size)
    elif isinstance(value, datetime) and (value.tzinfo is not None or value.fold):
        yield from clock_parts(value)
    elif isinstance(value, time) and value.fold:
        yield from (ticks_of(value), value.fold)
    elif value is not None and not isinstance(value, tzinfo):  # which is known by its type
        yield value


def _bits(value: Any) -> int:
    if isinstance(value, float):
        return int(struct.unpack("<q", struct.pack("<d", value))[0])
    if isinstance(value, Decimal):
        return digits_of(value)[0]
    bits = ticks_of(value) if is_naive(value) else int(value)
    return bits - (1 << 64) if bits >= 1 << 63 else bits  # as an argument holds it
