"""Categorical and Enum columns: codes, with a table of their strings for kernels that read strings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.names import unnamed
from dataflare_vec.arrow.layouts.base import FixedWidth
from dataflare_vec.arrow.layouts.string_views import INLINE_BYTES, VIEW_BYTES, Views

if TYPE_CHECKING:
    from dataflare_vec.arrow.layouts.base import Arguments

#: In the length of a table's string: it isn't ASCII.
NOT_ASCII = 1 << 62

# Codes of a Categorical are numbered through all columns of the process. If its highest code is beyond as
# many times its rows, only those that occur are decoded.
_DENSE = 4


class CodeArray:
    """An Arrow array of codes, with a table of ``{address, bytes}`` by code, 16 bytes an entry."""

    __slots__ = ("codes", "strings", "table")

    def __init__(self, series: pl.Series) -> None:
        codes = unnamed(series).to_physical()
        self.codes = codes.to_arrow()
        self.strings, self.table = _decode(codes, series.dtype)

    def __len__(self) -> int:
        return len(self.codes)


def _decode(codes: pl.Series, dtype: Any) -> tuple[Any, Any]:
    """Return the strings of a column's codes, and the table of where they lie."""
    import numpy as np

    if isinstance(dtype, pl.Enum):
        text = dtype.categories
        known = pl.int_range(len(text), eager=True)
        size = len(text)
    else:
        size = int(codes.max() or 0) + 1  # type: ignore[arg-type]
        dense = size <= _DENSE * len(codes)
        known = pl.int_range(size, eager=True).cast(codes.dtype) if dense else codes.unique().drop_nulls()
        if codes.null_count() == len(codes):
            known = known[:0]
        text = known.cat.to(dtype).cast(pl.String)
    views = Views().to_arrow(text.rechunk())
    words = np.frombuffer(views.array.buffers()[1], np.int32).reshape(-1, 4)
    raw = words[views.array.offset :][: len(text)]
    lengths = raw[:, 0].astype(np.int64)
    inline = lengths <= INLINE_BYTES
    own = views.views_address + 4 + VIEW_BYTES * np.arange(len(text))
    buffers = np.array(views.table, dtype=np.int64)
    elsewhere = buffers[np.where(inline, 0, raw[:, 2])] + raw[:, 3]
    ascii_only = (text.str.len_bytes() == text.str.len_chars()).to_numpy()
    # Never empty: under a null lies any code, and a loop reads the first entry for it.
    table = np.zeros((max(size, 1), 2), np.int64)
    places = known.to_numpy()
    table[places, 0] = np.where(inline, own, elsewhere)
    table[places, 1] = np.where(ascii_only, lengths, lengths | NOT_ASCII)
    return views, table


@dataclass(frozen=True, slots=True)
class Categories(FixedWidth):
    """Codes of ``width`` bytes each; the second argument is the address of the table of strings."""

    def settle(self, series: pl.Series) -> pl.Series:
        """Return a Series in one chunk: strings are looked up once, and codes are quickly copied."""
        return series.rechunk()

    def to_arrow(self, series: pl.Series) -> CodeArray:
        """Return a Series of one chunk as codes, without a copy, and their strings."""
        return CodeArray(series)

    def arguments(self, array: Any, *, nulls: bool) -> Arguments:
        """Return the arguments of an array."""
        validity, codes = array.codes.buffers()
        offset = array.codes.offset
        return (
            codes.address + offset * self.width if codes is not None else 0,
            array.table.ctypes.data,
            validity.address if nulls and validity is not None else 0,
            offset,
        )


class Codes(FixedWidth):
    """The codes alone, as numbers."""

    __slots__ = ()

    def to_arrow(self, series: pl.Series) -> Any:
        """Return a Series of one chunk as its codes, without a copy."""
        return unnamed(series).to_physical().to_arrow()
