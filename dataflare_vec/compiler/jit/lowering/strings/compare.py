"""``==``, ordering, ``hash``, truth, and what follows from them: ``in`` a tuple, ``min``, ``max``.

UTF-8 sorts by bytes as code points sort, so strings and bytes compare alike.
"""

from __future__ import annotations

import operator

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload_method

from dataflare_vec.compiler.jit.lowering.strings.base import (
    OPTIONS,
    at_most,
    helper,
    is_bytes,
    is_string,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.memory import load64, memcmp, same_bytes
from dataflare_vec.compiler.jit.types.json import JsonType
from dataflare_vec.compiler.jit.types.strings import StringConstantType, ViewType


def comparable(a, b):
    """Whether two Numba types are both strings, or both bytes."""
    return (is_string(a) and is_string(b)) or (is_bytes(a) and is_bytes(b))


@helper
def equal(a, b):
    """Whether two views hold the same bytes."""
    return a._nbytes == b._nbytes and same_bytes(a._data, b._data, a._nbytes)


@helper
def order(a, b):
    """Return a number below, equal to or above 0, as ``a`` sorts before, with or after ``b``."""
    difference = memcmp(a._data, b._data, at_most(a._nbytes, b._nbytes))
    return np.int64(difference) if difference else a._nbytes - b._nbytes


# What no string is ever equal to. Numba has more kinds of strings than its own: items of NumPy's arrays.
_NO_STRINGS = (
    *(types.Number, types.Boolean, types.NoneType, types.BaseTuple, types.Dispatcher, types.Function),
    *(types.List, types.ListType, types.Set, types.DictType, types.NPDatetime, types.NPTimedelta),
)


def unlike(a, b):
    """Whether one of two types is a string or bytes, and the other something that never is equal to it.

    Raises
    ------
    TypingError
        If the other is a string, but not of ours.
    """
    if comparable(a, b) or isinstance(a, types.Optional) or isinstance(b, types.Optional):
        return False
    views = [isinstance(types.unliteral(kind), ViewType) for kind in (a, b)]
    if not any(views):
        return False
    view, other = (b, a) if views[1] else (a, b)
    if isinstance(other, JsonType):
        return is_bytes(view)  # it may be text
    if isinstance(other, types.EnumMember):
        known = not issubclass(other.instance_class, (str, bytes))
    else:
        known = not other.is_internal or isinstance(other, _NO_STRINGS)
    if not known:
        msg = f"a string of another kind than those of compiled code: {other}"
        raise TypingError(msg)
    return True


@operation(operator.eq)
def _eq(a, b):
    if comparable(a, b):
        return lambda a, b: equal(a, b)
    return (lambda a, b: False) if unlike(a, b) else None


@operation(operator.ne)
def _ne(a, b):
    if comparable(a, b):
        return lambda a, b: not equal(a, b)
    return (lambda a, b: True) if unlike(a, b) else None


def _ordering(function):
    @operation(function)
    def compare(a, b):
        if comparable(a, b):
            return lambda a, b: function(order(a, b), 0)
        unlike(a, b)
        return None


for _function in (operator.lt, operator.le, operator.gt, operator.ge):
    _ordering(_function)


@operation(bool)
def _bool(view):
    return (lambda view: view._nbytes != 0) if isinstance(view, ViewType) else None


@operation(operator.not_)
def _not(view):
    return (lambda view: view._nbytes == 0) if isinstance(view, ViewType) else None


@helper
def fold(mixed, word):
    """Mix a word into a hash."""
    mixed = (mixed ^ word) * np.uint64(0x9DDFEA08EB382D69)
    return mixed ^ mixed >> np.uint64(32)


@overload_method(ViewType, "__hash__", jit_options=OPTIONS)
def _hash(view):
    # Words of eight bytes, each multiplied and folded in; the end is the finaliser of MurmurHash3, which
    # mixes every bit into every other. Python's own hash of strings differs from process to process.
    def hash_view(view):
        data, nbytes = view._data, view._nbytes
        if nbytes == 0:
            return 0  # as in Python
        mixed = np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(nbytes)
        for i in range(0, nbytes - 7, 8):
            mixed = fold(mixed, load64(data, i))
        rest = np.uint64(0)
        for i in range(nbytes & ~7, nbytes):
            rest = rest << np.uint64(8) | np.uint64(data[i])
        mixed = fold(mixed, rest)
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(0xFF51AFD7ED558CCD)
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(0xC4CEB9FE1A85EC53)
        return np.int64(mixed ^ mixed >> np.uint64(33))

    return hash_view


@operation(operator.contains)
def _tuple_contains(items, item):
    kinds = ViewType, StringConstantType, types.BaseTuple
    if not isinstance(items, types.BaseTuple):
        return None
    if not (isinstance(item, kinds) or any(isinstance(one, types.Optional) for one in items)):
        return None
    tests = [f"items[{i}] == item" for i in range(len(items))] or ["False"]
    return eval(f"lambda items, item: {' or '.join(tests)}")


def _extreme(function, better):
    @operation(function)
    def choose(first, second, *others):
        kinds = [first, second, *(others[0] if others and isinstance(others[0], tuple) else others)]
        if not all(comparable(first, kind) for kind in kinds):
            return None

        if len(kinds) > 2:
            return lambda first, second, *others: function(function(first, second), *others)
        return lambda first, second, *others: second if better(order(second, first), 0) else first


_extreme(min, operator.lt)
_extreme(max, operator.gt)
