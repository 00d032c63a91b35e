"""Types of columns as a text: ``f64``, ``String``, ``datetime[us]``, ``decimal[10,2]``."""

from __future__ import annotations

import re
from typing import Any

_SHORT = {
    **{f"i{bits}": f"Int{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"UInt{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"UInt{bits}" for bits in (8, 16, 32, 64)},
    "f32": "Float32",
    "f64": "Float64",
    "int": "Int64",
    "float": "Float64",
    "bool": "Boolean",
    "str": "String",
    "bytes": "Binary",
}


def split_types(text: str) -> list[str]:
    """Return what is between commas, but for those in brackets.

    Examples
    --------
    >>> split_types("a=decimal[10,2],b=str")
    ['a=decimal[10,2]', 'b=str']
    """
    return re.split(r",(?![^\[]*\])", text)


def dtype_of(text: str, option: str) -> Any:
    """Return the Polars dtype that a text means.

    Raises
    ------
    ValueError
        If it means none; the message names the option.

    Examples
    --------
    >>> dtype_of("i32", "--for"), dtype_of("datetime[ms]", "--for")
    (Int32, Datetime(time_unit='ms', time_zone=None))
    """
    import polars as pl

    name, bracket, unit = text.strip().removesuffix("]").partition("[")
    tried = (_SHORT.get(name.lower(), name), name.capitalize())
    found: list[Any] = [one for one in (getattr(pl, each, None) for each in tried) if _is_dtype(one)]
    try:
        if found:
            return _made(found[0], unit if bracket else None)
    except (TypeError, ValueError):  # of a type that has no unit, or not that one
        pass
    known = ", ".join([*_SHORT, "date", "time", "datetime[us]", "duration[us]", "decimal[10,2]"])
    msg = f"{option}: `{text.strip()}` is not a dtype; use {known}"
    raise ValueError(msg)


def _made(kind: Any, unit: str | None) -> Any:
    import polars as pl

    if kind is pl.Decimal:  # which has no digits behind the point, unless it is told
        precision, scale = map(int, (unit or "").split(","))
        return kind(precision, scale)
    return kind() if unit is None else kind(unit)


def _is_dtype(found: Any) -> bool:
    import polars as pl

    return isinstance(found, type) and issubclass(found, pl.DataType)
