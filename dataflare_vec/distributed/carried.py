"""What a stream carries from one micro-batch to the next: states of some keys, as bytes of Arrow."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.names import internal
from dataflare_vec.distributed.batches import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The columns of a frame of states that aren't keys: the state, and which version of which plugin it is of.
STATE, OWNER = "state_bytes", "state_of"

#: Of which of several steps a state is.
STEP = internal("step")


class Carries(ABC):
    """Work that goes on from what it carried out of the last micro-batch.

    Attributes
    ----------
    empty
        A batch without rows.
    keys : tuple of str
        Names of the columns by whose values states are told apart.
    given : polars.DataFrame or None
        States from before the stream: keys, state, and whose it is.
    """

    empty: Any
    keys: tuple[str, ...]
    given: pl.DataFrame | None = None

    @property
    @abstractmethod
    def renews(self) -> bool:
        """Whether rows take the place of those that came out for the same keys before."""

    @abstractmethod
    def carry(self, batch: Any, states: pl.DataFrame) -> tuple[Any, Iterable[pl.DataFrame]]:
        """Return what comes of rows after states of their keys, and the states after them.

        States have the columns `keys`, `STATE`, `OWNER` and `STEP`.
        """

    def go_on(self, batch: Any, stored: bytes | None) -> tuple[Any, bytes]:
        """Return what comes of rows, and what is to be stored: states of their keys and of others with them.

        Parameters
        ----------
        stored
            What was to be stored before; None if there was nothing.
        """
        beside = None
        states = self._none() if stored is None else _read(stored)
        given = None if self.given is None else self.given.with_columns(pl.lit(0, pl.Int8).alias(STEP))
        if self.keys:
            here = columns_of(batch, self.keys).unique()
            beside, states = self._without(states, here), self._among(states, here)
            if given is not None:
                states = pl.concat([states, self._without(self._among(given, here), states)])
        elif given is not None and not states.height:
            states = given
        rows, after = self.carry(batch, states)
        return rows, _written([*after] if beside is None else [beside, *after])

    def _none(self) -> pl.DataFrame:
        """Return a frame of no states."""
        kinds = {STATE: pl.Binary, OWNER: pl.String, STEP: pl.Int8}
        return (
            columns_of(self.empty, self.keys).clear().hstack([pl.Series(n, [], k) for n, k in kinds.items()])
        )

    def _among(self, states: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
        return states.join(keys, on=self.keys, how="semi", nulls_equal=True)

    def _without(self, states: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
        return states.join(keys, on=self.keys, how="anti", nulls_equal=True)


def _written(states: list[pl.DataFrame]) -> bytes:
    """Return states as bytes that later versions can read."""
    file = io.BytesIO()
    whole = pl.concat(states).with_columns(pl.col(OWNER).cast(pl.Categorical))
    whole.rechunk().write_ipc_stream(file, compat_level=pl.CompatLevel.oldest())
    return file.getvalue()


def _read(states: bytes) -> pl.DataFrame:
    return pl.read_ipc_stream(states).with_columns(pl.col(OWNER).cast(pl.String))
