"""From a call over an engine's frame to what its workers do; what can be refused is refused here."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec._util.names import named
from dataflare_vec._util.suggestions import Argument, Phrase, near_matches
from dataflare_vec.definition.plugin import Form
from dataflare_vec.distributed.batches import columns_of, conformed, of_columns
from dataflare_vec.distributed.carried import OWNER, STATE
from dataflare_vec.distributed.compiled import compiled_loops
from dataflare_vec.distributed.engines import engine_of
from dataflare_vec.distributed.states import (
    InOrder,
    Merged,
    Resumed,
    States,
    Tagged,
    check_owner,
    owner_of,
    rows_of,
)
from dataflare_vec.distributed.work import Call, Rows, Steps, plan_of
from dataflare_vec.engine.planning.request import ask
from dataflare_vec.engine.planning.steps import Step
from dataflare_vec.engine.state.store import KeyedState
from dataflare_vec.exceptions import BindingError, ColumnNotFoundError, StateError
from dataflare_vec.interop import column_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.definition.registry import Registry
    from dataflare_vec.definition.state_layout import StateLayout
    from dataflare_vec.distributed.engines import Engine
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.service.manager import PluginManager

#: Columns of a file that are the index of a frame, as Dask and pandas call one that has no name.
_INDEX = re.compile(r"__null_dask_index__|__index_level_\d+__")


class Over(NamedTuple):
    """A call over a frame of an engine.

    Attributes
    ----------
    engine : Engine
        Whose it is.
    data
        The frame.
    empty
        A batch without rows.
    request : Request
        What is asked for.
    call : Call
        The same, to be sent to workers.
    order_by : tuple of str
        Columns by whose order rows come to states.
    keys : tuple of str
        Columns by whose values states are told apart.
    given
        The states to go on from, as the user gave them; None to begin.
    """

    engine: Engine
    data: Any
    empty: Any
    request: Request
    call: Call
    order_by: tuple[str, ...]
    keys: tuple[str, ...]
    given: Any = None

    @property
    def stateful(self) -> list[int]:
        """The steps that carry a state."""
        return [i for i, step in enumerate(self.request.steps) if step.plugin.stateful is not None]

    def apply(self) -> Any:
        """Return the frame that comes of it, which is as lazy as the engine's are."""
        if not self.stateful:
            return self.engine.map(self.data, Rows(self.call, self.empty))
        if self.is_merged:
            return self._merged(finishes=True)
        return self.in_order(Rows(self.call, self.empty))

    def states(self) -> Any:
        """Return a frame of the states after all rows: keys, state, and which plugin's it is."""
        if self.is_merged:
            return self._merged(finishes=False)
        return self.in_order(States(self.call, self.empty, len(self.stateful) - 1))

    def per_batch(self, work: Steps) -> Any:
        """Return what work makes of the batches that the steps are given."""
        return self.in_order(work) if self.has_order else self.engine.map(self.data, work)

    @property
    def is_stream(self) -> bool:
        """Whether rows come in micro-batches, without an end, as only frames of Spark may."""
        return getattr(self.data, "isStreaming", False) is True

    @property
    def has_order(self) -> bool:
        """Whether a step sees rows in an order."""
        return any(not _may_merge(self.request.steps[i].plugin) for i in self.stateful)

    @property
    def is_merged(self) -> bool:
        """Whether a reduce's states come from several parts."""
        last = self.request.steps[-1]
        return _may_merge(last.plugin) and (not self.has_order or not last.by)

    def in_order(self, work: Steps) -> Any:
        """Return what work makes of all rows of each key, in order, after the states that are given."""
        ordered = InOrder(self.order_by, self.keys, work)
        if self.given is None:
            return self.engine.group(self.data, self.keys, ordered)
        plugin, state_layout = self.stage
        states = given_states(self.given, self.engine, plugin, state_layout, self.keys)
        if self.is_stream:
            ordered.given = states
            return self.engine.group(self.data, self.keys, ordered)
        tagged = Tagged(self.empty, ordered.__name__)
        rows = self.engine.union(
            self.engine.map(self.data, tagged), tagged.states(states.select(self.keys), states[STATE])
        )
        return self.engine.group(rows, self.keys, Resumed(tagged, ordered, plugin, self.keys, state_layout))

    @property
    def stage(self) -> tuple[Plugin, StateLayout]:
        """The one plugin that carries a state, and how that lies in memory."""
        stateful = plan_of(self.request, self.empty).stateful
        if len(stateful) > 1:
            names = ", ".join(f"`{name}`" for name in stateful)
            msg = f"over a frame of {self.engine.name} one plugin goes on from a state, not {names}"
            raise StateError(msg, argument="state", hint="apply them one after the other")
        (stage,) = stateful.values()
        return stage.binding.plugin, stage.state_layout

    def _merged(self, *, finishes: bool) -> Any:
        last, engine = len(self.stateful) - 1, self.engine
        states = States(self.call, self.empty, last)
        partial = self._in_order_anew(states) if self.has_order else engine.map(self.data, states)
        keys = self.keys if self.request.steps[-1].by else ()
        merged = Merged(self.call, self.empty, states.output, last, keys, finishes=finishes)
        given = None if self.given is None else given_states(self.given, engine, *self.stage, keys)
        if self.is_stream:
            merged.given = given
            return engine.group(partial, keys, merged)
        if given is not None:
            partial = engine.union(
                partial, conformed(of_columns(self.empty, given.get_columns()), states.output)
            )
        if keys:
            return engine.group(partial, keys, merged)
        return engine.together(engine.union(partial, merged.nothing), merged)

    def _in_order_anew(self, work: Steps) -> Any:
        return self.engine.group(self.data, self.keys, InOrder(self.order_by, self.keys, work))


def over(
    engine: Engine,
    data: Any,
    manager: PluginManager,
    plugin: Any,
    options: Mapping[str, Any],
    order_by: str | Sequence[str] | None,
) -> Over:
    """Return a call over a frame of an engine, once it is known that it can be done.

    Raises
    ------
    PluginError
        If plugins, columns, types or the order don't fit.
    """
    empty = engine.empty(data)
    given, options = options["state"], {**options, "state": None}
    request = ask(manager.registry, manager.runtime, plugin, **options)
    by = _checked_order(request, order_by, column_names(empty), engine)
    keys = _keys(request, column_names(empty), engine)
    plan = plan_of(request, empty)
    _check_parts(plan, request, engine)
    _refuse_expiry(request, engine)
    if options["config"] is None:  # an engine runs a task for each processor
        options["config"] = replace(request.settings, enable_parallel=False)
    call = Call(_found(manager.registry, plugin), options, engine.name)
    made = Over(engine, data, empty, request, call, by, keys, given)
    _check_order(made)
    if made.is_stream and made.has_order and made.is_merged:
        raise BindingError(
            problem="over a stream a reduce over all rows can't follow what has keys",
            plugin=request.steps[-1].plugin.name,
            argument="by",
            hint=Phrase("give it the same keys with ", Argument("by")),
        )
    return made._replace(call=replace(made.call, loops=compiled_loops(plan)))


def _check_parts(plan: Plan, request: Request, engine: Engine) -> None:
    """Raise if a stage needs all rows at once."""
    for stage in plan.stages:
        if stage.needs_all_rows:
            name = request.names[0] if stage.plugin is None else stage.plugin.name
            raise BindingError(
                problem=f"it needs all rows at once, which {engine.name} has in parts",
                plugin=name,
                hint="use `dfv.scan` with `by=` and `order_by=` for what looks at neighbouring rows",
            )


def _refuse_expiry(request: Request, engine: Engine) -> None:
    """Raise if states of keys are to expire: the clock is that of all rows, in their order."""
    for step in request.steps:
        if step.expiry is not None:
            raise BindingError(
                problem=f"over a frame of {engine.name} keys don't expire: there is no clock of all rows",
                plugin=step.plugin.name,
                argument="expire",
                hint="leave it out, or use `dfv.stream`",
            )


def given_states(
    given: Any, engine: Engine, plugin: Plugin, state_layout: StateLayout, keys: Sequence[str]
) -> pl.DataFrame:
    """Return states that a user gives as rows: keys, states and whose they are.

    Raises
    ------
    StateError
        If they are of another plugin, or another version, or by other keys.
    """
    owner = owner_of(plugin, state_layout)
    if isinstance(given, KeyedState):
        theirs = owner_of(plugin, given.state_layout).replace(plugin.name, given.plugin, 1)
        frame = named(rows_of(theirs, given, is_there=True))
    elif not hasattr(given, "columns"):
        frame = named(rows_of(owner, given, is_there=True))
    elif isinstance(given, pl.DataFrame):
        frame = given
    else:
        batch = engine.collect(given) if engine_of(given) is not None else given
        frame = columns_of(batch, column_names(batch))
    frame = frame.drop([name for name in frame.columns if _INDEX.fullmatch(name) and name not in keys])
    wanted = [*keys, STATE, OWNER]
    if frame.columns != wanted:
        msg = f"`state` has the columns {frame.columns}, not {wanted}"
        raise StateError(msg, plugin=plugin.name, argument="state", hint="pass what `run(…).state` was")
    check_owner(plugin, owner, frame[OWNER])
    return frame


def _found(registry: Registry, plugin: Any) -> Any:
    """Return the plugins that are named: workers needn't have the same names."""
    if isinstance(plugin, (list, tuple)):
        return [_found(registry, one) for one in plugin]
    if isinstance(plugin, Step):
        return replace(plugin, plugin=registry.resolve(plugin.plugin))
    return registry.resolve(plugin)


def _checked_order(
    request: Request, order_by: str | Sequence[str] | None, names: Sequence[str], engine: Engine
) -> tuple[str, ...]:
    if order_by is None:
        return ()
    columns = (order_by,) if isinstance(order_by, str) else tuple(order_by)
    for name in columns:
        if name not in names:
            msg = f"`order_by` names a column `{name}`, which isn't in the data"
            raise ColumnNotFoundError(
                msg, plugin=request.names[0], column=name, hint=near_matches(name, names)
            )
    return columns


def _may_merge(plugin: Plugin) -> bool:
    """Whether a plugin is a reduce whose states of parts can be merged."""
    return plugin.form is Form.REDUCE and plugin.stateful is not None and plugin.stateful.merge is not None


def _keys(request: Request, names: Sequence[str], engine: Engine) -> tuple[str, ...]:
    """Return the keys by which rows go to workers."""
    found: dict[tuple[str, ...], str] = {}
    for step in request.steps:
        if step.plugin.stateful is None or (step.plugin.form is Form.REDUCE and not step.by):
            continue
        for key in step.by:
            if not isinstance(key, str) or key not in names:
                raise BindingError(
                    problem=f"over a frame of {engine.name} keys are columns of the data, got {key}",
                    plugin=step.plugin.name,
                    argument="by",
                    hint="make the column first",
                )
            if key in (STATE, OWNER):
                msg = f"key column `{key}` is called like a column of the frame of states"
                raise BindingError(msg, plugin=step.plugin.name, argument="by", hint="rename it")
        found[tuple(map(str, step.by))] = step.plugin.name
    if len(found) > 1:
        (first, one), (second, other) = list(found.items())[:2]
        ways = f"`{one}` is by {', '.join(first)}, `{other}` by {', '.join(second)}"
        raise BindingError(
            problem=f"{ways}: rows can't go both ways",
            plugin=other,
            argument="by",
            hint="apply them one after the other",
        )
    return next(iter(found), ())


def _check_order(made: Over) -> None:
    """Raise if a step needs an order of rows, or one place for all, that an engine hasn't."""
    for i in made.stateful if made.has_order else ():
        step = made.request.steps[i]
        plugin, engine = step.plugin, made.engine.name
        if _may_merge(plugin):
            continue
        is_reduce = plugin.form is Form.REDUCE
        what = "a reduce without `merge`" if is_reduce else "a scan"
        if not step.by:
            other = "write `merge`" if is_reduce else "write a reduce with `merge`"
            msg = f"{what} over all rows needs them on one machine, in an order that {engine} hasn't"
            raise BindingError(
                msg,
                plugin=plugin.name,
                argument="by",
                hint=Phrase("give keys with ", Argument("by"), f", for a state each, or {other}"),
            )
        if not made.order_by:
            msg = f"{what} sees rows in an order, and frames of {engine} have none"
            raise BindingError(
                msg,
                plugin=plugin.name,
                argument="order_by",
                hint=Phrase("name the columns that say it with ", Argument("order_by")),
            )
