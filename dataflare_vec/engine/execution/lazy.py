"""Plugins added to a Polars query: from steps to nodes of it, and to what Polars itself computes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec._util.names import internal
from dataflare_vec.definition.binding import Column
from dataflare_vec.definition.plugin import Form, root_names
from dataflare_vec.engine.execution.execute import run_steps
from dataflare_vec.engine.execution.expressions import as_expression, of_one
from dataflare_vec.engine.execution.in_query import in_query
from dataflare_vec.engine.execution.query_node import QueryNode
from dataflare_vec.engine.execution.resume import open_states
from dataflare_vec.engine.planning.plan import Plan
from dataflare_vec.engine.stages.expression import exactly, named, source_of
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import BoundStep
    from dataflare_vec.engine.stages.protocols import Stage

#: Under this name a frame that ends in a node keeps what it is made of, for the next call.
_MADE_OF = "_dataflare_vec"


def apply_lazily(frame: pl.LazyFrame, request: Request) -> pl.LazyFrame:
    """Add plugins to a query. Its schema is known without running it."""
    steps, keep = request.steps, request.keep
    plan = Plan(steps, ColumnScope.of_schema(frame.collect_schema()), keep_data=keep)
    states = open_states(plan, request.state)  # or what is wrong would come out when the query runs
    stages = [stage for stage in plan.stages if stage.plugin is not None]
    query = _Growing.begin(frame, request)
    for step, stage in zip(steps, stages, strict=True):
        form = step.plugin.form
        if form in (Form.ROW, Form.COLUMN):
            query.add_kernel(step, stage)
            continue
        one = of_one(request, step)._replace(state=states.given.get(stage.state_name))
        if form is Form.REDUCE:
            return _reduced(query.frame(), one, plan)
        query.add_expression(one, stage)
    if not keep and plan.new:
        query.keep_only(plan.new)
    else:
        for_later = [stage for step, stage in zip(steps, stages, strict=True) if not step.keep]
        dropped = {name for stage in for_later for name in stage.writes} - plan.new.keys()
        kept = dict.fromkeys([*frame.collect_schema(), *plan.new])  # as on a frame
        query.keep_only([name for name in kept if name not in dropped])
    return query.finished()


@dataclass(slots=True)
class _Growing:
    """A query to which steps are added.

    Attributes
    ----------
    data : LazyFrame
        What the node reads.
    node : QueryNode
        The node at its end.
    names : dict
        For each name that can be read the column of the data, or of the node.
    hoisted : int
        Of how many expressions the data has the columns.
    """

    data: pl.LazyFrame
    node: QueryNode
    names: dict[str, str]
    hoisted: int = 0

    @classmethod
    def begin(cls, frame: pl.LazyFrame, request: Request) -> _Growing:
        """Return a query that goes on from a frame: with its node, if that is run as what comes is."""
        made_of: _Growing | None = vars(frame).get(_MADE_OF)
        reason = ""
        if made_of is not None:
            reason = _difference(made_of.node.request, request)
            if not reason:
                return replace(made_of, names=dict(made_of.names))
        names = {name: name for name in frame.collect_schema().names()}
        return cls(frame, QueryNode(request._replace(steps=(), state=None), reason=reason), names)

    def frame(self) -> pl.LazyFrame:
        """Return the query as it is so far."""
        return self.node.over(self.data, self.names)

    def finished(self) -> pl.LazyFrame:
        """Return the query, which another call can go on from."""
        frame = self.frame()
        if self.node.steps:
            vars(frame)[_MADE_OF] = self
        return frame

    def keep_only(self, names: Iterable[str]) -> None:
        """Let only some columns come back, in this order."""
        self.names = {name: self.names[name] for name in names}

    def add_kernel(self, step: BoundStep, stage: Stage) -> None:
        """Add a row kernel, a column kernel or a filter to the node."""
        computed = [item for item in step.binding.columns if item.is_computed]
        if not all(map(self._is_below, computed)):
            self._close(f"`{step.plugin.name}` reads an expression of what comes out of them")
        readable = dict(self.names)
        items = []
        for item in step.binding.items:
            if isinstance(item, Column) and item.is_computed:
                name = self._hoist(step, item)
                readable[name] = name
                item = replace(item, source=name, is_there=True)
            items.append(item)
        columns = tuple(item for item in items if isinstance(item, Column))
        step = step._replace(binding=replace(step.binding, items=tuple(items), columns=columns))
        self.node = self.node.adding(step, readable, stage.writes)
        self.names.update(zip(stage.writes, self.node.steps[-1].writes, strict=True))

    def add_expression(self, request: Request, stage: Stage) -> None:
        """Add what Polars computes itself, or has all rows for: an expression or a scan."""
        (step,) = request.steps
        if step.plugin.stateful is not None and request.on_error == "drop":
            msg, hint = "a scan in a lazy query can't drop failed rows", 'use `on_error="null"` and filter'
            raise ArgumentError(msg, argument="on_error", got="drop", hint=hint)
        self._close(f"`{step.plugin.name}` between them is Polars' own, or sees all rows")
        well = self.node.selected
        if stage.is_filter:
            wanted = as_expression(request, pl.Boolean)
            self.data = self.data.filter(wanted if well is None else pl.col(well) & wanted)
            return
        names, dtypes = list(stage.writes), list(stage.writes.values())
        if len(names) == 1:
            column = as_expression(request, dtypes[0]).alias(names[0])
        else:
            schema = self.data.collect_schema()
            readable = ColumnScope.of_schema({name: schema[name] for name in self.names})
            inner = Plan([step._replace(output=None)], readable, keep_data=False)
            struct = pl.Struct(dict(zip(inner.new, dtypes, strict=True)))
            column = as_expression(request, struct).struct.rename_fields(names)
        if well is not None:
            column = pl.when(well).then(column)
        self.data = self.data.with_columns(column if len(names) == 1 else column.struct.unnest())
        self.names.update({name: name for name in names})

    def _is_below(self, item: Column) -> bool:
        """Whether a parameter's expression is the same below the node: of as many rows, and of the data."""
        roots = root_names(source_of(item))
        if self.node.decides or roots is None:
            return not self.node.steps
        return all(self.names[name] == name for name in roots)

    def _hoist(self, step: BoundStep, item: Column) -> str:
        """Let Polars compute below the node what a parameter is bound to; return the name of its column."""
        self.hoisted += 1
        name = internal(f"{step.plugin.name}({item.label}), expression {self.hoisted}")
        self.data = self.data.with_columns(source_of(item).alias(name))
        return name

    def _close(self, reason: str) -> None:
        """Begin another node, over what there is so far."""
        node = self.node
        if node.steps:
            self.data = node.over(self.data, self.names, well=True)
            self.node = QueryNode(node.request, node.well, node.depth + 1, reason)
            self.names, self.hoisted = {name: name for name in self.names}, 0


def _difference(one: Request, other: Request) -> str:
    """Return why the steps of two calls can't be run as those of one; "" if they can."""
    if "null" in (one.on_error, other.on_error):
        return 'with on_error="null" a row that failed in one call is a row of the next'
    if one.on_error != other.on_error:
        return "the calls don't treat failed rows alike"
    if one.settings != other.settings:
        return "the calls have other settings"
    if one.runtime is not other.runtime and vars(one.runtime) != vars(other.runtime):
        return "the calls have other managers or logs"
    return ""


def _reduced(frame: pl.LazyFrame, request: Request, plan: Plan) -> pl.LazyFrame:
    """Add a reduce to a query: its rows are others than the data's."""
    (step,) = request.steps
    names = step.column_names
    if names is not None:
        frame = frame.select(exactly(name) for name in frame.collect_schema().names() if name in names)
    return frame.map_batches(_Reduce(request), schema=plan.new)


@dataclass(frozen=True, slots=True, eq=False)
class _Reduce:
    """What Polars calls for a reduce, with all rows."""

    request: Request

    def __call__(self, data: pl.DataFrame) -> pl.DataFrame:
        with in_query(data.height):
            outcome = run_steps(self.request, ColumnScope(data), data)
        return named(outcome.series)
