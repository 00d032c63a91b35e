"""Containers frozen as they are at one moment: what compiled code looks values up in.

A dict, a set or a list may change later. What was made of it is found again by the container itself, as long
as it holds the very same objects, and by a digest of what it holds.
"""

from __future__ import annotations

import hashlib
import threading
from functools import lru_cache
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from dataflare_vec._util.forks import wait_for_lock
from dataflare_vec.definition.tables.kinds import FORMS, Kind, NotATable, kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from dataflare_vec.definition.tables.keys import Index, Keys

#: What becomes a table.
_DICTS: tuple[Any, ...] = tuple(kind for kind, form in FORMS.items() if form == "dict")
_SETS: tuple[Any, ...] = tuple(kind for kind, form in FORMS.items() if form == "set")
_SEQUENCES = (list, tuple)
#: What may be a container within one, or hold one.
_HOLDERS = {*FORMS, tuple}
#: Entries of a table whose keys, or whose items, a kernel can go over.
MOST_ITERATED = 10_000

#: Items of a tuple, or of a set of strings, that are rather compared one after the other.
FEW = 16
#: Items of a tuple that a call binds; it may be unpacked.
FEW_BOUND = 64
#: How deep containers within each other are looked through: none of a table lies deeper, but one in itself.
_DEEPEST = 16
#: Containers of the same content that are remembered.
_MOST_SEEN = 4

_lock = threading.RLock()
wait_for_lock(_lock)
_by_container: WeakValueDictionary[int, Frozen] = WeakValueDictionary()
_by_digest: WeakValueDictionary[str, Frozen] = WeakValueDictionary()


class Signature(NamedTuple):
    """What the type of a table in compiled code depends on: attributes of `Frozen`, ``parts`` its index."""

    form: str
    parts: Index
    key: Kind | None
    value: Kind | None

    def described(self) -> Any:
        """Return the same as what tells it from others in all processes."""
        kinds = [None if kind is None else kind.described() for kind in (self.key, self.value)]
        return self.form, self.parts.described(), *kinds


class Frozen:
    """A container as it was.

    Attributes
    ----------
    form : str
        "dict", "set", "list" or "tuple"; "record" of a dict whose values are of unlike kinds, looked up by
        constant strings.
    count : int
        How many keys or items it has.
    keys : tuple of Keys
        What is looked for in it, by part.
    index : Index
        The parts.
    key, value : Kind or None
        What all keys of a dict are, if a kernel can go over them; what all its values are, or the items of a
        list or tuple, None if these are unlike.
    columns : list
        The arrays of keys, if there are any, and values; tables of containers among them.
    digest : str
        Of all that.
    memory
        Where compiled code has it; see `compiler.native.tables`.
    """

    def __init__(
        self, form: str, keys: Sequence[Any], values: Sequence[Any] | None, *, is_searched: bool = True
    ) -> None:
        from dataflare_vec.definition.tables.columns import columns_of
        from dataflare_vec.definition.tables.keys import index_of, split

        self.form = form
        self.count = len(keys)
        is_sequence = form in ("list", "tuple")
        holds_inner = is_sequence and holds_containers(keys)
        searched = keys if is_searched and not holds_inner else ()
        self.keys: tuple[Keys, ...] = split(searched, compares=is_sequence)
        self.index: Index = index_of(self.keys)
        self.key = _kind_if_any(keys) if form == "dict" and self.count <= MOST_ITERATED else None
        self.value: Kind | None = None
        if values is not None:  # of a list it may be of no matter what its items are
            is_told = form == "dict" or holds_inner or not is_searched
            self.value = kind_of(values, _inner) if is_told else _kind_if_any(values)
        self.columns: list[NDArray[Any] | Frozen] = []
        for kind, column in ((self.key, keys), (self.value, values)):
            if kind is not None and column is not None:
                self.columns += columns_of(kind, column, _joined)
        self.digest = self._digest()
        self.memory: Any = None
        self._seen: dict[int, tuple[Any, tuple[Any, ...]]] = {}

    @property
    def signature(self) -> Signature:
        """What its type in compiled code depends on."""
        return Signature(self.form, self.index, self.key, self.value)

    def _digest(self) -> str:
        found = hashlib.sha256(repr((self.signature.described(), self.count)).encode())
        for one in (*self.columns, *_arrays(self.keys)):
            if isinstance(one, Frozen):
                found.update(one.digest.encode())
                continue
            found.update(len(one).to_bytes(8, "little"))
            found.update(one.data.cast("B") if len(one) else b"")
        return found.hexdigest()

    def forget_arrays(self) -> None:
        """Forget what is in memory now."""
        self.keys, self.columns = (), []

    def hold(self, container: Any) -> None:
        """Note a container that it is of, and what that holds."""
        while len(self._seen) >= _MOST_SEEN:
            self._seen.pop(next(iter(self._seen)))
        self._seen[id(container)] = container, held_by(container)

    def held_of(self, container: Any) -> tuple[Any, ...] | None:
        """Return what a container held when this was made of it; None if it wasn't."""
        seen, held = self._seen.get(id(container), (None, ()))
        return held if seen is container else None


def _inner(form: str, containers: Collection[Any]) -> Signature:
    return _joined(form, containers).signature


def _joined(form: str, containers: Collection[Any]) -> Frozen:
    """Return the table of all that the containers within a table hold, one after the other.

    The keys of dicts and sets in it are tuples: the row of the table around, and the key.
    """
    if form == "list":
        items = list(chain.from_iterable(containers))
        return Frozen(form, items, items, is_searched=False)
    is_set = form == "set"
    keys = [(row, key) for row, one in enumerate(containers) for key in (_sorted(one) if is_set else one)]
    dicts = [one for one in containers if one]  # None is an empty tuple here
    return Frozen(form, keys, None if is_set else list(chain.from_iterable(one.values() for one in dicts)))


class Unchanging:
    """What never changes, and so is a table once and for all."""

    _frozen: Frozen


def frozen(container: Any) -> Frozen:
    """Return a container as it is now.

    Raises
    ------
    NotATable
        If compiled code can't hold it.
    """
    if isinstance(container, Unchanging):
        return container._frozen
    with _lock:
        known = _by_container.get(id(container))
        held = None if known is None else known.held_of(container)
        if known is not None and held is not None and is_held(container, held):
            return known
        try:
            made = _freeze(container)
        except RecursionError:
            msg = "it holds itself"
            raise NotATable(msg, "make it anew, without") from None
        made = _by_digest.setdefault(made.digest, made)
        made.hold(container)
        _by_container[id(container)] = made
        return made


@lru_cache(32)
def categories_of(dtype: pl.Enum) -> Frozen:
    """Return the table of an Enum's categories."""
    return frozen(tuple(dtype.categories))


def of_digest(digest: str) -> Frozen | None:
    """Return the table with a digest, if there is one in this process."""
    return _by_digest.get(digest)


def is_container(value: Any) -> bool:
    """Whether a value is of a class that may become a table."""
    return type(value) in (*_DICTS, *_SETS, *_SEQUENCES) or isinstance(value, Unchanging)


def is_few(value: Any, most: int = FEW) -> bool:
    """Whether something is a tuple of so few items that it stays one; not if some of them may change."""
    return isinstance(value, tuple) and len(value) <= most and not holds_containers(value)


def is_few_texts(value: Any) -> bool:
    """Whether something is a frozenset of so few strings that they are rather compared one by one."""
    return (
        isinstance(value, frozenset)
        and len(value) <= FEW
        and all(isinstance(item, (str, bytes)) for item in value)
    )


def _freeze(container: Any) -> Frozen:
    kind = type(container)
    if kind in _DICTS:
        try:
            return Frozen("dict", list(container), list(container.values()))
        except NotATable:
            return Frozen("record", [container], [container], is_searched=False)
    if kind in _SETS:
        return Frozen("set", _sorted(container), None)
    if kind in _SEQUENCES:
        return Frozen(kind.__name__, container, container)
    if issubclass(kind, dict):
        msg = f"it is a `{kind.__name__}`, which may do something else than a dict when it is asked"
        raise NotATable(msg, "make it a dict: `dict(…)`")
    msg = f"it is of type {kind.__qualname__}"
    raise NotATable(msg, "tables are dicts, sets, lists and tuples")


def _sorted(values: Any) -> list[Any]:
    """Return the items of a set in an order that is the same in all processes."""
    if len({*map(type, values)}) == 1:
        try:
            return sorted(values)
        except TypeError:
            pass
    return sorted(values, key=lambda value: (type(value).__name__, repr(value)))


def _kind_if_any(values: Sequence[Any]) -> Kind | None:
    try:
        return kind_of(values)
    except NotATable:
        return None


def snapshot(container: Any, *, within: bool = False) -> Any:
    """Return a container that nobody else changes; nor what is within it, if that may be containers."""
    if within and isinstance(container, _DICTS):
        return {key: snapshot(value, within=True) for key, value in container.items()}
    if within and type(container) in _SEQUENCES:
        return type(container)(snapshot(one, within=True) for one in container)
    if isinstance(container, _DICTS):
        return dict(container)
    return type(container)(container) if isinstance(container, (list, set)) else container


def held_by(container: Any, depth: int = 0) -> tuple[Any, ...]:
    """Return the objects that a container holds: its keys or items, its values, and what containers hold."""
    values = container.values() if isinstance(container, _DICTS) else ()
    inner = _inner_of(container) if depth < _DEEPEST else ()
    return *container, *values, *(held_by(one, depth + 1) for one in inner)


def holds_containers(container: Any) -> bool:
    """Whether a dict, a list or a tuple holds others that may change, or tuples with these."""
    return next(_inner_of(container), None) is not None


def _inner_of(container: Any) -> Iterator[Any]:
    """Yield the containers within a dict, a list or a tuple that may change."""
    values = container.values() if isinstance(container, _DICTS) else container
    if isinstance(container, _SETS) or _HOLDERS.isdisjoint(map(type, values)):
        return
    for one in values:
        if type(one) in FORMS:
            yield one
        elif type(one) is tuple:
            yield from _inner_of(one)


def is_held(container: Any, held: tuple[Any, ...]) -> bool:
    """Whether a container holds the very objects that `held_by` returned."""
    count = len(container)
    if isinstance(container, _DICTS):
        values: Mapping[Any, Any] = container
        same = len(held) >= 2 * count and all(map(is_, values.values(), held[count:]))
        count, same = 2 * count, same and all(map(is_, values, held))
    else:
        same = len(held) >= count and all(map(is_, container, held))
    if not same or len(held) == count:
        return same  # those that hold containers hold more
    inner = list(_inner_of(container))
    return len(held) == count + len(inner) and all(map(is_held, inner, held[count:]))


def _arrays(keys: Sequence[Keys]) -> list[NDArray[Any]]:
    found = []
    for one in keys:
        found += [one.rows, *one.arrays]
        for item in one.items:
            found += _arrays(item)
    return found
