"""`math`'s functions of floats that Numba lacks, and `numpy.clip` and `numpy.where` of scalars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload_method

from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, helper, operation

_NUMBERS = (types.Integer, types.Boolean, types.Float)


def _is_double(kind: Any) -> bool:
    """Whether it is a number computed with in 64 bits: single precision has rules of its own."""
    kind = getattr(kind, "literal_type", kind)
    return isinstance(kind, _NUMBERS) and kind not in (types.float32, types.float16, types.uint64)


@operation(math.isclose)
def _isclose(a, b, rel_tol=1e-09, abs_tol=0.0):
    given = [one for one in (a, b, rel_tol, abs_tol) if isinstance(one, types.Type)]
    if not all(_is_double(getattr(one, "value", one)) or isinstance(one, types.Omitted) for one in given):
        return None

    def isclose(a, b, rel_tol=1e-09, abs_tol=0.0):
        if rel_tol < 0 or abs_tol < 0:
            raise ValueError("tolerances must be non-negative")
        x, y = np.float64(a), np.float64(b)
        if x == y:
            return True
        if np.isinf(x) or np.isinf(y):
            return False
        apart = abs(y - x)
        return apart <= abs(rel_tol * y) or apart <= abs(rel_tol * x) or apart <= abs_tol

    return isclose


@operation(math.prod)
def _prod(iterable, start=1):
    if not isinstance(iterable, types.IterableType | types.UniTuple):
        return None

    def prod(iterable, start=1):
        found = start
        for item in iterable:  # compiled as it stands
            found = found * item
        return found

    return prod


@overload_method(types.Float, "is_integer", jit_options=OPTIONS)
def _is_integer(number):
    return lambda number: math.isfinite(number) and number == np.floor(number)


# -- NumPy's of scalars -----------------------------------------------------------------------------------


def _common(*kinds: Any) -> Any:
    """Return NumPy's class for what all of these fit, None if there is none that is certain."""
    kinds = tuple(getattr(kind, "literal_type", kind) for kind in kinds)
    if not all(map(_is_double, kinds)):
        return None
    if all(isinstance(kind, types.Boolean) for kind in kinds):
        return np.bool_
    return np.float64 if any(isinstance(kind, types.Float) for kind in kinds) else np.int64


@operation(np.clip)
def _clip(a, a_min, a_max):
    bounds = [one for one in (a_min, a_max) if not isinstance(one, types.NoneType)]
    kind = _common(a, *bounds)
    if kind is None or kind is np.bool_ or not bounds:
        return None
    if len(bounds) == 2:
        return lambda a, a_min, a_max: np.minimum(np.maximum(kind(a), kind(a_min)), kind(a_max))
    if isinstance(a_max, types.NoneType):
        return lambda a, a_min, a_max: np.maximum(kind(a), kind(a_min))
    return lambda a, a_min, a_max: np.minimum(kind(a), kind(a_max))


@helper
def _double_where(condition, x, y):
    return np.float64(x) if condition else np.float64(y)


@helper
def _whole_where(condition, x, y):
    return np.int64(x) if condition else np.int64(y)


@helper
def _bool_where(condition, x, y):
    return bool(x) if condition else bool(y)


_WHERE = {np.float64: _double_where, np.int64: _whole_where, np.bool_: _bool_where}


@overlay(np.where, "condition", "x", "y")
def _choose_where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Of numbers it is one, where NumPy makes an array without a dimension."""
    if x is None or y is None or not isinstance(condition, _NUMBERS):
        return None
    return _WHERE.get(_common(x, y))
