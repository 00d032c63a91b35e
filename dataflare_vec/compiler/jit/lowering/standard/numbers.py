"""Functions of floats that Numba lacks or has otherwise: `math`'s, and a few of NumPy's of scalars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload_method

from dataflare_vec.compiler.jit.lowering.builtins import value_of
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


def held(value: Any) -> Any:
    """Return a value that isn't None, by its own type."""
    raise TypeError(value)


@operation(held)
def _held(value):
    return (lambda value: value_of(value)) if isinstance(value, types.Optional) else lambda value: value


def _takes_no_bound() -> bool:
    """Whether this NumPy's `clip` may be left without a bound."""
    try:
        np.clip(1.0, None, None)
    except ValueError:
        return False
    return True


_TAKES_NO_BOUND = _takes_no_bound()


@operation(np.clip)
def _clip(a, a_min, a_max):
    bounds = [one for one in (a_min, a_max) if not isinstance(one, types.NoneType)]
    kind = _common(a, *(one.type if isinstance(one, types.Optional) else one for one in bounds))
    if kind is None or kind is np.bool_ or not bounds:
        return None
    if any(isinstance(one, types.Optional) for one in bounds):

        def clip_either(a, a_min, a_max):
            found = kind(a)
            if a_min is None and a_max is None and not _TAKES_NO_BOUND:
                raise ValueError("One of max or min must be given")
            if a_min is not None:
                found = np.maximum(found, kind(held(a_min)))
            if a_max is not None:
                found = np.minimum(found, kind(held(a_max)))
            return found

        return clip_either
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


# -- numpy.isclose, numpy.allclose ------------------------------------------------------------------------


@helper
def _near(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Tell of floats, as NumPy does it: the difference of integers may have more than 64 bits."""
    x, y = np.float64(a), np.float64(b)
    if equal_nan and np.isnan(x) and np.isnan(y):
        return True
    return x == y or (np.isfinite(y) and abs(x - y) <= atol + rtol * abs(y))


def _as_floats(value):
    """Return an integer, or an array of them, as floats."""
    raise TypeError(value)


@operation(_as_floats)
def _as_floats_of(value):
    if isinstance(value, types.Array):
        if isinstance(value.dtype, types.Float):
            return lambda value: value
        return lambda value: value.astype(np.float64)
    return (lambda value: value) if isinstance(value, types.Float) else (lambda value: np.float64(value))


@helper
def _near_items(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    return np.isclose(_as_floats(a), _as_floats(b), rtol, atol, equal_nan)


@helper
def _all_near_items(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    return np.allclose(_as_floats(a), _as_floats(b), rtol, atol, equal_nan)


def _register_near(original: Any, of_items: Any) -> None:
    @overlay(original, "a", "b", "rtol", "atol", "equal_nan")
    def choose(a: Any = None, b: Any = None, *tolerances: Any) -> Any:
        if not all(isinstance(one, types.Omitted) or _is_double(one) for one in tolerances):
            return None
        if _is_double(a) and _is_double(b):
            return _near
        numbers = [getattr(kind, "dtype", kind) for kind in (a, b)]
        whole = all(isinstance(kind, _NUMBERS) for kind in numbers) and not all(map(_is_float, numbers))
        return of_items if whole else None


def _is_float(kind: Any) -> bool:
    return isinstance(kind, types.Float)


_register_near(np.isclose, _near_items)
_register_near(np.allclose, _all_near_items)
