"""Dtypes of values that stand for columns: what a plugin was built for, not what Polars would take."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection

_FLOATS = (pl.Float64, pl.Float32)
_NARROW = (pl.Int32, pl.Int16, pl.Int8, pl.UInt64, pl.UInt32, pl.UInt16, pl.UInt8)
_LITERALS: dict[type, tuple[Any, ...]] = {
    bool: (pl.Boolean,),
    int: (pl.Int64, *_FLOATS, *_NARROW, pl.Decimal),
    float: _FLOATS,
    bytes: (pl.Binary,),
    Decimal: (pl.Decimal,),
    datetime.date: (pl.Date,),
    datetime.datetime: (pl.Datetime,),
    datetime.time: (pl.Time,),
    datetime.timedelta: (pl.Duration,),
}


def literal_dtypes(built: Collection[pl.DataType]) -> dict[type, pl.DataType]:
    """Return for each type of value its dtype as a column of one of some dtypes, if there is one.

    Examples
    --------
    >>> literal_dtypes([pl.Float64()])
    {<class 'int'>: Float64, <class 'float'>: Float64}
    """
    return {
        kind: dtypes[0]
        for kind, bases in _LITERALS.items()
        if (dtypes := [dtype for base in bases for dtype in built if dtype.base_type() == base])
    }
