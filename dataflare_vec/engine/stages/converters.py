"""What a function of Python returns, as columns hold it: what compiled code would write, or an error."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from dataflare_vec.definition.annotations import TEMPORAL
from dataflare_vec.definition.python_values import checked_category, ticks_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Converter = Callable[[Any], Any]


def converter(dtype: Any, *, strict: bool) -> Converter:
    """Return the function that makes a value of Python one of a column, as compiled code would, or raises.

    An integer may be days or ticks, unless it is to be ``strict``.
    """
    if dtype == pl.Boolean:
        return partial(_truth, dtype)
    if isinstance(dtype, pl.Struct):
        fields = [(field.name, converter(field.dtype, strict=strict)) for field in dtype.fields]
        return partial(_fields, dtype, fields)
    if dtype.is_integer():
        low, high = pl.select(dtype.min().alias("low"), dtype.max().alias("high")).row(0)
        return partial(_integer, dtype, low, high)
    if dtype.is_float():
        return partial(_number, dtype)
    if dtype.is_temporal():
        return partial(_ticks, dtype, strict)
    if isinstance(dtype, pl.Enum):
        return partial(_category, dtype)
    return partial(_other, dtype)


def _refused(dtype: Any, value: Any) -> TypeError:
    return TypeError(f"it returned {value!r} ({type(value).__name__}), {dtype} is declared")


def _truth(dtype: Any, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise _refused(dtype, value)
    return bool(value)


def _fields(dtype: Any, fields: Sequence[tuple[str, Converter]], value: Any) -> dict[str, Any]:
    if not isinstance(value, (dict, tuple)) or len(value) != len(fields):
        raise _refused(dtype, value)
    if isinstance(value, tuple):
        value = dict(zip(getattr(value, "_fields", dict(fields)), value, strict=True))
    return {name: None if (v := value[name]) is None else to(v) for name, to in fields}


def _integer(dtype: Any, low: int, high: int, value: Any) -> int:
    if not isinstance(value, (int, np.integer, np.bool_)):
        raise _refused(dtype, value)
    whole = int(value)
    if not low <= whole <= high:
        msg = f"{whole} does not fit {dtype}"
        raise OverflowError(msg)
    return whole


def _number(dtype: Any, value: Any) -> float:
    if not isinstance(value, (int, float, np.number, np.bool_)):
        raise _refused(dtype, value)
    return float(value)


def _ticks(dtype: Any, strict: bool, value: Any) -> Any:
    if isinstance(value, (int, np.integer)):
        if strict:
            raise _refused(dtype, value)
        return int(value)
    if type(value) in TEMPORAL:
        if TEMPORAL[type(value)] is not dtype.base_type():
            raise _refused(dtype, value)
        return ticks_in(value, dtype)
    return pl.Series([value], dtype=dtype, strict=True).to_physical()[0]


def _category(dtype: Any, value: Any) -> str:
    if not isinstance(value, str):
        raise _refused(dtype, value)
    return checked_category(value, dtype)


def _other(dtype: Any, value: Any) -> Any:
    try:
        return pl.Series([value], dtype=dtype, strict=True)[0]
    except (TypeError, pl.exceptions.PolarsError):
        raise _refused(dtype, value) from None
