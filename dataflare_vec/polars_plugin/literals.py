"""Dtypes of numbers that stand for columns: what a plugin was built for, not what Polars would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection

_FLOATS = (pl.Float64, pl.Float32)
_NARROW = (pl.Int32, pl.Int16, pl.Int8, pl.UInt64, pl.UInt32, pl.UInt16, pl.UInt8)
_LITERALS = {bool: (pl.Boolean,), int: (pl.Int64, *_FLOATS, *_NARROW), float: _FLOATS}


def literal_dtypes(built: Collection[Any]) -> dict[type, Any]:
    """Return the dtype of a bool, an integer and a float for a column of one of some dtypes, if there is one.

    Examples
    --------
    >>> literal_dtypes([pl.Float64()])
    {<class 'int'>: Float64, <class 'float'>: Float64}
    """
    found = {kind: next((one for one in ones if one in built), None) for kind, ones in _LITERALS.items()}
    return {kind: dtype for kind, dtype in found.items() if dtype is not None}
