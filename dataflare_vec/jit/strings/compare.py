"""``==``, ordering, ``hash``, truth, and what follows from them: ``in`` a tuple, ``min``, ``max``.

UTF-8 sorts by bytes as code points sort, so strings and bytes compare alike.
"""

from __future__ import annotations

import operator

import numpy as np
from numba.core import types
from numba.extending import overload_method

from dataflare_vec.jit.strings.base import OPTIONS, helper, is_bytes, is_string, operation
from dataflare_vec.jit.strings.types import ViewType


def comparable(a, b):
    """Whether two Numba types are both strings, or both bytes."""
    return (is_string(a) and is_string(b)) or (is_bytes(a) and is_bytes(b))


@helper
def same_bytes(a, b, nbytes):
    """Whether two stretches of memory hold the same."""
    for i in range(nbytes):
        if a[i] != b[i]:
            return False
    return True


@helper
def equal(a, b):
    """Whether two views hold the same bytes."""
    return a._nbytes == b._nbytes and same_bytes(a._data, b._data, a._nbytes)


@helper
def order(a, b):
    """Return a number below, equal to or above 0, as ``a`` sorts before, with or after ``b``."""
    for i in range(min(a._nbytes, b._nbytes)):
        if a._data[i] != b._data[i]:
            return np.int64(a._data[i]) - np.int64(b._data[i])
    return a._nbytes - b._nbytes


@operation(operator.eq)
def _eq(a, b):
    if comparable(a, b):
        return lambda a, b: equal(a, b)
    if isinstance(a, ViewType) or isinstance(b, ViewType):
        if isinstance(a, types.Optional) or isinstance(b, types.Optional):
            return None
        return lambda a, b: False
    return None


@operation(operator.ne)
def _ne(a, b):
    if comparable(a, b):
        return lambda a, b: not equal(a, b)
    if isinstance(a, ViewType) or isinstance(b, ViewType):
        if isinstance(a, types.Optional) or isinstance(b, types.Optional):
            return None
        return lambda a, b: True
    return None


def _ordering(function):
    @operation(function)
    def compare(a, b):
        return (lambda a, b: function(order(a, b), 0)) if comparable(a, b) else None


for _function in (operator.lt, operator.le, operator.gt, operator.ge):
    _ordering(_function)


@operation(bool)
def _bool(view):
    return (lambda view: view._nbytes != 0) if isinstance(view, ViewType) else None


@overload_method(ViewType, "__hash__", jit_options=OPTIONS)
def _hash(view):
    # FNV-1a over words of eight bytes, then the finaliser of MurmurHash3: mixes every bit into every other.
    # Python's own hash of strings differs from process to process; this one doesn't.
    def hash_view(view):
        data, nbytes = view._data, view._nbytes
        mixed = np.uint64(0xCBF29CE484222325) ^ np.uint64(nbytes)
        for i in range(nbytes):
            mixed = (mixed ^ np.uint64(data[i])) * np.uint64(0x100000001B3)
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(0xFF51AFD7ED558CCD)
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(0xC4CEB9FE1A85EC53)
        mixed ^= mixed >> np.uint64(33)
        return np.int64(mixed)

    return hash_view


def _extreme(function, better):
    @operation(function)
    def choose(first, second, *others):
        kinds = (first, second, *others)
        if not all(comparable(first, kind) for kind in kinds):
            return None

        def chosen(first, second, *others):
            best = second if better(order(second, first), 0) else first
            for other in others:
                if better(order(other, best), 0):
                    best = other
            return best

        return chosen


_extreme(min, operator.lt)
_extreme(max, operator.gt)
