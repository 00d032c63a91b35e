"""How many bytes a value takes."""

from __future__ import annotations

from typing import Any

import polars as pl

_BYTES: dict[Any, float] = {
    pl.Boolean: 1 / 8,
    **dict.fromkeys((pl.Int8, pl.UInt8), 1),
    **dict.fromkeys((pl.Int16, pl.UInt16, pl.Float16), 2),
    **dict.fromkeys((pl.Int32, pl.UInt32, pl.Float32), 4),
    **dict.fromkeys((pl.Int64, pl.UInt64, pl.Float64), 8),
    **dict.fromkeys((pl.Int128, pl.UInt128), 16),
}


def value_bytes(dtype: Any) -> float | None:
    """Return the bytes of a value; None where they differ from value to value, or it is made of several.

    Examples
    --------
    >>> value_bytes(pl.Float32()), value_bytes(pl.Datetime("us")), value_bytes(pl.Boolean())
    (4, 8, 0.125)
    >>> value_bytes(pl.String())
    """
    return _BYTES.get(pl.Series(dtype=dtype).to_physical().dtype.base_type())
