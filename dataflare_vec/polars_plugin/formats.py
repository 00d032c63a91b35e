"""Dtypes as Arrow's C data interface writes them, those that a plugin library reads and writes."""

from __future__ import annotations

from typing import Any

import polars as pl

from dataflare_vec.arrow.c_data import FORMATS

_UNITS = {"ms": "m", "us": "u", "ns": "n"}

#: What there is a format for, in words.
KNOWN = "numbers, booleans, dates, times, datetimes and durations"


def format_of(dtype: Any) -> str | None:
    """Return the format of a column's values; None if a plugin library doesn't hold such.

    Examples
    --------
    >>> format_of(pl.Int8()), format_of(pl.Datetime("us", "UTC")), format_of(pl.String())
    ('c', 'tsu:UTC', None)
    """
    if isinstance(dtype, pl.Date):
        return "tdD"
    if isinstance(dtype, pl.Time):
        return "ttn"
    if isinstance(dtype, pl.Datetime):
        return f"ts{_UNITS[dtype.time_unit]}:{dtype.time_zone or ''}"
    if isinstance(dtype, pl.Duration):
        return f"tD{_UNITS[dtype.time_unit]}"
    found = FORMATS.get(type(dtype))
    return None if found is None else found.decode()
