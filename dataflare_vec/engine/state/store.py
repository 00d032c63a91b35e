"""States while a run goes on, and what is left of them when it is over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec.definition.state_layout import Buffer, Leaf, StateLayout
from dataflare_vec.engine.state.keys import Keys
from dataflare_vec.exceptions import StateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dataflare_vec.arrow.layouts import Arguments
    from dataflare_vec.engine.state.keys import Codes

_FIRST_RECORDS = 1 << 10


class Ages(NamedTuple):
    """What tells when states expire.

    Attributes
    ----------
    last
        The clock at each key's last row.
    clock, has_started
        The latest time so far, if there was one.
    unit
        What times are: a dtype, or rows.
    """

    last: NDArray[np.int64]
    clock: int
    has_started: bool
    unit: str


@by_public_name
class KeyedState(Mapping[Any, Any]):
    """The states of a run with ``by=``, one per key, in first-seen order.

    A mapping from key (a tuple, if there are several key columns) to state. It can be pickled, and given to a
    later run as ``state=``.

    Attributes
    ----------
    keys_frame : polars.DataFrame
        The keys, one row each.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.scan(init=0)
    ... def visits(count, page):
    ...     return count + 1, count + 1
    >>> df = pl.DataFrame({"user": ["a", "b", "a"], "page": [7, 7, 8]})
    >>> state = dfv.run(df, "visits", by="user").state
    >>> state
    <state of `visits` for 2 keys of `user`>
    >>> state["a"], dict(state), state.keys_frame["user"].to_list()
    (2, {'a': 2, 'b': 1}, ['a', 'b'])
    """

    def __init__(
        self,
        plugin: str,
        keys: pl.DataFrame,
        records: np.ndarray[Any, Any],
        state_layout: StateLayout,
        ages: Ages | None = None,
    ) -> None:
        self.plugin = plugin
        self.ages = ages
        self.keys_frame = keys
        self.records = records
        self.state_layout = state_layout
        self._rows: dict[Any, int] | None = None

    def _row_of(self) -> dict[Any, int]:
        if self._rows is None:
            self._rows = {_plain_key(key): i for i, key in enumerate(self)}
        return self._rows

    def __getitem__(self, key: Any) -> Any:
        """Return the state of a key."""
        return self.state_layout.unpack(self.records[self._row_of()[_plain_key(key)]])

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the keys in first-seen order."""
        if self.keys_frame.width == 1:
            return iter(self.keys_frame.to_series().to_list())
        return self.keys_frame.iter_rows()

    def __len__(self) -> int:
        """Return how many keys there are."""
        return self.keys_frame.height

    def to_frame(self) -> pl.DataFrame:
        """Return keys and states as a frame: a column for each scalar or array of the state."""
        taken = set(self.keys_frame.columns)
        columns = [self.state_layout.series(leaf, self.records) for leaf in self.state_layout.leaves]
        renamed = [c.alias(f"state.{c.name}") if c.name in taken else c for c in columns]
        return self.keys_frame.hstack(renamed)

    def __reduce__(self) -> Any:
        """Return what is pickled: nothing of ours but this class, so that later versions can read it."""
        leaves = [astuple(leaf) for leaf in self.state_layout.leaves]
        state_layout = (self.state_layout.init, leaves, self.state_layout.size)
        ages = () if self.ages is None else (tuple(self.ages),)
        return KeyedState._restored, (self.plugin, self.keys_frame, self.records, state_layout, *ages)

    @classmethod
    def _restored(
        cls,
        plugin: str,
        keys: pl.DataFrame,
        records: np.ndarray[Any, Any],
        state_layout: Any,
        ages: Any = None,
    ) -> KeyedState:
        init, leaves, size = state_layout
        layout = StateLayout(init, tuple(Leaf(*leaf) for leaf in leaves), size)
        return cls(plugin, keys, records, layout, None if ages is None else Ages(*ages))

    def __repr__(self) -> str:
        """Say what it is."""
        names = ", ".join(f"`{name}`" for name in self.keys_frame.columns)
        return f"<state of `{self.plugin}` for {len(self)} keys of {names}>"


def _plain_key(key: Any) -> Any:
    """Return a key that equals itself: NaN doesn't."""
    if isinstance(key, tuple):
        return tuple(map(_plain_key, key))
    return "NaN" if isinstance(key, float) and key != key else key


class StateColumn:
    """Records as a loop reads and writes them: what `InputColumn` is to a column of the data."""

    has_nulls = False
    starts = (0,)

    def __init__(self, records: np.ndarray[Any, Any], codes: Codes | None = None, start: int = 0) -> None:
        self._records = records
        self._codes = codes
        self._start = start

    @property
    def is_one(self) -> bool:
        """Whether all rows have the same."""
        return self._codes is None

    def at(self, row: int) -> Arguments:
        """Return the arguments for a range of rows that starts at ``row``."""
        address = self._records.ctypes.data
        if self._codes is None:
            return (address, 0, 0, 0)
        return (address, self._codes.ctypes.data + 4 * (row - self._start), 0, 0)

    def copy(self) -> np.ndarray[Any, Any]:
        """Return a copy of the records."""
        return self._records.copy()

    def restore(self, records: np.ndarray[Any, Any]) -> None:
        """Have the records be those of a copy."""
        self._records[:] = records

    def taken(self, rows: Iterable[int]) -> np.ndarray[Any, Any]:
        """Return copies of the records of some rows, which own nothing."""
        if self._codes is None:
            return np.repeat(self._records[:1], len(list(rows)))
        return self._records[[self._codes[row - self._start] for row in rows]]


class StateStore(ABC):
    """What a stage carries through a run, and from run to run of a stream.

    Attributes
    ----------
    state_layout : StateLayout
        How it lies in memory.
    expired : int
        How many states have been dropped.
    """

    state_layout: StateLayout
    expired = 0

    @property
    def count(self) -> int:
        """How many states there are."""
        return 1

    def begin(self, rows: int) -> None:  # noqa: B027  # most don't care
        """Be told how many rows the next run has."""

    @abstractmethod
    def value(self) -> Any:
        """Return the state as it is now."""


class OneState(StateStore):
    """One state for all rows."""

    def __init__(self, plugin: str, state_layout: StateLayout, given: Any = None) -> None:
        self.state_layout = state_layout
        self.records = state_layout.records(1) if given is None else as_record(plugin, state_layout, given)

    def value(self) -> Any:
        """Return the state as it is now."""
        return self.state_layout.unpack(self.state_layout.portable(self.records)[0])


class KeyStates(StateStore):
    """One state for each key."""

    def __init__(
        self,
        plugin: str,
        state_layout: StateLayout,
        schema: Mapping[str, Any],
        given: KeyedState | None = None,
    ) -> None:
        self._plugin = plugin
        self.state_layout = state_layout
        self.keys = Keys(schema)
        self._filled = 0
        self.records = np.empty(0, state_layout.dtype)
        if given is not None:
            _check_keyed(plugin, state_layout, schema, given)
            self.keys = Keys(schema, given.keys_frame)
            self.records = state_layout.own(given.records)
            self._filled = len(self.records)

    def encode(self, columns: Sequence[pl.Series], selected: pl.Series | None) -> tuple[Codes, int]:
        """Return the code of each row, and how many codes there are now."""
        return self.keys.encode(columns, selected), self.keys.count

    @property
    def count(self) -> int:
        """How many states there are."""
        return self.keys.count

    def shown(self) -> tuple[pl.DataFrame, np.ndarray[Any, Any]]:
        """Return the keys, and their records."""
        count = self.keys.count
        return self.keys.frame(), self.have(count)[:count]

    def have(self, count: int) -> np.ndarray[Any, Any]:
        """Return records for at least ``count`` keys, and for one; new ones hold the initial state."""
        if max(count, 1) > len(self.records):  # a row that isn't there is looked up, too, as one of the first
            enough = max(_FIRST_RECORDS, 2 * count)
            self.records = self.state_layout.grown(self.records, self._filled, enough)
        self._filled = max(self._filled, count)
        return self.records

    def value(self) -> KeyedState:
        """Return the states as they are now."""
        count = self.keys.count
        records = self.state_layout.portable(self.have(count)[:count])
        kept = records if self.state_layout.owned else records.copy()
        return KeyedState(self._plugin, self.keys.frame(), kept, self.state_layout)


def as_record(
    plugin: str, state_layout: StateLayout, given: Any, buffer: Buffer | None = None
) -> np.ndarray[Any, Any]:
    """Return the record of a state that a user gave, which a buffer may have rows of a block beside.

    It is the only one of an array.

    Raises
    ------
    StateError
        If it doesn't fit.
    """
    if isinstance(given, KeyedState):
        msg = f"`state` holds one state for each key of {given.keys_frame.columns}"
        raise StateError(msg, plugin=plugin, argument="state", hint="pass the same `by=`")
    try:
        return state_layout.pack(given if buffer is None else buffer.empty(given))
    except ValueError as error:
        problem, init = str(error), state_layout.init
        if buffer is not None:  # the user's state comes first in what the buffer makes of it
            problem, init = problem.replace("`0`", "`state`").replace("`0.", "`"), init[0]
        msg, hint = f"`state` doesn't fit: {problem}", f"it must be like `init`, {init!r}"
        raise StateError(msg, plugin=plugin, argument="state", hint=hint) from None


def _check_keyed(plugin: str, state_layout: StateLayout, schema: Mapping[str, Any], given: Any) -> None:
    if not isinstance(given, KeyedState):
        raise StateError(
            plugin=plugin,
            argument="state",
            expected="the `state` of a result that had the same `by=`",
            got=type(given).__name__,
        )
    problem, hint = None, ""
    if given.plugin != plugin:
        problem = f"`state` is of plugin `{given.plugin}`"
    elif given.keys_frame.columns != list(schema):
        problem = f"`state` is by {given.keys_frame.columns}, this run by {list(schema)}"
    elif given.keys_frame.schema != schema:
        had = ", ".join(f"{k}: {v}" for k, v in given.keys_frame.schema.items())
        has = ", ".join(f"{k}: {v}" for k, v in schema.items())
        problem = f"the keys of `state` are ({had}), those of this run ({has})"
        hint = "cast them"
    elif (
        given.records.dtype != state_layout.portable_dtype
        or given.state_layout.owned_kinds != state_layout.owned_kinds
    ):
        problem = f"`state` holds {given.records.dtype}, the plugin's state is {state_layout.portable_dtype}"
    if problem:
        raise StateError(problem, plugin=plugin, argument="state", hint=hint)
