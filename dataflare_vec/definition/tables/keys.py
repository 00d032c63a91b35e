"""The keys of a table by what they may be equal to, as arrays that an index is made of.

Python finds a key by ``==``: 1, 1.0 and True are one key, a string is never bytes. So keys are put into
parts, between which nothing is equal; within one a key is a word, or some bytes. Integers, and floats that
are integers, are one part up to 64 bits and another one up to 128; other floats are told apart by their bits.
NaN isn't equal to itself and goes nowhere, as what no column can hold.

In a list or tuple Python looks for what is ``==`` item by item, and there a float of NumPy's rounds what it
is compared with: so that numbers in it are found by floats of 64 and 32 bits as these round them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dataflare_vec.definition.python_values import is_long, is_naive, ticks_of
from dataflare_vec.definition.tables.columns import texts_of, wide_of
from dataflare_vec.definition.tables.kinds import IN_UTC, NotATable, shown
from dataflare_vec.definition.text_subclasses import is_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_HALF, _LIMIT = 1 << 63, 1 << 127
_MOMENTS = {dt.date: "date", dt.datetime: "datetime", dt.timedelta: "timedelta", dt.time: "time"}
_HINT = "keys are numbers, bools, strings, bytes, dates and times, None and tuples of these"

#: How many places of a table's header a part takes, but for tuples.
_WORDS = {"none": 1, "text": 3, "bytes": 3, "wide": 6}


@dataclass(frozen=True)
class Part:
    """Keys that are words, bytes, None, or tuples of one length, of whose items there is an index each."""

    name: str
    items: tuple[Index, ...] = ()

    @cached_property
    def words(self) -> int:
        """How many places of the table's header it takes: for each hash table where it lies, and its mask."""
        if self.name != "tuple":
            return _WORDS.get(self.name, 2)
        return sum(item.words for item in self.items) + 2 * max(len(self.items) - 1, 1)

    def described(self) -> Any:
        """Return what tells it from others in all processes."""
        return self.name, *(item.described() for item in self.items)


@dataclass(frozen=True)
class Index:
    """The parts of keys."""

    parts: tuple[Part, ...]

    @cached_property
    def words(self) -> int:
        """How many places of the table's header it takes."""
        return sum(part.words for part in self.parts)

    def placed(self, at: int) -> Iterator[tuple[Part, int]]:
        """Yield the parts, and where their places in the header begin, if the first is ``at``."""
        for part in self.parts:
            yield part, at
            at += part.words

    def described(self) -> Any:
        """Return what tells it from others in all processes."""
        return tuple(part.described() for part in self.parts)


class Keys(NamedTuple):
    """The keys of a part: which rows of the table they are, and what they are.

    Attributes
    ----------
    part, rows
        The part, and the rows of its keys.
    arrays
        The keys: one word each, or where each begins and the bytes of all; of wide ones two words each.
    items
        Of tuples the keys at each position.
    """

    part: Part
    rows: NDArray[Any]
    arrays: tuple[NDArray[Any], ...] = ()
    items: tuple[tuple[Keys, ...], ...] = ()


def index_of(keys: Sequence[Keys]) -> Index:
    """Return the parts of keys."""
    return Index(tuple(one.part for one in keys))


def split(values: Sequence[Any], *, compares: bool = False) -> tuple[Keys, ...]:
    """Return values by part.

    Parameters
    ----------
    compares
        Whether they are the items of a list or tuple, which NumPy's floats round.

    Raises
    ------
    NotATable
        If some can't be keys of compiled code.
    """
    names = {kind: _part_of(kind, values) for kind in {*map(type, values)}}
    rows: dict[str, NDArray[Any]] = {}
    if len({*names.values()}) == 1:
        rows = {name: np.arange(len(values)) for name in names.values()}
    else:
        for name in sorted({*names.values()}):
            rows[name] = np.array([i for i, one in enumerate(values) if names[type(one)] == name], np.int64)
    found: list[Keys] = []
    for name, there in rows.items():
        some = _taken(values, there)
        if name == "number":
            found += _numbers(some, there, compares=compares)
        elif name == "tuple":
            found += _tuples(some, there)
        elif name == "none":
            found.append(Keys(Part(name), there))
        elif name in ("text", "bytes"):
            found.append(Keys(Part(name), there, texts_of(some)))
        else:
            kept = [i for i, one in enumerate(some) if _is_moment(one)]
            ticks = np.array([ticks_of(some[i]) for i in kept], np.int64)
            found.append(Keys(Part(name), there[kept], (ticks,)))
    return tuple(found)


def _part_of(kind: type, values: Sequence[Any]) -> str:
    """Return the part of keys of a class; "number" for those of three."""
    if kind in _MOMENTS:
        return _MOMENTS[kind]
    if kind is type(None):
        return "none"
    if issubclass(kind, (np.integer, np.floating, np.bool_)) and kind is not np.longdouble:
        return "number"
    for known, name in ((int, "number"), (float, "number"), (tuple, "tuple")):
        if issubclass(kind, known) and kind.__eq__ is known.__eq__ and kind.__hash__ is known.__hash__:
            return name
    key = next(value for value in values if type(value) is kind)
    if isinstance(key, (str, bytes)) and is_plain(key):
        return "text" if isinstance(key, str) else "bytes"
    msg = f"it has the key {shown(key)}, of type {kind.__qualname__}"
    raise NotATable(msg, _HINT)


def _is_moment(value: Any) -> bool:
    """Whether compiled code may have something that is equal to one of `datetime`'s."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        msg = f"it has the key {shown(value)}, with a time zone"
        raise NotATable(msg, IN_UTC)
    return is_naive(value) and not is_long(value)


def _tuples(values: Sequence[Any], rows: NDArray[Any]) -> Iterator[Keys]:
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    for length in np.unique(lengths):
        there = np.flatnonzero(lengths == length)
        some = _taken(values, there)
        items = tuple(split(column) for column in zip(*some, strict=True))
        yield Keys(Part("tuple", tuple(map(index_of, items))), rows[there], items=items)


# -- numbers ----------------------------------------------------------------------------------------------


def _numbers(values: Sequence[Any], rows: NDArray[Any], *, compares: bool) -> Iterator[Keys]:
    kinds = {*map(type, values)}
    floating = {kind for kind in kinds if issubclass(kind, (float, np.floating))}
    if floating and floating != kinds:
        are_floats = np.array([type(value) in floating for value in values], np.bool_)
    else:
        are_floats = np.full(len(values), bool(floating))
    is_int, is_float = np.flatnonzero(~are_floats), np.flatnonzero(are_floats)
    ints = list(map(int, _taken(values, is_int)))
    floats = np.fromiter(_taken(values, is_float), np.float64, len(is_float))
    whole = (np.trunc(floats) == floats) & (floats >= -_LIMIT) & (floats < _LIMIT)
    small = whole & (floats >= -_HALF) & (floats < _HALF)
    large = [(int(is_float[i]), int(floats[i])) for i in np.flatnonzero(whole & ~small)]
    if ints and (min(ints) < -_HALF or max(ints) >= _HALF):
        fit = [-_HALF <= one < _HALF for one in ints]
        large += [(i, one) for i, one, fits in zip(is_int.tolist(), ints, fit, strict=True) if not fits]
        is_int, ints = is_int[fit], [one for one, fits in zip(ints, fit, strict=True) if fits]
    words = np.concatenate([np.array(ints, np.int64), floats[small].astype(np.int64)])
    if len(words):
        yield Keys(Part("int"), *_in_order(rows[np.concatenate([is_int, is_float[small]])], words))
    wide = sorted((i, one) for i, one in large if -_LIMIT <= one < _LIMIT)
    if wide:
        yield Keys(Part("wide"), rows[[i for i, _ in wide]], (wide_of([one for _, one in wide]),))
    if compares:
        yield from _rounded(values, rows)
        return
    other = ~whole & ~np.isnan(floats)
    exact = [(i, float(one)) for i, one in large if not -_LIMIT <= one < _LIMIT and _is_float(one)]
    bits = np.concatenate([floats[other], np.array([one for _, one in exact], np.float64)]).view(np.int64)
    if len(bits):
        places = np.concatenate([is_float[other], np.array([i for i, _ in exact], np.int64)])
        yield Keys(Part("float"), *_in_order(rows[places], bits))


def _taken(values: Sequence[Any], places: NDArray[Any]) -> Sequence[Any]:
    """Return the values at some places, which are all of them or few."""
    return values if len(places) == len(values) else [values[i] for i in places.tolist()]


def _in_order(rows: NDArray[Any], words: NDArray[Any]) -> tuple[NDArray[Any], tuple[NDArray[Any], ...]]:
    order = np.argsort(rows, kind="stable")
    return rows[order], (words[order],)


def _rounded(values: Sequence[Any], rows: NDArray[Any]) -> Iterator[Keys]:
    """Yield the numbers as floats of 64 and 32 bits round them."""
    try:
        doubles = np.fromiter(values, np.float64, len(values))
    except OverflowError:
        doubles = np.array([_double(value) for value in values], np.float64)
    doubles += 0.0  # one zero
    there = ~np.isnan(doubles)
    with np.errstate(over="ignore"):
        singles = doubles.astype(np.float32)
    yield Keys(Part("double"), rows[there], (doubles[there].view(np.int64),))
    yield Keys(Part("single"), rows[there], (singles[there].view(np.uint32).astype(np.int64),))


def _double(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # no float is equal to it
        return float("nan")


def _is_float(value: int) -> bool:
    try:
        return float(value) == value
    except OverflowError:
        return False
