"""States by key that are dropped when no row of the key has come for long, so that their number is bounded.

What is carried then belongs to a *session*: the rows of a key until it expires. Sessions have numbers in the
order in which they began, and these take the place of the keys' codes. A session ends when the clock, which
is the latest time so far, has gone on by more than the limit since the session's last row. That depends on
the rows and their order only. When memory is given back depends on chunks, and doesn't show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from dataflare_vec.compiler.native.hash_tables import CLOCK, SESSIONS, STARTED, open_sessions
from dataflare_vec.engine.state.expiry import ROWS
from dataflare_vec.engine.state.keys import Keys, marks_of, words_of
from dataflare_vec.engine.state.store import Ages, KeyedState, KeyStates
from dataflare_vec.exceptions import StateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from dataflare_vec.definition.state_layout import StateLayout
    from dataflare_vec.engine.state.keys import Codes

#: So many ended sessions may wait beside as many open ones before their memory is given back.
_FEW = 1 << 10

_NO_TIMES = np.empty(0, np.int64)


class Limit(NamedTuple):
    """What may pass after the last row of a key."""

    units: int
    unit: str  # what they are: `ROWS`, or the dtype of the column of times


class ExpiringStates(KeyStates):
    """One state for each key of which a row has come lately.

    Parameters
    ----------
    limit
        What may pass after a key's last row.
    keeps_ended
        Whether states of sessions that have ended are wanted; see `pop_ended`.

    Attributes
    ----------
    expired : int
        How many sessions have ended.
    """

    def __init__(
        self,
        plugin: str,
        state_layout: StateLayout,
        schema: Mapping[str, Any],
        given: KeyedState | None,
        limit: Limit,
        *,
        keeps_ended: bool,
    ) -> None:
        super().__init__(plugin, state_layout, schema, given)
        self.expired = 0
        self._limit = limit
        self._keeps_ended = keeps_ended
        self._ended: list[tuple[pl.DataFrame, np.ndarray[Any, Any]]] = []
        count = self.keys.count
        self._of_key: NDArray[np.int32] = np.arange(count, dtype=np.int32)  # the open session of a key, or -1
        self._keys_of: NDArray[np.int32] = np.arange(count, dtype=np.int32)  # the key of a session
        self._last: NDArray[np.int64] = np.zeros(count, np.int64)
        self._counts = np.zeros(3, np.int64)
        self._counts[SESSIONS] = count
        ages = None if given is None else given.ages
        if ages is not None:
            if ages.unit != limit.unit:
                problem = f"`state` counts {ages.unit} until a key expires, this run {limit.unit}"
                raise StateError(problem, plugin=plugin, argument="state", hint="pass the same `expire=`")
            self._last[:] = ages.last
            self._counts[CLOCK], self._counts[STARTED] = ages.clock, ages.has_started
        elif limit.unit == ROWS:
            self._counts[STARTED] = 1
        self._oldest = int(self._last.min()) if count else None

    def sessions(
        self, columns: Sequence[pl.Series], times: pl.Series | None, selected: pl.Series | None
    ) -> tuple[Codes, int]:
        """Return the session of each row, and how many there are now.

        Parameters
        ----------
        columns
            The keys.
        times
            When each row was; None if rows are counted. At a null the clock stands still.
        selected
            As in `KeyStates.encode`.
        """
        codes = self.keys.encode(columns, selected)
        rows, keys = len(codes), self.keys.count
        self._of_key = _longer(self._of_key, keys, -1)
        self._last = _longer(self._last, int(self._counts[SESSIONS]) + rows, 0)
        self._keys_of = _longer(self._keys_of, len(self._last), 0)
        absent = None if selected is None or selected.all() else ~selected
        words = _NO_TIMES if times is None else words_of(times).view(np.int64)
        marks = marks_of(times, absent)
        had_started = bool(self._counts[STARTED])
        open_sessions(
            codes, words, marks, self._limit.units, self._of_key, self._keys_of, self._last, self._counts
        )
        if not had_started:
            self._oldest = None
        return codes, int(self._counts[SESSIONS])

    def sweep(self) -> None:
        """Find the sessions that have ended, after the rows so far; give memory back if it is worth while."""
        count = int(self._counts[SESSIONS])
        if not self._counts[STARTED] or not count:
            return
        if self._oldest is not None and int(self._counts[CLOCK]) - self._oldest <= self._limit.units:
            return
        keys, last = self._keys_of[:count], self._last[:count]
        is_open = keys >= 0
        # Without signs: from the first to the last time may be more than half of all numbers.
        quiet = self._counts[CLOCK : CLOCK + 1].view(np.uint64) - last.view(np.uint64)
        ended = np.flatnonzero(is_open & (quiet > np.uint64(self._limit.units)))
        if len(ended):
            self._end(ended[np.argsort(last[ended], kind="stable")])
            is_open = keys >= 0
        live = np.flatnonzero(is_open)
        self._oldest = int(last[live].min()) if len(live) else None
        if count > 2 * len(live) + _FEW:
            self._compact(live)

    def _end(self, ended: NDArray[np.int64]) -> None:
        """Take the states of sessions away, in the order in which they have ended."""
        keys = self._keys_of[ended]
        if self._keeps_ended:
            records = self.state_layout.taken(self.have(int(self._counts[SESSIONS])), ended, len(ended))
            self._ended.append((self._frame_of(keys), records))
        latest = self._of_key[keys] == ended  # others have begun anew
        self._of_key[keys[latest]] = -1
        self._keys_of[ended] = -1
        self.expired += len(ended)

    def _compact(self, live: NDArray[np.int64]) -> None:
        """Forget keys and states of all but the open sessions, which keep their order."""
        count = len(live)
        self.keys = Keys(self.keys.schema, self._frame_of(self._keys_of[live]))
        self.records = self.state_layout.taken(self.records, live, max(count, 1))
        self._filled = count
        self._last = self._last[live]
        self._keys_of = np.arange(count, dtype=np.int32)
        self._of_key = np.arange(count, dtype=np.int32)
        self._counts[SESSIONS] = count

    def _frame_of(self, keys: NDArray[np.int32]) -> pl.DataFrame:
        return self.keys.frame()[pl.Series(keys.astype(np.uint32))]

    @property
    def count(self) -> int:
        """How many states there are."""
        self.sweep()
        return len(self._open)

    @property
    def _open(self) -> NDArray[np.int64]:
        return np.flatnonzero(self._keys_of[: int(self._counts[SESSIONS])] >= 0)

    def pop_ended(self) -> tuple[pl.DataFrame, np.ndarray[Any, Any]] | None:
        """Return keys and records of the sessions that have ended since the last call; None if none has."""
        self.sweep()
        ended, self._ended = self._ended, []
        return _joined(ended) if ended else None

    def shown(self) -> tuple[pl.DataFrame, np.ndarray[Any, Any]]:
        """Return keys and records of the sessions that have ended, if they are wanted, and of open ones."""
        self.sweep()
        live = self._open
        open_ones = (self._frame_of(self._keys_of[live]), self.have(len(self._keys_of))[live])
        return _joined([*self._ended, open_ones])

    def value(self) -> KeyedState:
        """Return the states as they are now, with what tells when they expire."""
        self.sweep()
        live = self._open
        records = self.state_layout.portable(self.have(len(self._keys_of))[live])
        ages = Ages(self._last[live], int(self._counts[CLOCK]), bool(self._counts[STARTED]), self._limit.unit)
        keys = self._frame_of(self._keys_of[live])
        return KeyedState(self._plugin, keys, records, self.state_layout, ages)


def _joined(
    pieces: Sequence[tuple[pl.DataFrame, np.ndarray[Any, Any]]],
) -> tuple[pl.DataFrame, np.ndarray[Any, Any]]:
    """Return the pieces as one; what they own stays theirs."""
    if len(pieces) == 1:
        return pieces[0]
    frames, records = zip(*pieces, strict=True)
    return pl.concat(frames), np.concatenate(records)


def _longer(values: NDArray[Any], count: int, filler: int) -> NDArray[Any]:
    """Return an array with room for so many values at least, with those of another at its front."""
    if count <= len(values):
        return values
    longer = np.full(max(count, 2 * len(values)), filler, values.dtype)
    longer[: len(values)] = values
    return longer
