"""A scan over all rows at once: one call of its loop, and of what finds the state of each row's key."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from dataflare_vec.engine.stages.direct import Computed, DirectCall
    from dataflare_vec.engine.state.store import StateColumn, StateStore
    from dataflare_vec.engine.tuner import Cut
    from dataflare_vec.memory import MemoryPool


class DirectScan:
    """A scan whose rows are computed at once.

    Parameters
    ----------
    call
        Calls its loop, whose first arguments are those of the state.
    keys
        The columns that hold the keys.
    state_name
        What its state is called in the plan.

    Attributes
    ----------
    reads, writes
        The columns, as of its stage, with those of keys.
    """

    is_filter = selects = is_fused = may_share = gives_kept = False

    def __init__(self, call: DirectCall, keys: Sequence[str], state_name: str) -> None:
        self._call = call
        self._keys = keys
        self._state_name = state_name
        self.reads = [*call.reads, *keys]
        self.writes = call.writes

    def needs_pool(self, rows: int) -> bool:
        """Whether the columns of some rows take memory of a pool, however few they are."""
        return self._call.needs_pool(rows)

    def compute(
        self,
        known: Mapping[str, pl.Series],
        rows: int,
        pool: MemoryPool | None,
        cut: Cut | None = None,
        states: Mapping[str, StateStore] | None = None,
    ) -> Computed | None:
        """Return the new columns as `DirectCall.compute`; the state, among others, is that after all rows.

        Raises
        ------
        SomeFailed
            If some row did; then the state is any.
        """
        assert states is not None
        state = column_of(states[self._state_name], self._keys, known)
        return self._call.compute(known, rows, pool, cut, state.at(0))


def column_of(states: StateStore, keys: Sequence[str], known: Mapping[str, pl.Series]) -> StateColumn:
    """Return the state of each row, by its key among known columns if there are keys."""
    from dataflare_vec.engine.state.store import KeyStates, OneState, StateColumn  # brings NumPy

    if isinstance(states, KeyStates):
        codes, count = states.encode([known[name] for name in keys], None)
        return StateColumn(states.have(count), codes)
    assert isinstance(states, OneState)
    return StateColumn(states.records)
