"""Dtypes as Arrow's C data interface writes them, those that a plugin library reads and writes."""

from __future__ import annotations

from typing import Any

import polars as pl

from dataflare_vec.arrow.c_data import FORMATS, VIEW_FORMATS

#: Digits of a decimal, if its dtype doesn't say how many.
MOST_DIGITS = 38

_UNITS = {"ms": "m", "us": "u", "ns": "n"}

#: What there is a format for, in words.
KNOWN = "numbers, booleans, strings, bytes, decimals, dates, times, datetimes, durations and lists of these"


def format_of(dtype: Any) -> str | None:
    """Return the format of a column's values; None if a plugin library doesn't hold such.

    That of lists and arrays has the format of their items behind a bar.

    Examples
    --------
    >>> format_of(pl.Int8()), format_of(pl.Datetime("us", "UTC")), format_of(pl.String())
    ('c', 'tsu:UTC', 'vu')
    >>> format_of(pl.Decimal(10, 2)), format_of(pl.Null())
    ('d:10,2', None)
    >>> format_of(pl.List(pl.Int8())), format_of(pl.Array(pl.Float64(), (3, 2)))
    ('+L|c', '+w:3|+w:2|g')
    """
    if isinstance(dtype, pl.Date):
        return "tdD"
    if isinstance(dtype, pl.Time):
        return "ttn"
    if isinstance(dtype, pl.Datetime):
        return f"ts{_UNITS[dtype.time_unit]}:{dtype.time_zone or ''}"
    if isinstance(dtype, pl.Duration):
        return f"tD{_UNITS[dtype.time_unit]}"
    if isinstance(dtype, pl.Decimal):
        return f"d:{dtype.precision or MOST_DIGITS},{dtype.scale}"
    if isinstance(dtype, (pl.List, pl.Array)):
        inner = dtype.inner() if isinstance(dtype.inner, type) else dtype.inner
        items = format_of(inner)
        this = "+L" if isinstance(dtype, pl.List) else f"+w:{dtype.size}"
        return None if items is None else f"{this}|{items}"
    found = FORMATS.get(type(dtype)) or VIEW_FORMATS.get(type(dtype))
    return None if found is None else found.decode()
