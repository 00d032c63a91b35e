"""Dtypes as Arrow's C data interface writes them, those that a plugin library reads and writes."""

from __future__ import annotations

from typing import Any

import polars as pl

from dataflare_vec.arrow.c_data import FORMATS, VIEW_FORMATS

#: Digits of a decimal, if its dtype doesn't say how many.
MOST_DIGITS = 38

_UNITS = {"ms": "m", "us": "u", "ns": "n"}

_UNIT_OF: Any = {letter: unit for unit, letter in _UNITS.items()}
_DTYPES = {written.decode(): dtype() for dtype, written in FORMATS.items()}
_DTYPES |= {"tdD": pl.Date(), "ttn": pl.Time()}

#: What there is a format for, in words.
KNOWN = (
    "numbers, booleans, strings, bytes, decimals, dates, times, datetimes, durations, categories, and lists "
    "and structs of these"
)
#: Bytes of a format, at most: less than `FORMAT_BYTES` of `runtime/call.c`.
MOST_BYTES = 1023
#: A struct has for each field `NAME`, its name, `FORMAT` and its format, and last `END`.
NAME, FORMAT, END = "\x1f\x1e\x1d"
STRUCT = "+s"
#: Codes of categories begin with it.
_CODES = "*"


def format_of(dtype: Any) -> str | None:
    r"""Return the format of a column's values; None if a plugin library doesn't hold such.

    That of lists and arrays has the format of their items behind a bar, that of structs has those of their
    fields, and that of categories the one of their codes.

    Examples
    --------
    >>> format_of(pl.Int8()), format_of(pl.Datetime("us", "UTC")), format_of(pl.String())
    ('c', 'tsu:UTC', 'vu')
    >>> format_of(pl.Decimal(10, 2)), format_of(pl.Null())
    ('d:10,2', None)
    >>> format_of(pl.List(pl.Int8())), format_of(pl.Array(pl.Float64(), (3, 2)))
    ('+L|c', '+w:3|+w:2|g')
    >>> format_of(pl.Enum(["a", "b"])), format_of(pl.Struct({"a": pl.Int8}))
    ('*C', '+s\x1fa\x1ec\x1d')
    """
    written = _format(dtype)
    return None if written is None or len(written.encode()) > MOST_BYTES else written


def result_format(dtype: Any) -> str | None:
    """Return the format of a result; None of categories too, for a library doesn't bring any of its own.

    Examples
    --------
    >>> result_format(pl.Int8()), result_format(pl.Categorical())
    ('c', None)
    """
    written = format_of(dtype)
    return None if written is None or written.startswith(_CODES) else written


def dtype_of(form: str) -> Any:
    r"""Return the dtype of numbers, Booleans and times that has a format; None of any other.

    Examples
    --------
    >>> dtype_of("c"), dtype_of("tsu:UTC"), dtype_of("tDm"), dtype_of("vu")
    (Int8, Datetime(time_unit='us', time_zone='UTC'), Duration(time_unit='ms'), None)
    """
    kind, unit = form[:2], _UNIT_OF.get(form[2:3])
    if kind == "ts" and unit is not None:
        return pl.Datetime(unit, form[4:] or None)
    if kind == "tD" and unit is not None:
        return pl.Duration(unit)
    return _DTYPES.get(form)


def _format(dtype: Any) -> str | None:
    if isinstance(dtype, type):  # as a dtype may have that of its fields or items
        dtype = dtype()
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
        items = _format(dtype.inner)
        this = "+L" if isinstance(dtype, pl.List) else f"+w:{dtype.size}"
        return None if items is None else f"{this}|{items}"
    if isinstance(dtype, pl.Struct):
        return _struct(dtype)
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        codes = pl.Series(dtype=dtype).to_physical().dtype
        return f"{_CODES}{FORMATS[type(codes)].decode()}"
    if isinstance(dtype, pl.Int128):
        return "_pli128"
    found = FORMATS.get(type(dtype)) or VIEW_FORMATS.get(type(dtype))
    return None if found is None else found.decode()


def _struct(dtype: pl.Struct) -> str | None:
    written = STRUCT
    for field in dtype.fields:
        form = _format(field.dtype)
        if form is None or {*field.name} & {"\0", NAME, FORMAT, END}:
            return None
        written += f"{NAME}{field.name}{FORMAT}{form}"
    return written + END
