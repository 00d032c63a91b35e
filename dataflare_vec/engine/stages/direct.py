"""A row kernel whose loop is called once for all rows: what such calls have in common, made once."""

from __future__ import annotations

from array import array
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec.arrow.c_data import FORMATS, Owned, OwnedKind
from dataflare_vec.arrow.columns import InputColumn
from dataflare_vec.arrow.layouts import Bits, FixedWidth
from dataflare_vec.compiler.native.columns import BorrowedColumns, Borrower, functions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl

    from dataflare_vec.arrow.columns import ColumnBuilder
    from dataflare_vec.compiler.specialise import OutputField, Prepared
    from dataflare_vec.memory import MemoryPool

#: No rows are selected, and none fail: see `jit.abi.arguments`.
_ALL_ROWS = (0, 0, 0, 0, 0)


class PlacedColumns(NamedTuple):
    """Columns of any layout, as `BorrowedColumns`."""

    words: array[int]
    has_nulls: bool
    columns: Any  # what keeps them where they are


Inputs = BorrowedColumns | PlacedColumns


class DirectCall:
    """A row kernel over rows that are one chunk.

    Parameters
    ----------
    prepared
        The kernel.
    reads, writes
        The columns, as of its stage.
    constants
        For each parameter the arguments of a constant, or None for a column; None if all are columns.
    parameters
        Returns the arguments of columns and constants, for columns of any layout.
    allocate
        Returns memory for the outputs of some rows, out of a pool.

    Attributes
    ----------
    reads, writes
        See above.
    needs_pool : bool
        Whether its columns take memory of a pool, however few rows they have.
    """

    def __init__(
        self,
        prepared: Prepared,
        reads: Sequence[str],
        writes: Mapping[str, Any],
        constants: Sequence[list[int] | None] | None,
        parameters: Callable[[Sequence[tuple[InputColumn, int]], int], list[int]],
        allocate: Callable[..., list[ColumnBuilder]],
    ) -> None:
        self.reads = reads
        self.writes = writes
        self._kernel = prepared.kernel
        self._layouts = prepared.layouts
        self._parameters = parameters
        self._allocate = allocate
        self._fields = prepared.outputs
        self._kinds = _kinds(writes, prepared.outputs)
        self.needs_pool = self._kinds is None
        words, places = _places(constants or [None] * len(reads))
        widths = [_width(layout) for layout in prepared.layouts]
        known = [width for width in widths if width is not None]
        self._borrower = Borrower(words, places, known) if len(known) == len(widths) else None

    def inputs(self, columns: Sequence[pl.Series]) -> Inputs | None:
        """Return columns as the loop reads them; None if one of them is of several pieces."""
        if self._borrower is not None:
            return self._borrower.borrow(columns)
        placed = [
            (InputColumn(series, layout), 0) for series, layout in zip(columns, self._layouts, strict=True)
        ]
        if any(len(column.starts) > 1 for column, _ in placed):
            return None
        nulls = any(column.has_nulls for column, _ in placed)
        return PlacedColumns(array("q", self._parameters(placed, 0)), nulls, placed)

    def compute(self, inputs: Inputs, rows: int) -> tuple[list[pl.Series], float] | None:
        """Return the new columns in memory of their own, and the seconds it took; None if some row failed.

        A pool would need PyArrow, and save nothing for few rows.
        """
        assert self._kinds is not None
        nulls = inputs.has_nulls
        targets = [
            Owned(kind, rows, nulls=nulls or field.nullable)
            for kind, field in zip(self._kinds, self._fields, strict=True)
        ]
        for target in targets:
            inputs.words.extend(target.arguments)
        elapsed = self._call(inputs, rows)
        return None if elapsed is None else ([target.to_series() for target in targets], elapsed)

    def compute_in(self, pool: MemoryPool, inputs: Inputs, rows: int) -> tuple[list[pl.Series], float] | None:
        """Do the same in memory of a pool."""
        targets = self._allocate(pool, rows, nulls=inputs.has_nulls)
        for target in targets:
            inputs.words.extend(target.for_writing(0))
        elapsed = self._call(inputs, rows)
        for target in targets:
            target.check()
        if elapsed is None:
            return None
        return [target.to_series(name) for name, target in zip(self.writes, targets, strict=True)], elapsed

    def _call(self, inputs: Inputs, rows: int) -> float | None:
        """Call the loop; return the seconds it took, None if some row failed."""
        words = inputs.words
        words.extend(_ALL_ROWS)
        loop = self._kernel.loop(nulls=inputs.has_nulls)  # compiled now, not in the time that is measured
        began = perf_counter()
        failed = loop(words.buffer_info()[0], rows)
        return None if failed else perf_counter() - began


def _width(layout: Any) -> int | None:
    """Return the bytes of a value, 0 for bits; None if a column has other arguments than its two buffers."""
    if type(layout) is FixedWidth:
        return layout.width
    return 0 if type(layout) is Bits else None


def _places(parameters: Sequence[list[int] | None]) -> tuple[array[int], list[int]]:
    """Return the arguments of parameters, zeros for columns of four each, and where those begin."""
    words = array("q")
    places = []
    for constants in parameters:
        if constants is None:
            places.append(len(words))
        words.extend((0, 0, 0, 0) if constants is None else constants)
    return words, places


def _kinds(writes: Mapping[str, Any], fields: Sequence[OutputField]) -> list[OwnedKind] | None:
    if any(type(field.stored) not in FORMATS for field in fields):
        return None
    return [
        OwnedKind(
            name,
            field.stored,
            0 if isinstance(field.layout, Bits) else field.layout.row_bytes,
            field.dtype,
            functions().allocator,
        )
        for name, field in zip(writes, fields, strict=True)
    ]
