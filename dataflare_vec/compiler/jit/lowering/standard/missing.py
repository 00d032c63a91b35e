"""`pandas.isna` and `notna` of one value, by all of their names: None and NaN are missing."""

from __future__ import annotations

import math
import sys
from typing import Any

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload

from dataflare_vec.compiler.jit.types.strings import BytesType, StringType
from dataflare_vec.compiler.jit.types.temporal import TemporalType
from dataflare_vec.compiler.jit.types.wide_integers import DecimalType, WideIntType

_NEVER_MISSING = (
    *(types.Boolean, types.Integer, types.UnicodeType, types.Bytes),
    *(StringType, BytesType, TemporalType, DecimalType, WideIntType),
)


def stands_for(found: Any) -> Any:
    """Return what stands for one of pandas' functions in a kernel; None for anything else."""
    pandas = sys.modules.get("pandas")  # which is slow to import, and there if somebody names it
    if pandas is None:
        return None
    if found is getattr(pandas, "isna", pandas):
        return is_missing
    return is_there if found is getattr(pandas, "notna", pandas) else None


def is_missing(obj: Any) -> bool:
    """Tell whether a value is None or NaN."""
    return obj is None or obj != obj


def is_there(obj: Any) -> bool:
    """Tell whether a value is neither None nor NaN."""
    return not is_missing(obj)


@overload(is_missing)
def _is_missing(obj):
    if isinstance(obj, types.NoneType):
        return lambda obj: True
    optional = isinstance(obj, types.Optional)
    kind = types.unliteral(obj.type if optional else obj)
    if isinstance(kind, types.Float):
        if optional:
            return lambda obj: True if obj is None else math.isnan(obj)
        return lambda obj: math.isnan(obj)
    if not isinstance(kind, _NEVER_MISSING):
        msg = f"`pandas.isna` takes one value here, not one of type {kind}"
        raise TypingError(msg)
    return (lambda obj: obj is None) if optional else (lambda obj: False)


@overload(is_there)
def _is_there(obj):
    return lambda obj: not is_missing(obj)
