"""Struct columns: a column for each field that is read, and a validity of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.names import unnamed
from dataflare_vec.arrow.layouts.base import Layout

if TYPE_CHECKING:
    from dataflare_vec.arrow.layouts.base import Arguments


class StructArray:
    """The arrays of a struct's fields, and where its validity lies."""

    __slots__ = ("array", "fields")

    def __init__(self, array: Any, fields: list[Any]) -> None:
        self.array = array
        self.fields = fields

    def __len__(self) -> int:
        return len(self.array)


@dataclass(frozen=True, slots=True)
class Structs(Layout):
    """The fields ``names`` of a struct, each in its own layout; those in ``nullable`` may be null."""

    names: tuple[str, ...]
    layouts: tuple[Layout, ...]
    nullable: frozenset[str] = frozenset()

    @property
    def strides(self) -> Arguments:
        """By how much each argument changes from row to row."""
        return (0, 0, 0, 1, *(stride for layout in self.layouts for stride in layout.strides))

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes."""
        return max(sum(layout.row_bytes for layout in self.layouts), 1)

    def settle(self, series: pl.Series) -> pl.Series:
        """Return a Series in which a struct is null if a field is that must not be, at any depth."""
        name, series = series.name, unnamed(series)
        fields = [series.struct.field(field) for field in self.names]
        settled = [layout.settle(field) for layout, field in zip(self.layouts, fields, strict=True)]
        same = all(a.null_count() == b.null_count() for a, b in zip(fields, settled, strict=True))
        there = series.is_not_null()
        for one, field in zip(self.names, settled, strict=True):
            if one not in self.nullable and field.null_count():
                there &= field.is_not_null()
        if same and int(there.sum()) == len(series) - series.null_count():
            return series.alias(name)
        struct = pl.DataFrame(dict(zip(self.names, settled, strict=True))).to_struct()
        return pl.select(pl.when(there).then(struct)).to_series().alias(name)

    def to_arrow(self, series: pl.Series) -> StructArray:
        """Return a Series of one chunk as Arrow arrays, without a copy."""
        series = unnamed(series)
        fields = [
            layout.to_arrow(series.struct.field(name))
            for name, layout in zip(self.names, self.layouts, strict=True)
        ]
        return StructArray(series.is_not_null().to_arrow(), fields)

    def arguments(self, array: StructArray, *, nulls: bool) -> Arguments:
        """Return the arguments of a struct's arrays."""
        arguments = [0, 0, array.array.buffers()[1].address if nulls else 0, array.array.offset]
        for name, layout, field in zip(self.names, self.layouts, array.fields, strict=True):
            arguments += layout.arguments(field, nulls=name in self.nullable)
        return tuple(arguments)
