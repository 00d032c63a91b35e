"""The state that a scan or a reduce carries from row to row: as a value in Python, as a record in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition import state_memory
from dataflare_vec.definition.state_containers import FORMS, column_dtype, shown
from dataflare_vec.definition.state_memory import is_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from dataflare_vec.definition.state_containers import Container

_SCALARS = (bool, int, float)

#: NumPy's type of the bytes of an integer of 128 bits, of which it has none.
WIDE = "V16"
_WIDE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Leaf:
    """One scalar or array of a state.

    Attributes
    ----------
    name : str
        Its path: field names, or positions in a tuple; ``state`` if it is the whole state.
    dtype : str
        NumPy's, as ``f8``.
    shape : tuple of int
        Of an array; empty for a scalar.
    optional : bool
        Whether it may be None.
    offset : int
        Its place in the record; of an optional one a byte behind the value says whether it is there.
    owned : str
        What the value is if it lies in memory that the record owns, "" otherwise; see `state_memory`.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    optional: bool
    offset: int
    owned: Any = ""


@dataclass(frozen=True)
class StateLayout:
    """How a state lies in memory, and what it is in Python.

    Attributes
    ----------
    init
        The state before the first row; its structure is every state's.
    leaves : tuple of Leaf
        In order.
    size : int
        Bytes of a record, a multiple of 8.
    containers : dict
        What containers of the state hold, by leaf.
    """

    init: Any = field(compare=False)
    leaves: tuple[Leaf, ...]
    size: int
    containers: Mapping[str, Container] = field(default_factory=dict, compare=False)

    @property
    def has_arrays(self) -> bool:
        """Whether a kernel that gets a state can change it in place."""
        return any(leaf.shape for leaf in self.leaves)

    @property
    def owned(self) -> tuple[Leaf, ...]:
        """The leaves whose values lie outside of the record."""
        return tuple(leaf for leaf in self.leaves if leaf.owned)

    @property
    def owned_kinds(self) -> tuple[Any, ...]:
        """What these values are."""
        return tuple(leaf.owned for leaf in self.leaves)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The record as a NumPy type; a field ``name?`` says whether an optional value is there."""
        import numpy as np

        names, formats, offsets = [], [], []
        for leaf in self.leaves:
            names.append(leaf.name)
            formats.append((leaf.dtype, leaf.shape))
            offsets.append(leaf.offset)
            if leaf.optional:
                names.append(leaf.name + "?")
                formats.append(("?", ()))
                offsets.append(leaf.offset + np.dtype(leaf.dtype).itemsize)
        description = {"names": names, "formats": formats, "offsets": offsets, "itemsize": self.size}
        return np.dtype(description)  # type: ignore[call-overload, no-any-return]

    @cached_property
    def portable_dtype(self) -> np.dtype[Any]:
        """The same where no addresses are held but Python's values."""
        import numpy as np

        if not self.owned:
            return self.dtype
        fields = [(name, *self.dtype.fields[name]) for name in self.dtype.names]  # type: ignore[index, union-attr]
        owned = {leaf.name for leaf in self.owned}
        return np.dtype([(name, "O" if name in owned else kind) for name, kind, *_ in fields])

    def records(self, count: int) -> np.ndarray[Any, Any]:
        """Return ``count`` records that hold the initial state."""
        records = self._zeros(count)
        if self._initial is not None:
            records[:] = self._initial
        return records

    def _zeros(self, count: int) -> np.ndarray[Any, Any]:
        import numpy as np

        if not self.owned or not count:
            return np.zeros(count, self.dtype)  # new memory, of which nothing is taken before it is used
        cells = [(leaf.offset, leaf.owned) for leaf in self.owned]
        blocks = [block for _, block in self._shared.values()]
        memory = state_memory.OwnedRecords(count * self.size, self.size, cells, blocks)
        return np.asarray(memory).view(self.dtype)

    def grown(self, records: np.ndarray[Any, Any], filled: int, count: int) -> np.ndarray[Any, Any]:
        """Return ``count`` records, the first of them those that were ``filled``, which are empty then."""
        import numpy as np

        larger = self.records(count)
        larger[:filled] = records[:filled]
        if self.owned:
            records.view(np.uint8).fill(0)  # what they owned is the others' now
            if len(records):
                owner = state_memory.owner_of(larger)
                owner.blocks += state_memory.owner_of(records).blocks
        return larger

    def taken(
        self, records: np.ndarray[Any, Any], rows: NDArray[np.int64], count: int
    ) -> np.ndarray[Any, Any]:
        """Return ``count`` records, the first of them those at ``rows``, which are empty then."""
        import numpy as np

        own = self.records(count)
        own[: len(rows)] = records[rows]
        if self.owned and len(records):
            records.view(np.uint8).reshape(-1, self.size)[rows] = 0  # what they owned is the others' now
            owner = state_memory.owner_of(own)
            blocks = [*owner.blocks, *state_memory.owner_of(records).blocks]
            owner.blocks = list({id(block): block for block in blocks}.values())
        return own

    def clear(self, records: np.ndarray[Any, Any]) -> None:
        """Have records hold the initial state again: all that there are in their memory."""
        import numpy as np

        if self.owned and len(records):
            state_memory.owner_of(records).free()
        if self._initial is None:
            records.view(np.uint8).fill(0)
        else:
            records[:] = self._initial

    def copied(self, records: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return records of their own with the same states."""
        return self.own(self.portable(records)) if self.owned else records.copy()

    def portable(self, records: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return records that hold Python's values for what lies outside of them; a copy, or the same."""
        import numpy as np

        if not self.owned:
            return records
        portable = np.empty(len(records), self.portable_dtype)
        owned = {leaf.name: leaf for leaf in self.owned}
        for name in self.dtype.names:  # type: ignore[union-attr]
            if name in owned:
                leaf, container = owned[name], self.containers.get(name)
                cells = np.ascontiguousarray(records[name]).view((np.int64, records[name].itemsize // 8))
                values = np.empty(len(records), object)  # lists are values, too
                values[:] = [state_memory.read(leaf.owned, cell, container) for cell in cells.tolist()]
                portable[name] = values
            else:
                portable[name] = records[name]
        return portable

    def own(self, portable: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return records that own what portable ones hold."""
        records = self._zeros(len(portable))
        if not self.owned or not len(records):
            return portable.copy() if len(portable) else records
        owned = {leaf.name: leaf for leaf in self.owned}
        for name in self.dtype.names:  # type: ignore[union-attr]
            if name in owned:
                cells, block = state_memory.lay_out(owned[name].owned, portable[name])
                state_memory.owner_of(records).blocks.append(block)
                records[name] = cells.view(owned[name].dtype)[:, 0]
            else:
                records[name] = portable[name]
        return records

    @cached_property
    def _initial(self) -> np.ndarray[Any, Any] | None:
        """The record of the initial state, in an array of one; None if it is all zeros, as new memory is."""
        import numpy as np

        record = np.zeros(1, self.dtype)
        portable = self._packed(self.init)
        for name in self.dtype.names:  # type: ignore[union-attr]
            if name not in self._shared:
                record[name] = portable[name]
        for name, (cells, _) in self._shared.items():
            record[name] = cells.view(self.dtype[name])[:, 0]
        return record if any(record.tobytes()) else None

    @cached_property
    def _shared(self) -> dict[str, tuple[Any, Any]]:
        """By leaf the cells of the initial state, and the blocks in which these values lie."""
        if not self.owned:
            return {}
        portable = self._packed(self.init)
        return {leaf.name: state_memory.lay_out(leaf.owned, portable[leaf.name]) for leaf in self.owned}

    def pack(self, value: Any) -> np.ndarray[Any, Any]:
        """Return a state's record, in an array of one.

        Raises
        ------
        ValueError
            If it hasn't the structure of the initial state.
        """
        return self.own(self._packed(value))

    def _packed(self, value: Any) -> np.ndarray[Any, Any]:
        import numpy as np

        record = np.zeros(1, self.portable_dtype)
        values = list(_flatten(self.init, value, "state"))
        for leaf, item in zip(self.leaves, values, strict=True):
            if leaf.owned:
                record[leaf.name] = state_memory.empty(leaf.owned)
            if leaf.optional:
                record[leaf.name + "?"] = item is not None
                if item is None:
                    continue
            if leaf.owned:
                record[leaf.name][0] = state_memory.checked(leaf.name, leaf.owned, item)
                continue
            if item is None or np.shape(item) != leaf.shape:
                got = "None" if item is None else f"shape {np.shape(item)}"
                msg = f"`{leaf.name}` must be of shape {leaf.shape}, got {got}"
                raise ValueError(msg)
            if type(item) is int and leaf.dtype in _RANGES:
                low, high = _RANGES[leaf.dtype]
                if not low <= item < high:
                    msg = f"`{leaf.name}` must be {low} or more and below {high}, got {item}"
                    raise ValueError(msg)
                record[leaf.name] = _bytes_of(item) if leaf.dtype == _WIDE_STORED else item
                continue
            # A float isn't made an integer silently, the other way round it is.
            if not np.can_cast(np.asarray(item).dtype, np.dtype(leaf.dtype), "same_kind"):
                given = np.asarray(item).dtype
                got = str(given) if given.kind in "biufc" else type(item).__name__
                msg = f"`{leaf.name}` must be {np.dtype(leaf.dtype)}, got {got}"
                raise ValueError(msg)
            record[leaf.name] = item
        return record

    def check_places(self, before: Any, after: Any) -> None:
        """Raise ValueError if a container is at another place, or at two, or is a new one and no list."""
        pairs = [list(_flatten(self.init, value, "state")) for value in (before, after)]
        for leaf, had, has in zip(self.leaves, *pairs, strict=True):
            if not isinstance(leaf.owned, str) and has is not had:
                if leaf.owned[0] != "list" or any(has is other for other in pairs[0]):
                    msg = f"`{leaf.name}` must be the {leaf.owned[0]} that it was, changed in place"
                    raise ValueError(msg)
                if sum(has is other for other in pairs[1]) > 1:
                    msg = f"`{leaf.name}` must be a list of its own, and is that of another place, too"
                    raise ValueError(msg)

    def unpack(self, record: Any) -> Any:
        """Return the state of a portable record, of the same kinds as the initial one."""
        left = iter([self._leaf(leaf, record) for leaf in self.leaves])
        return _rebuild(self.init, left)

    def _leaf(self, leaf: Leaf, record: Any) -> Any:
        if leaf.optional and not record[leaf.name + "?"]:
            return None
        value = record[leaf.name]
        if leaf.owned:
            return value if isinstance(leaf.owned, str) else value.copy()
        if leaf.dtype == _WIDE_STORED:
            return _number_of(value)
        return value.copy() if leaf.shape else value.item()

    def series(self, leaf: Leaf, records: np.ndarray[Any, Any]) -> pl.Series:
        """Return one leaf of many portable records as a column."""
        import numpy as np
        import polars as pl

        if leaf.owned:
            known = records[leaf.name + "?"] if leaf.optional else np.ones(len(records), bool)
            items = [value if one else None for value, one in zip(records[leaf.name], known, strict=True)]
            if isinstance(leaf.owned, str):
                return pl.Series(leaf.name, items, dtype=pl.String if leaf.owned == "str" else pl.Binary)
            lists = [shown(leaf.owned, item) for item in items]
            return pl.Series(leaf.name, lists, dtype=column_dtype(leaf.owned))
        values = np.ascontiguousarray(records[leaf.name])
        if leaf.shape and len(records):
            flat = pl.Series(values.reshape(-1))
            return flat.reshape((len(records), *leaf.shape)).alias(leaf.name)
        if leaf.shape:
            inner = pl.Series(np.empty(0, leaf.dtype)).dtype
            return pl.Series(leaf.name, [], dtype=pl.Array(inner, leaf.shape))
        if leaf.dtype == _WIDE_STORED:
            series = pl.Series(leaf.name, [_number_of(value) for value in values], dtype=pl.Int128)
        else:
            series = pl.Series(leaf.name, values)
        if leaf.optional:
            there = pl.Series(np.ascontiguousarray(records[leaf.name + "?"]))
            series = pl.select(pl.when(there).then(series)).to_series().alias(leaf.name)
        return series


@dataclass(frozen=True)
class Buffer:
    """How a state that holds the rows of a block is made of one that doesn't, and the other way round.

    Attributes
    ----------
    rows : int
        How many it has room for.
    kinds : tuple of str
        NumPy's types of the columns' values.
    add_rows : Callable
        Returns the state with the rows that it holds.
    """

    rows: int
    kinds: tuple[str, ...]
    add_rows: Callable[[Any], Any]

    def whole(self, held: tuple[Any, ...]) -> Any:
        """Return the state of all rows."""
        import numpy as np

        with np.errstate(all="ignore"):
            return self.add_rows(held)

    def empty(self, state: Any) -> tuple[Any, ...]:
        """Return a state that holds no further rows."""
        import numpy as np

        return state, 0, *(np.zeros(self.rows, kind) for kind in self.kinds)


_WIDE_STORED = "|" + WIDE
#: Integers that a leaf holds, where NumPy wouldn't take a Python integer for one of its type.
_RANGES = {"<u8": (0, 1 << 64), _WIDE_STORED: (-(1 << 127), 1 << 127)}


def _bytes_of(number: int) -> Any:
    import numpy as np

    return np.void(number.to_bytes(_WIDE_BYTES, "little", signed=True))


def _number_of(value: Any) -> int:
    return int.from_bytes(value.tobytes(), "little", signed=True)


def check_state(what: str, value: Any) -> str | None:
    """Return what is wrong with a state; None if nothing is.

    A state is a number, a bool, a string, bytes, None, a NumPy array of numbers, a list, deque, dict or
    set, or a tuple or named tuple of such states. What containers hold is seen by `containers_of`.
    """
    if value is None or isinstance(value, _SCALARS):
        return None
    if type(value) in FORMS:
        return None
    if type(value) in (str, bytes):
        return None if is_text(value) else f"{what} has a surrogate that is no character"
    if isinstance(value, tuple):
        if not value:
            return f"{what} is an empty tuple"
        problems = [check_state(f"{what}[{i}]", item) for i, item in enumerate(value)]
        return next((problem for problem in problems if problem), None)
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind in ("b", "i", "u", "f") and hasattr(value, "ndim"):
        return None
    return (
        f"{what} must be a number, a bool, a string, bytes, None, a NumPy array of numbers, a list, deque, "
        f"dict or set, or a tuple of these, got {type(value).__name__}"
    )


def has_own_memory(value: Any) -> bool:
    """Whether there are strings, bytes or containers in a state."""
    if isinstance(value, tuple):
        return any(map(has_own_memory, value))
    return isinstance(value, (str, bytes, *FORMS))


def _flatten(like: Any, value: Any, name: str) -> Iterator[Any]:
    """Yield the leaves of a value that is structured like another."""
    if not isinstance(like, tuple):
        if isinstance(value, tuple):
            msg = f"`{name}` must be a single value, got a tuple"
            raise ValueError(msg)
        yield value
        return
    if not isinstance(value, tuple) or len(value) != len(like):
        got = f"{len(value)} values" if isinstance(value, tuple) else type(value).__name__
        msg = f"`{name}` must be a tuple of {len(like)} values, got {got}"
        raise ValueError(msg)
    for key, (one, other) in zip(field_names(like), zip(like, value, strict=True), strict=True):
        yield from _flatten(one, other, key if name == "state" else f"{name}.{key}")


def _rebuild(like: Any, left: Iterator[Any]) -> Any:
    if not isinstance(like, tuple):
        return next(left)
    items = [_rebuild(item, left) for item in like]
    return type(like)(*items) if hasattr(like, "_fields") else tuple(items)


def field_names(state: tuple[Any, ...]) -> list[str]:
    """Return the names of a named tuple's fields, or the positions in a tuple."""
    return list(getattr(state, "_fields", None) or map(str, range(len(state))))
