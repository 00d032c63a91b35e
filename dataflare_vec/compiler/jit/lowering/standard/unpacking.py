"""What ``a, *rest = …`` and ``match`` on sequences ask for, and lists of what `split` gives."""

from __future__ import annotations

from numba.core import types
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.nested.row_lists import RowListType
from dataflare_vec.compiler.jit.lowering.strings.base import is_bytes, is_string, operation
from dataflare_vec.compiler.jit.lowering.strings.split import PiecesType

_INDEXED = (types.List, types.BaseTuple, types.Array, RowListType)


def taken_apart(value, before, after):
    """Return a sequence of all values, of which there are enough for so many names."""
    raise TypeError(value, before, after)


def middle(values, before, after):
    """Return a list of what is between the first ones and the last ones."""
    raise TypeError(values, before, after)


def is_sequence(value):
    """Whether a pattern of a sequence may fit a value."""
    raise TypeError(value)


def whole(value):
    """Return a list of the pieces of a text, in tuples too, and what else there is as it is."""
    raise TypeError(value)


def followed_by(items, one):
    """Return a tuple with one more item."""
    return (*items, one)


def followed_by_all(items, more):
    """Return a tuple with the items of another behind its own."""
    return (*items, *more)


@operation(followed_by)
def _followed_by(items, one):
    return lambda items, one: items + (one,)  # noqa: RUF005 - compiled as it stands


@operation(followed_by_all)
def _followed_by_all(items, more):
    if not isinstance(more, types.BaseTuple):
        msg = "a list with a star in a tuple: how many items it has isn't known before; write them one by one"
        raise TypingError(msg)
    return lambda items, more: items + more


@operation(taken_apart)
def _taken_apart(value, before, after):
    if isinstance(value, _INDEXED):

        def apart(value, before, after):
            if len(value) < before + after:
                raise ValueError("not enough values to unpack")
            return value

        return apart
    if not isinstance(value, types.IterableType):
        return None

    def list_apart(value, before, after):
        found = list(value)
        if len(found) < before + after:
            raise ValueError("not enough values to unpack")
        return found

    return list_apart


@operation(middle, prefer_literal=True)
def _middle(values, before, after):
    if not isinstance(values, types.BaseTuple):
        return lambda values, before, after: list(values[before : len(values) - after])
    if not all(isinstance(one, types.IntegerLiteral) for one in (before, after)):
        return None
    places = range(before.literal_value, len(values) - after.literal_value)
    kinds = {types.unliteral(values[i]) for i in places}
    items = ", ".join(f"values[{i}]" for i in places)
    if len(kinds) == 1:
        return eval(f"lambda values, before, after: [{items}]")
    return eval(f"lambda values, before, after: ({items}{',' if items else ''})")


@operation(is_sequence)
def _is_sequence(value):
    if is_string(value) or is_bytes(value):
        return lambda value: False
    found = isinstance(value, (*_INDEXED, PiecesType, types.RangeType))
    return (lambda value: True) if found else lambda value: False


@operation(whole)
def _whole(value):
    if isinstance(value, PiecesType):
        return lambda value: list(value)
    if isinstance(value, types.BaseTuple) and any(isinstance(one, PiecesType) for one in value):
        items = "".join(f"whole(value[{i}]), " for i in range(len(value)))
        return eval(f"lambda value: ({items})", {"whole": whole})
    return lambda value: value
