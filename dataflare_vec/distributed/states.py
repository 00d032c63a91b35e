"""States of scans and reduces as rows: a key, and the state as bytes, which other workers go on with."""

from __future__ import annotations

import pickle
from copy import copy
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from dataflare_vec._util.names import internal, named
from dataflare_vec.definition.pickling import cloudpickle
from dataflare_vec.definition.plugin import plain
from dataflare_vec.distributed.batches import (
    added,
    columns_of,
    conformed,
    dropped,
    in_order,
    kept,
    of_columns,
    of_values,
)
from dataflare_vec.distributed.carried import OWNER, STATE, STEP, Carries
from dataflare_vec.distributed.work import Call, Steps, Work, plan_of
from dataflare_vec.engine.execution.resume import open_states
from dataflare_vec.engine.stages.failures import in_batch
from dataflare_vec.engine.state.store import KeyedState
from dataflare_vec.exceptions import RowError, StateError
from dataflare_vec.interop import assemble
from dataflare_vec.interop.batch_runner import BatchRunner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.definition.state_layout import StateLayout
    from dataflare_vec.engine.planning.plan import Plan

#: A state on its way, among the rows of its key.
TAG = internal("state")


def owner_of(plugin: Plugin, state_layout: StateLayout) -> str:
    """Return whose states are: no other version of a plugin, nor one of another `init`, goes on with them."""
    parts = [f"{leaf.name}: {leaf.owned or leaf.dtype.lstrip('<|')}" for leaf in state_layout.leaves]
    shapes = ["?" * leaf.optional + "".join(f"[{n}]" for n in leaf.shape) for leaf in state_layout.leaves]
    shown = ", ".join(part + shape for part, shape in zip(parts, shapes, strict=True))
    return f"{plugin.info.name} {plugin.info.version} ({shown})"


class States(Steps):
    """The states after all rows of a batch, a row for each: its key if there are keys, and the state.

    Parameters
    ----------
    which
        Which of the steps with states it is.
    """

    def __init__(self, call: Call, empty: Any, which: int) -> None:
        self.which = which
        super().__init__(call, empty)

    @property
    def renews(self) -> bool:
        """Whether rows are made anew from all rows so far: they are."""
        return True

    def compute(self, batch: Any) -> Any:
        """Return the states; no rows have none."""
        runner = BatchRunner(self.request, batch[:0] if len(batch) else batch)
        rows = len(batch)
        if rows:
            with in_batch(rows, self.call.engine):
                runner.run(batch)
        value, name = runner.state, _name_of(runner.plan, self.which)
        if runner.plan.is_pipeline:
            value = value[name]
        stage = runner.plan.stateful[name]
        owner = owner_of(stage.binding.plugin, stage.state_layout)
        return of_columns(batch, rows_of(owner, value, is_there=bool(rows)))


class Tagged(Work):
    """Rows with a column for states, in which they have none: states that come beside them do."""

    def __init__(self, empty: Any, name: str) -> None:
        super().__init__(empty, name)

    def compute(self, batch: Any) -> Any:
        """Return the rows with one more column."""
        return added(batch, pl.Series(TAG, [None], pl.Binary).new_from_index(0, len(batch)))

    def states(self, keys: pl.DataFrame, states: pl.Series) -> Any:
        """Return states as such rows: of the columns only keys have values."""
        columns = {name: keys[name] for name in keys.columns} | {TAG: states.alias(TAG)}
        return of_values(self.output, columns, len(states))


class Resumed(Work):
    """Work by key that goes on from the states that are among the rows.

    Parameters
    ----------
    tagged
        What made the rows.
    plugin
        Whose states they are.
    state_layout
        How they lie in memory.
    """

    def __init__(
        self, tagged: Tagged, work: Work, plugin: Plugin, keys: Sequence[str], state_layout: StateLayout
    ) -> None:
        self.work = work
        self.plugin = plugin
        self.keys = tuple(keys)
        self.state_layout = state_layout
        super().__init__(tagged.output, work.__name__)

    def compute(self, batch: Any) -> Any:
        """Return what comes of the rows after the states."""
        states = columns_of(batch, (*self.keys, TAG))
        known = states[TAG].is_not_null()
        rows = dropped(kept(batch, ~known), TAG)
        states = states.filter(known)
        records = unpacked(states[TAG].to_list(), self.state_layout)
        state = KeyedState(self.plugin.name, states.select(self.keys), records, self.state_layout)
        return self.work.going_on(state).compute(rows)


class InOrder(Work, Carries):
    """Steps that carry a state for each key, over all rows of some keys.

    Parameters
    ----------
    order_by
        The columns by whose order rows come one after the other.
    keys
        The columns by whose values states are told apart.
    work
        What is done with the rows then.
    """

    def __init__(self, order_by: Sequence[str], keys: Sequence[str], work: Steps) -> None:
        self.order_by = order_by
        self.keys = tuple(keys)
        self.work = work
        super().__init__(work.empty, work.__name__)

    @property
    def renews(self) -> bool:
        """Whether rows are made anew from all rows so far, as a reduce's are."""
        return self.work.renews

    def compute(self, batch: Any) -> Any:
        """Return what comes of the rows in order."""
        return self.work.compute(in_order(batch, self.order_by))

    def going_on(self, state: Any) -> Work:
        """Return the same, going on from a state."""
        other = copy(self)
        other.work = self.work.going_on(state)
        return other

    def carry(self, batch: Any, states: pl.DataFrame) -> tuple[Any, list[pl.DataFrame]]:
        """Return what comes of rows after states of their keys, and the states after them."""
        plan, given, owners = self.work.plan, {}, {}
        for step, (name, stage) in enumerate(plan.stateful.items()):
            plugin, layout = stage.binding.plugin, stage.state_layout
            own = states.filter(pl.col(STEP) == step)
            owners[name] = owner_of(plugin, layout)
            check_owner(plugin, owners[name], own[OWNER])
            records = unpacked(own[STATE].to_list(), layout)
            given[name] = KeyedState(plugin.name, own.select(self.keys), records, layout)
        carried = open_states(plan, given if plan.is_pipeline else next(iter(given.values())))
        rows = self.going_on(carried)(batch)
        after = [
            named(rows_of(owner, carried[name].value(), is_there=True)).with_columns(_step(step))
            for step, (name, owner) in enumerate(owners.items())
        ]
        return rows, after


class Merged(Steps, Carries):
    """What comes of states of parts: those of one key are merged, in an order that isn't left to chance.

    Parameters
    ----------
    call, data
        The reduce, and a batch without rows of the data that it is over.
    empty
        A batch without rows of states.
    which
        Which of the steps with states it is.
    keys
        Names of the columns of states that are keys.
    finishes
        Whether what comes out is what the reduce makes of the states, and not the states.

    Attributes
    ----------
    nothing
        A batch of one row that is no state.
    """

    def __init__(
        self, call: Call, data: Any, empty: Any, which: int, keys: Sequence[str], *, finishes: bool = True
    ) -> None:
        self.data = data
        self.which = which
        self.keys = tuple(keys)
        self.finishes = finishes
        self.nothing = of_columns(
            empty, [pl.Series(STATE, [None], pl.Binary), pl.Series(OWNER, [None], pl.String)]
        )
        super().__init__(call, empty)

    @cached_property
    def plan(self) -> Plan:
        """What the reduce comes to over the data, in this process."""
        return plan_of(self.asked, self.data)

    @property
    def renews(self) -> bool:
        """Whether rows are made anew from all rows so far: they are."""
        return True

    def compute(self, batch: Any) -> Any:
        """Return the rows that the reduce gives, or the states."""
        return self._rows(*self._merged(self._states(batch)))

    def carry(self, batch: Any, states: pl.DataFrame) -> tuple[Any, list[pl.DataFrame]]:
        """Return what comes of states of parts after those of before, and all of them merged."""
        owner, value = self._merged(pl.concat([states.drop(STEP), self._states(batch)]))
        after = named(rows_of(owner, value, is_there=value is not None))
        return conformed(self._rows(owner, value), self.output), [after.with_columns(_step(0))]

    def _states(self, batch: Any) -> pl.DataFrame:
        return columns_of(batch, (*self.keys, STATE, OWNER)).filter(pl.col(STATE).is_not_null())

    def _merged(self, states: pl.DataFrame) -> tuple[str, Any]:
        """Return whose states are, and what they come to; None if there are none."""
        stage = list(self.plan.stateful.values())[self.which]
        plugin, layout = stage.binding.plugin, stage.state_layout
        owner = owner_of(plugin, layout)
        check_owner(plugin, owner, states[OWNER])
        return owner, self._keyed(plugin, states, layout) if self.keys else self._one(plugin, states)

    def _rows(self, owner: str, value: Any) -> Any:
        if not self.finishes:
            return of_columns(self.data, rows_of(owner, value, is_there=value is not None))
        name = _name_of(self.plan, self.which)
        state = {name: value} if self.plan.is_pipeline and value is not None else value
        return assemble(self.data, self.run(self.data, state=state), keep=self.request.keep)

    def _one(self, plugin: Plugin, frame: pl.DataFrame) -> Any:
        states = [pickle.loads(one) for one in sorted(frame[STATE])]
        return _merged(plugin, states) if states else None

    def _keyed(self, plugin: Plugin, frame: pl.DataFrame, layout: StateLayout) -> KeyedState:
        by_key = frame.group_by(self.keys, maintain_order=True).agg(pl.col(STATE).sort())
        several = by_key[STATE].list.len() > 1
        firsts = unpacked(by_key[STATE].list.first().to_list(), layout)
        for row in several.arg_true().to_list():
            states = [layout.unpack(one) for one in unpacked(by_key[STATE][row].to_list(), layout)]
            firsts[row] = layout.portable(layout.pack(_merged(plugin, states)))[0]
        return KeyedState(plugin.name, by_key.select(self.keys), firsts, layout)


def rows_of(owner: str, value: Any, *, is_there: bool) -> list[pl.Series]:
    """Return states as columns: the keys, the states as bytes, and whose they are."""
    if isinstance(value, KeyedState):
        keys, states = value.keys_frame.get_columns(), packed(value.records)
    else:
        keys, states = [], [cloudpickle().dumps(value)] if is_there else []
    owners = pl.Series(OWNER, [owner], pl.String).new_from_index(0, len(states))
    return [*keys, pl.Series(STATE, states, pl.Binary), owners]


def packed(records: np.ndarray[Any, Any]) -> list[bytes]:
    """Return each record as bytes."""
    if not records.dtype.hasobject:
        return [one.tobytes() for one in records]
    dumps = cloudpickle().dumps
    return [dumps(one.item()) for one in records]


def unpacked(states: Sequence[bytes], layout: StateLayout) -> np.ndarray[Any, Any]:
    """Return records of what `packed` has made of them."""
    dtype = layout.portable_dtype
    if not dtype.hasobject:
        return np.frombuffer(b"".join(states), dtype).copy()
    records = np.empty(len(states), dtype)
    for row, one in enumerate(states):
        records[row] = pickle.loads(one)
    return records


def check_owner(plugin: Plugin, owner: str, owners: pl.Series) -> None:
    """Raise if states are of another plugin, or of another version of it.

    Raises
    ------
    StateError
        Saying of which.
    """
    others = owners.filter(owners != owner).unique(maintain_order=True).to_list()
    if others:
        problem = f"the states are of `{others[0]}`, the plugin is `{owner}`"
        raise StateError(problem, plugin=plugin.name, argument="state", hint="begin anew, or convert them")


def _merged(plugin: Plugin, states: Sequence[Any]) -> Any:
    assert plugin.stateful is not None
    merge = plain(plugin.stateful.merge)
    try:
        return reduce(merge, states)
    except Exception as error:
        problem = f"`merge` failed on {len(states)} states"
        raise RowError(problem=problem, plugin=plugin.name, count=len(states), cause=error) from error


def _step(step: int) -> pl.Expr:
    return pl.lit(step, pl.Int8).alias(STEP)


def _name_of(plan: Plan, which: int) -> str:
    """Return the name that a plan has for what one of its steps carries."""
    return list(plan.stateful)[which]
