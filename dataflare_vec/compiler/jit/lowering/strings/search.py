"""``in``, find, rfind, index, rindex, count, startswith, endswith, removeprefix, removesuffix."""

from __future__ import annotations

import operator

import numpy as np
from numba.core import types

from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_most,
    helper,
    is_ascii,
    is_bytes,
    method,
    operation,
    part,
)
from dataflare_vec.compiler.jit.lowering.strings.codepoints import count_points, offset_of
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.lowering.strings.memory import (
    find_byte,
    find_bytes,
    find_last_bytes,
    same_bytes,
)
from dataflare_vec.compiler.jit.types.strings import offset_by

#: An end that is behind every end.
END = np.iinfo(np.int64).max


@operation(operator.contains)
def _contains(view, needle):
    if comparable(view, needle):
        return lambda view, needle: find_bytes(view._data, 0, view._nbytes, needle._data, needle._nbytes) >= 0
    if is_bytes(view) and isinstance(needle, types.Integer):

        def contains_byte(view, needle):
            if needle < 0 or needle > 255:
                raise ValueError("byte must be in range(0, 256)")
            return find_byte(view._data, 0, view._nbytes, np.uint8(needle)) >= 0

        return contains_byte
    return None


def is_bound(value):
    """Whether a Numba type can be a start or an end; either may be None at run time."""
    value = getattr(value, "value", value)
    value = value.type if isinstance(value, types.Optional) else value
    return value is None or isinstance(value, int | types.Integer | types.NoneType | types.Omitted)


@helper
def start_offset(view, start):
    """Return where a search begins; more than ``nbytes`` beyond the end."""
    return 0 if start is None else offset_of(view, start)


@helper
def end_offset(view, end):
    """Return where a search ends."""
    return view._nbytes if end is None else at_most(offset_of(view, end), view._nbytes)


def _finder(search):
    def typed(view, needle, start=None, end=None):
        if not (comparable(view, needle) and is_bound(start) and is_bound(end)):
            return None
        if is_ascii(view):

            def find_ascii(view, needle, start=None, end=None):
                first, last = start_offset(view, start), end_offset(view, end)
                return search(view._data, first, last, needle._data, needle._nbytes)

            return find_ascii

        def find_utf8(view, needle, start=None, end=None):
            first, last = start_offset(view, start), end_offset(view, end)
            found = search(view._data, first, last, needle._data, needle._nbytes)
            return count_points(view._data, found) if found > 0 else found

        return find_utf8

    return typed


method("find", data=True)(_finder(find_bytes))
method("rfind", data=True)(_finder(find_last_bytes))


def _index_of(find, words):
    source = f"""
def index(view, needle, start=None, end=None):
    found = view.{find}(needle, start, end)
    if found < 0:
        raise ValueError("{words}")
    return found
"""
    namespace = {}
    exec(source, namespace)
    return namespace["index"]


def _indexer(name):
    find = name.replace("index", "find")
    of_text, of_bytes = _index_of(find, "substring not found"), _index_of(find, "subsection not found")

    @method(name, data=True)
    def typed(view, needle, start=None, end=None):
        if not (comparable(view, needle) and is_bound(start) and is_bound(end)):
            return None
        return of_bytes if is_bytes(view) else of_text


_indexer("index")
_indexer("rindex")


@method("count", data=True)
def _count(view, needle, start=None, end=None):
    if not (comparable(view, needle) and is_bound(start) and is_bound(end)):
        return None
    ascii = is_ascii(view)

    def count(view, needle, start=None, end=None):
        first, last = start_offset(view, start), end_offset(view, end)
        size = needle._nbytes
        if size == 0:
            if first > last:
                return 0
            if ascii:
                return last - first + 1
            return count_points(offset_by(view._data, first), last - first) + 1
        found = 0
        while True:
            first = find_bytes(view._data, first, last, needle._data, size)
            if first < 0:
                return found
            found += 1
            first += size

    return count


@helper
def has_prefix(view, first, last, prefix):
    """Whether ``prefix`` is what the bytes between two offsets begin with."""
    size = prefix._nbytes
    return last - first >= size and same_bytes(offset_by(view._data, first), prefix._data, size)


@helper
def has_suffix(view, first, last, suffix):
    """Whether ``suffix`` is what the bytes between two offsets end with."""
    size = suffix._nbytes
    return last - first >= size and same_bytes(offset_by(view._data, last - size), suffix._data, size)


def _ends(name, has):
    @method(name, data=True)
    def typed(view, affix, start=None, end=None):
        if not (is_bound(start) and is_bound(end)):
            return None
        if comparable(view, affix):

            def one(view, affix, start=None, end=None):
                return has(view, start_offset(view, start), end_offset(view, end), affix)

            return one
        if isinstance(affix, types.UniTuple) and comparable(view, affix.dtype):

            def any_of(view, affix, start=None, end=None):
                first, last = start_offset(view, start), end_offset(view, end)
                for item in affix:
                    if has(view, first, last, item):
                        return True
                return False

            return any_of
        if isinstance(affix, types.BaseTuple) and all(comparable(view, one) for one in affix):
            tests = [f"has(view, first, last, affix[{i}])" for i in range(len(affix))]
            either = helper(eval(f"lambda view, first, last, affix: {' or '.join(tests)}", {"has": has}))

            def any_of_several(view, affix, start=None, end=None):
                return either(view, start_offset(view, start), end_offset(view, end), affix)

            return any_of_several
        return None


_ends("startswith", has_prefix)
_ends("endswith", has_suffix)


@method("removeprefix", data=True)
def _removeprefix(view, prefix):
    if not comparable(view, prefix):
        return None

    def removeprefix(view, prefix):
        if has_prefix(view, 0, view._nbytes, prefix):
            return part(view, prefix._nbytes, view._nbytes)
        return view

    return removeprefix


@method("removesuffix", data=True)
def _removesuffix(view, suffix):
    if not comparable(view, suffix):
        return None

    def removesuffix(view, suffix):
        if has_suffix(view, 0, view._nbytes, suffix):
            return part(view, 0, view._nbytes - suffix._nbytes)
        return view

    return removesuffix
