"""The values of a table as arrays, which lie in memory as compiled code reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dataflare_vec.definition.python_values import digits_of, ticks_of
from dataflare_vec.definition.tables.kinds import NotATable, without_nulls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from dataflare_vec.definition.tables.kinds import Kind

#: Bytes of text of a table, at most: places in it have 32 bits while it is made.
_MOST_BYTES = (1 << 32) - 1

_TYPES: dict[str, Any] = {"bool": np.uint8, "int": np.int64, "natural": np.uint64, "float": np.float64}


def columns_of(
    kind: Kind, values: Sequence[Any], joined: Callable[[str, Sequence[Any]], Any] | None = None
) -> Iterator[NDArray[Any]]:
    """Yield the arrays of values of a kind: as many as it has `Kind.words`, in that order.

    Of values that may be None the first array says which are there. Texts and bytes are two arrays: where
    each begins and the last one ends, and the bytes of all. So are containers: the second is what ``joined``
    returns, which is given their form and all of them. Of a record's keys that not all have, an array before
    the values says which have it.
    """
    if kind.nullable:
        yield np.fromiter((value is not None for value in values), np.uint8, len(values))
        if kind.name != "inner":
            values = without_nulls(values)
    if kind.name == "inner" and joined is not None:
        there = [() if value is None else value for value in values]
        yield np.cumsum([0, *map(len, there)], dtype=np.int64)
        yield joined(kind.about.form, there)
    elif kind.name == "record":
        for (name, in_all), item in zip(kind.about, kind.items, strict=True):
            if not in_all:
                yield np.fromiter((name in value for value in values), np.uint8, len(values))
            fill = next(value[name] for value in values if name in value)
            yield from columns_of(item, [value.get(name, fill) for value in values], joined)
    elif kind.name == "tuple":
        columns = zip(*values, strict=True) if values else [()] * len(kind.items)
        for item, column in zip(kind.items, columns, strict=True):
            yield from columns_of(item, column, joined)
    elif kind.name in ("text", "bytes"):
        yield from texts_of(values)
    elif kind.name in ("wide", "decimal"):
        yield wide_of(values if kind.about is None else [_rescaled(value, kind.about) for value in values])
    elif kind.name in _TYPES:
        yield np.fromiter(values, _TYPES[kind.name], len(values))
    elif kind.name != "none":
        yield np.fromiter(map(ticks_of, values), np.int64, len(values))


def texts_of(values: Sequence[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return where each string, or bytes, begins and the last one ends, and the bytes of all.

    Raises
    ------
    NotATable
        If a string isn't text, or they are too long.
    """
    try:
        encoded = list(map(str.encode, values)) if values and isinstance(values[0], str) else values
    except UnicodeEncodeError as error:
        msg = f"it has {error.object!r}, with half of a character"
        raise NotATable(msg, "leave it out: no column holds such text") from None
    places = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=places[1:])
    if places[-1] > _MOST_BYTES:
        msg = f"its texts are {places[-1]:,} bytes"
        raise NotATable(msg, "4 GiB are the most; join with Polars instead")
    return places, np.frombuffer(b"".join(encoded), np.uint8)


def wide_of(values: Sequence[int]) -> NDArray[Any]:
    """Return integers of 128 bits, two words each."""
    content = b"".join(value.to_bytes(16, "little", signed=True) for value in values)
    return np.frombuffer(content, np.uint64)


def _rescaled(value: Any, scale: int) -> int:
    number, own = digits_of(value)
    return number * int(10 ** (scale - own))
