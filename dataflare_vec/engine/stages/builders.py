"""Memory for a kernel's outputs, of the kind that their layouts need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.arrow.columns import Bitmap, ColumnBuilder
from dataflare_vec.arrow.layouts import ListResults, Structs, Views
from dataflare_vec.arrow.string_builders import ListBuilder, StringBuilder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.arrow.layouts import Arguments, Layout
    from dataflare_vec.compiler.specialise import OutputField
    from dataflare_vec.memory import MemoryPool


def allocate(
    fields: Sequence[OutputField], pool: MemoryPool, rows: int, *, nulls: bool
) -> list[ColumnBuilder]:
    """Return memory for some rows of the outputs of a kernel."""
    return [
        _column(pool, field.stored, field.dtype, rows, field.layout, nulls=field.nullable or nulls)
        for field in fields
    ]


def _column(
    pool: MemoryPool, stored: Any, dtype: Any, rows: int, layout: Layout, *, nulls: bool
) -> ColumnBuilder:
    kind: type[ColumnBuilder] = ColumnBuilder
    if isinstance(layout, Structs):
        kind = StructBuilder
    elif isinstance(layout, ListResults):
        kind = ListBuilder
    elif isinstance(layout, Views):
        kind = StringBuilder
    return kind(pool, stored, dtype, rows, layout=layout, nulls=nulls)


class StructBuilder(ColumnBuilder):
    """A column for each field, and a validity of their own."""

    __slots__ = ("_bitmap", "fields")

    def __init__(
        self, pool: MemoryPool, stored: Any, dtype: Any, rows: int, *, layout: Layout, nulls: bool
    ) -> None:
        assert isinstance(layout, Structs)
        self._pool = pool
        self.rows, self.dtype, self.layout = rows, dtype, layout
        self._bitmap: Bitmap | None = None
        shown = stored if dtype is None else dtype
        self.fields = {
            field.name: _column(
                pool,
                field.dtype,
                None if to.dtype == field.dtype else to.dtype,
                rows,
                inner,
                nulls=field.name in layout.nullable,
            )
            for field, to, inner in zip(stored.fields, shown.fields, layout.layouts, strict=True)
        }
        self.arguments = (
            0,
            0,
            0,
            0,
            *(argument for field in self.fields.values() for argument in field.arguments),
        )
        if nulls:
            self.need_validity()

    @property
    def has_nulls(self) -> bool:
        """Whether some of its rows may be null."""
        return self._bitmap is not None

    def need_validity(self) -> None:
        """Have a validity bitmap from now on; all rows so far are valid. Not to be called by two threads."""
        if self._bitmap is None:
            bitmap = Bitmap(self._pool, self.rows, ones=True)
            self.arguments = (*self.arguments[:2], bitmap.address, *self.arguments[3:])
            self._bitmap = bitmap

    def for_writing(self, row: int, *, restarts: bool = False) -> Arguments:
        """Return the arguments of a loop on this thread that writes from ``row`` on."""
        arguments = self.at(row)[:4]
        for field in self.fields.values():
            arguments += field.for_writing(row, restarts=restarts)
        return arguments

    def check(self) -> None:
        """Raise what went wrong while loops wrote."""
        for field in self.fields.values():
            field.check()

    def slice(self, start: int, stop: int, name: str = "") -> pl.Series:
        """Return some of its rows; the pool gets its memory back when the last reader lets go."""
        struct = pl.DataFrame(
            [field.slice(start, stop, field_name) for field_name, field in self.fields.items()]
        ).to_struct(name)
        if self._bitmap is None:
            return struct
        there = self._bitmap.slice(start, stop)
        return pl.select(pl.when(there).then(struct)).to_series().alias(name)
