"""Lists as a loop writes them: the bytes of each in a view, put together to one column afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.arrow.layouts.string_views import AS_VIEWS, Views

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class ListResults(Views):
    """Rows of lists with items of ``width`` bytes; of strings, views into the column's data buffers."""

    width: int


def lists_of_bytes(
    rows: pl.Series, width: int, dtype: Any, data_buffers: Callable[[], list[Any]]
) -> pl.Series:
    """Return a Binary Series with the bytes of lists as a Series of ``dtype``, List or Array.

    Parameters
    ----------
    data_buffers
        Returns the data buffers that items refer to which are views.
    """
    import numpy as np
    import pyarrow as pa

    item = pl.Series(dtype=dtype.inner).to_physical().dtype
    stored = pl.UInt8() if item == pl.Boolean else item
    array = rows.rechunk().to_arrow()
    validity, offsets, data = array.buffers()
    count = len(array)
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + count + 1] // width
    is_text = item in (pl.String, pl.Binary)
    items = pl.Series(dtype=stored).to_arrow(compat_level=AS_VIEWS).type
    total = int(ends[-1]) if len(ends) else 0
    child = pa.Array.from_buffers(items, total, [None, data, *(data_buffers() if is_text else ())])
    if validity is not None and array.offset:
        validity = array.is_valid().buffers()[1]
    buffers = [validity if array.null_count else None, pa.py_buffer(ends)]
    lists = pa.Array.from_buffers(pa.large_list(items), count, buffers, children=[child])
    return pl.Series(rows.name, lists, dtype=pl.List(stored)).cast(dtype)
