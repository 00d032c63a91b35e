"""`reversed`; `min` and `max` with ``key=`` and ``default=``; sums of iterators; slices of pieces."""

from __future__ import annotations

import functools
import operator
from typing import Any

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload_method

from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, helper, is_string, operation
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.lowering.strings.split import PiecesType
from dataflare_vec.compiler.jit.types.strings import ViewType

#: Of whose least and greatest Numba's own is as good.
_KNOWN = (types.BaseTuple, types.Array, types.RangeType)
_SEQUENCES = (types.List, types.ListType, types.Array)


def _is_given(value: Any) -> bool:
    return not (value is None or isinstance(value, types.NoneType) or getattr(value, "value", 0) is None)


# -- backwards --------------------------------------------------------------------------------------------


@operation(reversed)
def _reversed(sequence):
    if isinstance(sequence, types.RangeType):

        def of_range(sequence):
            step = sequence.step
            last = sequence.start + (len(sequence) - 1) * step
            return range(last, last - len(sequence) * step, -step)

        return of_range
    if isinstance(sequence, PiecesType):
        return lambda sequence: list(sequence)[::-1]
    if isinstance(sequence, _SEQUENCES) or isinstance(sequence, types.BaseTuple) or is_string(sequence):
        return lambda sequence: sequence[::-1]
    return None


# -- the least and the greatest ---------------------------------------------------------------------------


def _iterated(items: Any) -> bool:
    return isinstance(items, types.IterableType | types.UniTuple)


def _extreme(function, is_better):
    """Have `min` or `max` know iterables, and their keywords."""

    @operation(function)
    def of_one(items, key=None, default=None):
        keyed, or_else = _is_given(key), not (default is None or isinstance(default, types.Omitted))
        if not _iterated(items) or not (keyed or or_else or _is_new(items)):
            return None
        if keyed and isinstance(items, types.Set):  # whose order isn't Python's: the first of several as good
            return None
        return _chosen(function.__name__, is_better, keyed=keyed, or_else=or_else)

    for count in (2, 3, 4):
        _of_several(function, count, is_better)
    plain = helper(_chosen(function.__name__, is_better, keyed=False, or_else=False, taken="items"))

    @overlay(function, "items")
    def choose(items=None):
        """Of lists and the like Numba's own has another exception if there is nothing in them."""
        return plain if isinstance(items, types.IterableType) and not isinstance(items, _KNOWN) else None


def _is_new(items: Any) -> bool:
    """Whether Numba's own doesn't take it."""
    return not isinstance(items, (types.BaseTuple, *_SEQUENCES))


def _chosen(
    name: str, is_better: Any, *, keyed: bool, or_else: bool, taken: str = "items, key=None, default=None"
) -> Any:
    """Return `min` or `max` of one iterable; of several that are as good it is the first."""
    of = "key({})" if keyed else "{}"
    lines = [
        f"def chosen({taken}):",
        "    kept = list(items)",
        "    if len(kept) == 0:",
        "        return default" if or_else else "        raise ValueError(message)",
        "    best = kept[0]",
        f"    value = {of.format('best')}",
        "    for i in range(1, len(kept)):",
        f"        other = {of.format('kept[i]')}",
        "        if is_better(other, value):",
        "            best, value = kept[i], other",
        "    return best",
    ]
    scope = {"is_better": is_better, "message": f"{name}() arg is an empty sequence"}
    exec("\n".join(lines), scope)
    return scope["chosen"]


def _of_several(function, count, is_better):
    """Have `min` or `max` know ``key=`` behind so many values."""
    values = [f"v{i}" for i in range(count)]
    lines = [f"def chosen({', '.join(values)}, key=None):", "    best, value = v0, key(v0)"]
    for one in values[1:]:
        lines += [
            f"    other = key({one})",
            "    if is_better(other, value):",
            f"        best, value = {one}, other",
        ]
    scope = {"is_better": is_better}
    exec("\n".join([*lines, "    return best"]), scope)
    chosen: Any = scope["chosen"]
    outer = f"lambda {', '.join(values)}, key=None: chosen if is_given(key) else None"
    operation(function)(eval(outer, {"chosen": chosen, "is_given": _is_given}))


_extreme(min, operator.lt)
_extreme(max, operator.gt)


# -- sums and comparisons ---------------------------------------------------------------------------------


@operation(sum)
def _sum(iterable, start=0):
    if not isinstance(iterable, types.IterableType) or not _is_new(iterable):
        return None
    if isinstance(iterable, types.RangeType) or isinstance(iterable.iterator_type.yield_type, ViewType):
        return None

    def total(iterable, start=0):
        found = start
        for item in iterable:  # compiled as it stands
            found = found + item
        return found

    return total


def fold(function, sequence, *initial):
    """Return what `functools.reduce` does; stands for it in kernels, for Numba's is of arrays."""
    return functools.reduce(function, sequence, *initial)


@operation(fold)
def _fold(function, sequence, initial=None):
    if not isinstance(sequence, types.IterableType | types.UniTuple):
        return None

    def of_first(function, sequence, initial=None):
        kept = list(sequence)
        if len(kept) == 0:
            raise TypeError("reduce() of empty iterable with no initial value")
        found = kept[0]
        for i in range(1, len(kept)):
            found = function(found, kept[i])
        return found

    def of_initial(function, sequence, initial=None):
        found = initial
        for item in sequence:  # compiled as it stands
            found = function(found, item)
        return found

    return of_first if isinstance(initial, types.Omitted) or initial is None else of_initial


@overload_method(types.BaseTuple, "count", jit_options=OPTIONS)
def _count(items, value):
    names = [f"(items[{i}] == value)" for i in range(len(items))]
    return eval(f"lambda items, value: {' + '.join(names) or '0'}")


# -- pieces -----------------------------------------------------------------------------------------------


@operation(operator.getitem)
def _slice(pieces, index):
    if isinstance(pieces, PiecesType) and isinstance(index, types.SliceType):
        return lambda pieces, index: list(pieces)[index]
    return None


@operation(operator.add)
def _add(a, b):
    if isinstance(a, PiecesType) and isinstance(b, (types.List, PiecesType)):
        return (lambda a, b: list(a) + list(b)) if isinstance(b, PiecesType) else lambda a, b: list(a) + b
    if isinstance(b, PiecesType) and isinstance(a, types.List):
        return lambda a, b: a + list(b)
    return None


def _same(a, b):
    """Whether two sequences hold what can be compared, and Numba's own lists aren't asked for it."""
    if not any(isinstance(one, PiecesType) for one in (a, b)):
        return False
    if not all(isinstance(one, (types.List, types.LiteralList, PiecesType)) for one in (a, b)):
        return False
    return comparable(*(one.view if isinstance(one, PiecesType) else one.dtype for one in (a, b)))


@operation(operator.eq)
def _eq(a, b):
    if not _same(a, b):
        return None

    def equal(a, b):
        if len(a) != len(b):
            return False
        for one, other in zip(a, b):  # noqa: B905 - compiled as it stands
            if one != other:
                return False
        return True

    return equal


@operation(operator.ne)
def _ne(a, b):
    return (lambda a, b: not (a == b)) if _same(a, b) else None


@overload_method(PiecesType, "index", jit_options=OPTIONS)
def _index(pieces, value):
    if not comparable(pieces.view, value):
        return None

    def index(pieces, value):
        at = 0
        for piece in pieces:  # compiled as it stands
            if piece == value:
                return at
            at += 1
        raise ValueError("the value is not in the list")

    return index


@overload_method(PiecesType, "count", jit_options=OPTIONS)
def _count_pieces(pieces, value):
    if not comparable(pieces.view, value):
        return None

    def count(pieces, value):
        found = 0
        for piece in pieces:  # compiled as it stands
            if piece == value:
                found += 1
        return found

    return count


@overload_method(PiecesType, "copy", jit_options=OPTIONS)
def _copy(pieces):
    return lambda pieces: list(pieces)


def _changed(name: str) -> None:
    @overload_method(PiecesType, name)
    def changed(pieces, *arguments):
        msg = f"what `split` gives has no `{name}` in compiled code: write `list(…)` round it first"
        raise TypingError(msg)


for _name in ("append", "sort", "pop", "insert", "extend", "remove", "reverse", "clear"):
    _changed(_name)
