"""Row kernels as a stage: compiled loops over the buffers of a chunk."""

from __future__ import annotations

import logging
import struct
from array import array
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import Column
from dataflare_vec.engine.columns import OutputColumn
from dataflare_vec.engine.failures import ROW
from dataflare_vec.engine.stage import Stage
from dataflare_vec.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dataflare_vec.binding import Binding
    from dataflare_vec.engine.prepare import Prepared
    from dataflare_vec.engine.stage import Chunk, Placed
    from dataflare_vec.memory import MemoryPool

_log = get_logger(__name__)

_NO_BITMAP = (0, 0)


class RowStage(Stage):
    """A row kernel or filter, compiled for its columns."""

    def __init__(
        self,
        binding: Binding,
        prepared: Prepared,
        reads: Sequence[str],
        writes: Mapping[str, Any],
        *,
        kept: bool,
    ) -> None:
        self.plugin = binding.plugin
        self.binding = binding
        self.prepared = prepared
        self.reads = reads
        self.writes = writes
        self.kept = kept
        self.is_filter = binding.plugin.is_filter
        self._constants = _constant_bits(binding, prepared) if binding.constant_key else None

    def allocate(self, pool: MemoryPool, rows: int, *, nulls: bool) -> list[OutputColumn]:
        """Return memory for the outputs of some rows."""
        if self.is_filter:
            return []
        return [
            OutputColumn(
                pool, field.arrow_type, field.dtype, rows, width=field.width, nulls=field.nullable or nulls
            )
            for field in self.prepared.outputs
        ]

    def run(self, chunk: Chunk) -> None:
        """Compute the chunk's rows."""
        run, prepared, start, stop = chunk.run, self.prepared, chunk.start, chunk.stop
        columns = [chunk.column(name, width) for name, width in zip(self.reads, prepared.widths, strict=True)]
        nulls = run.is_selecting(self.index)
        for column, _ in columns:
            nulls = nulls or column.has_nulls
        targets: Sequence[OutputColumn]
        if self.kept:
            targets, shift = run.outputs[self.index], 0
            if nulls:
                run.need_validity(targets)
        else:
            targets, shift = self.allocate(run.pool, stop - start, nulls=nulls), start
        for name, target in zip(self.writes, targets, strict=False):
            chunk.local[name] = target, shift
        loop = prepared.kernel.loop(nulls=nulls)
        failures = run.failures[self.index]
        for first, last in _pieces(columns, start, stop):
            if not failures.often:
                block = self._block(columns, targets, shift, first, run.selection_slots(first), _NO_BITMAP)
                if not loop(block.buffer_info()[0], last - first):
                    continue
            self._careful(chunk, columns, targets, shift, first, last)

    def _block(
        self,
        columns: Sequence[Placed],
        targets: Sequence[OutputColumn],
        shift: int,
        row: int,
        selection: tuple[int, int],
        failed: tuple[int, int],
    ) -> array[int]:
        """Return the addresses and constants for a range of rows that starts at ``row``."""
        slots: list[int] = []
        if self._constants is None:
            for column, column_shift in columns:
                slots += column.at(row - column_shift)
        else:
            left = iter(columns)
            for constants in self._constants:
                if constants is None:
                    column, column_shift = next(left)
                    slots += column.at(row - column_shift)
                else:
                    slots += constants
        for target in targets:
            slots += target.at(row - shift)
        slots += selection
        slots += failed
        return array("q", slots)

    def _careful(
        self,
        chunk: Chunk,
        columns: Sequence[Placed],
        targets: Sequence[OutputColumn],
        shift: int,
        first: int,
        last: int,
    ) -> None:
        """Run rows of which some raise: write down which ones, and take them out of the selection."""
        run = chunk.run
        failures = run.failures[self.index]
        bitmap = run.expect_failures(self, targets)
        selection, failed = run.selection_slots(first), (bitmap.address, first)
        block = self._block(columns, targets, shift, first, selection, failed)
        count = self.prepared.kernel.loop(nulls=True, careful=True)(block.buffer_info()[0], last - first)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug(
                "`%s`: rows %d to %d ran in the careful loop, %d failed",
                self.binding.plugin.name,
                first,
                last,
                count,
            )
        failures.often = count > 0
        if not count:
            return
        within = bitmap.slice(first, last).arg_true().head(failures.limit)
        read = [item.parameter.name for item in self.binding.columns]
        inputs = [
            column.slice(first - column_shift, last - column_shift).gather(within).alias(name)
            for name, (column, column_shift) in zip(read, columns, strict=True)
        ]
        sample = pl.DataFrame([(within.cast(pl.Int64) + first).alias(ROW), *inputs])
        with run.lock:
            failures.add(count, sample)


def _pieces(columns: Sequence[Placed], start: int, stop: int) -> Iterator[tuple[int, int]]:
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
